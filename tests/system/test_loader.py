"""The child that reads the configuration for main: nobody waits for it, and it leaves nothing."""

import os
import re
import signal
import subprocess
from pathlib import Path

import openme
from daemon import descendants, descriptors, name_of, own_memory, program, state_of
from flood import set_priority
from netns import PATIENCE, eventually
from world import LONG, WorldTest

NAME = "postern-loader"
CROWD = 4000  # of whom reading takes long enough to catch it
IDLE = 20  # seconds without work, after which it is ended


def strangers(count):
    return {f"client{i}": {"ed25519_pubkey": openme.text(openme.ClientKey().public),
                           "allowed_ports": ["default"]} for i in range(count)}


class LoaderTest(WorldTest):
    server_settings = {"knock_timeout": LONG}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.crowd = strangers(CROWD)

    def loader(self):
        return next((pid for pid in descendants(self.daemon.process.pid) if name_of(pid) == NAME),
                    None)

    def catch(self):
        """Stops the child in its work; its pid."""
        pid = eventually(self.loader)
        self.assertTrue(pid, "nothing reads the configuration")
        os.kill(pid, signal.SIGSTOP)
        self.assertTrue(eventually(lambda: state_of(pid) == "T"), "it had ended already")
        return pid

    def are_hints_made(self):
        """Roles and the writer of the audit log are left. Who makes them gives way to all others, and
        on a busy machine it would take longer than one that reads may stand still."""
        pids = descendants(self.daemon.process.pid)
        for pid in pids:
            if name_of(pid) == "postern-hints":
                set_priority(pid, 0)
        return len(pids) == 4

    def begin_reload(self):
        """Its child stands still. It has no index that would spare it the work."""
        (self.daemon.state / "clients.index").unlink(missing_ok=True)
        self.daemon.notices.drop()
        self.daemon.process.send_signal(signal.SIGHUP)
        return self.catch()

    def reloads(self):
        return self.daemon.events(message=f"reloaded: {CROWD + 3} clients, 0 devices")

    def assert_serves(self, number):
        target = f"203.0.113.{number}"
        self.knock(target=target)
        self.assertIn(target, self.settle())

    def assert_refused(self, why):
        refused = eventually(lambda: self.daemon.events(
            message="reload refused, the old configuration stays"))
        self.assertRegex(refused[-1]["why"], why)
        self.assertTrue(self.daemon.notices.wait_for("READY=1", self.daemon.process))
        self.assertIsNone(self.loader())
        self.assert_serves(2)
        self.daemon.reload()
        self.assertEqual(len(self.reloads()), 1)

    def test_knocks_are_served_while_it_reads(self):
        self.start(self.configuration(self.crowd))
        loader = self.begin_reload()
        self.assert_serves(1)
        self.assertGreaterEqual(self.counted("granted"), 2)  # the desk answers, too
        self.assertFalse(self.reloads())
        os.kill(loader, signal.SIGCONT)
        self.assertTrue(self.daemon.notices.wait_for("READY=1", self.daemon.process))
        self.assertEqual(len(self.reloads()), 1)
        self.assert_serves(2)

    def test_no_knock_is_lost_in_reloads(self):
        self.start(self.configuration(self.crowd))
        sent = [f"198.51.100.{i}" for i in range(1, 201)]
        self.grant_all(sent[:1])
        self.daemon.process.send_signal(signal.SIGHUP)
        for number, target in enumerate(sent[1:], 1):
            self.knock(target=target)
            if self.loader() is None:
                self.daemon.process.send_signal(signal.SIGHUP)
            granted = number - 20
            self.assertTrue(eventually(lambda g=granted: self.counted("granted") >= g))
        self.assertTrue(eventually(lambda: self.counted("granted") == len(sent)), "a knock was lost")
        self.assertTrue(eventually(self.reloads))

    def test_a_stop_does_not_wait_for_it(self):
        self.start(self.configuration(self.crowd))
        loader = self.begin_reload()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertIsNone(state_of(loader))
        self.assertFalse(self.daemon.events(level="error"))
        self.assertNotIn("left behind", self.daemon.log_path.read_text())

    def test_reloads_during_a_reload(self):
        """What was changed meanwhile is read, once for all who have asked."""
        self.start(self.configuration(self.crowd))
        self.assertTrue(eventually(self.are_hints_made))
        loader = self.begin_reload()
        self.daemon.configure(self.configuration({**self.crowd, "marker2": self.client_entry(
            openme.ClientKey())}))
        for _ in range(3):
            self.daemon.process.send_signal(signal.SIGHUP)
        tool = self.server.popen(program("postern"), "--control", self.daemon.control, "reload",
                                 stderr=subprocess.PIPE)
        # The roles, the writer of the audit log, and one that reads.
        self.assertTrue(eventually(lambda: len(descendants(self.daemon.process.pid)) == 5))
        self.assert_serves(1)
        self.assertIsNone(tool.poll())
        self.assertEqual(self.loader(), loader, "two read at once")
        os.kill(loader, signal.SIGCONT)
        self.assertEqual(tool.wait(PATIENCE), 0, tool.stderr.read())
        tool.stderr.close()
        self.assertTrue(self.daemon.events(message=f"reloaded: {CROWD + 4} clients, 0 devices"))
        self.assertTrue(eventually(lambda: self.loader() is None))
        self.settle()
        # The first may be refused for the change; the tool may have asked while the second one read.
        reloads = [e for e in self.daemon.lines() if e["message"].startswith("reload")]
        self.assertIn(len(reloads), (2, 3))
        self.assertIsNone(self.daemon.process.poll())

    def test_one_that_is_killed(self):
        self.start(self.configuration(self.crowd))
        os.kill(self.begin_reload(), signal.SIGKILL)
        self.daemon.done_by_us.append("killed by SIGKILL")
        self.assert_refused("the process that reads it has ended: killed by SIGKILL")

    def test_one_that_does_not_get_on(self):
        self.start(self.configuration(self.crowd))
        self.begin_reload()
        self.daemon.done_by_us.append("killed by SIGKILL")
        self.assertTrue(eventually(lambda: self.daemon.events(
            message="reading the configuration does not get on, and is ended"),
            within=IDLE + PATIENCE))
        self.assert_refused("killed by SIGKILL")

    def test_it_has_nothing_of_mains_and_ends_with_it(self):
        self.start(self.configuration(self.crowd))
        loader = self.begin_reload()
        more = {fd: goal for fd, goal in descriptors(loader).items()
                if fd > 2 and not goal.endswith("config.yaml")}
        self.assertEqual(len(more), 1, more)  # the channel to main
        status = Path(f"/proc/{loader}/status").read_text()
        self.assertRegex(status, r"SigBlk:\s0+\n")
        main = Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        for rights in ("CapEff", "Seccomp", "NoNewPrivs"):  # stay those of main
            line = re.compile(rf"^{rights}:.*$", re.M)
            self.assertEqual(line.search(status)[0], line.search(main)[0])
        self.daemon.kill()
        self.assertTrue(eventually(lambda: state_of(loader) in (None, "Z")))

    def test_a_start_can_be_stopped_and_says_that_it_takes_longer(self):
        self.start()
        self.daemon.stop()
        self.daemon.configure(self.configuration(self.crowd))
        self.daemon.start(ready=False)
        loader = self.catch()
        self.assertTrue(self.daemon.notices.wait_for(
            "EXTEND_TIMEOUT_USEC=60000000", self.daemon.process))
        self.daemon.killed = True
        self.daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.process.wait(PATIENCE), -signal.SIGTERM)
        self.assertTrue(eventually(lambda: state_of(loader) in (None, "Z")))
        self.daemon.start()
        self.assert_serves(1)

    def test_main_keeps_no_memory_of_it(self):
        """What a reload of many takes is gone afterwards."""
        few = self.configuration()
        self.start(few)
        before = own_memory(self.daemon.process.pid)
        for configuration in (self.configuration(self.crowd), few):
            self.daemon.configure(configuration)
            self.daemon.reload()
        self.assertLess(own_memory(self.daemon.process.pid) - before, 300)
