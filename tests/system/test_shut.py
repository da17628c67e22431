"""What is shut stays shut: without the daemon, with a broken configuration, before the network, and
until somebody says otherwise."""

import os
import pty
import re
import subprocess
from pathlib import Path

from daemon import program
from netns import PATIENCE, eventually
from world import FAMILIES, LONG, SERVICE_PORT, WorldTest

FAILED, CONFIG = 1, 78


class ShutTest(WorldTest):
    server_settings = {"knock_timeout": LONG}

    def guard(self, *words, code=0):
        done = subprocess.run(
            ["ip", "netns", "exec", self.server.name, program("postern-guard"), "-c", self.daemon.file,
             "--state-dir", self.daemon.state, *words], text=True, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def break_configuration(self):
        self.good = self.daemon.file.read_text()
        self.daemon.configure(self.good + "nonsense: 1\n")

    def assert_all_shut(self):
        for family in FAMILIES:
            self.assert_shut(family)

    def test_a_stop_leaves_the_ports_shut_and_grants_their_time(self):
        self.start(self.configuration(knock_timeout="10s"))
        self.knock()
        self.assert_opens()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertTrue(self.reaches(), "a stop took a grant away")
        self.assert_shut(space=self.other)
        self.assertTrue(eventually(lambda: not self.reaches()), "a grant outlived its time")
        self.assert_all_shut()

    def restore_from_another_boot(self):
        """The rules with alice's grant, as if they had been saved before the machine was started anew."""
        self.start()
        self.knock()
        self.assert_opens()
        self.assertEqual(self.daemon.stop(), 0)
        saved = self.server.run("nft", "list", "ruleset")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self.assertIn(f"of boot {boot}", saved)
        saved = saved.replace(boot, boot[::-1])
        saved = re.sub(r"^\tflags .*\n", "", saved, flags=re.M)  # not all nft know an owner
        self.server.nft("flush ruleset\n" + saved)
        self.assertTrue(self.reaches(), "the saved grant is not there, so this proves nothing")

    def test_the_guard_takes_no_grant_from_another_boot(self):
        self.restore_from_another_boot()
        self.assertIn("the ports are shut", self.guard())
        self.assert_all_shut()

    def test_the_daemon_takes_no_grant_from_another_boot(self):
        self.restore_from_another_boot()
        self.daemon.start()
        self.assert_all_shut()
        self.assertIn("is not of this boot", self.daemon.log_path.read_text())

    def test_remove_is_still_there(self):
        self.start(self.configuration(shutdown="remove"))
        self.assert_all_shut()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.table(), [])
        self.assert_opens()

    def test_a_restart_with_a_broken_file(self):
        self.start()
        self.knock()
        self.assert_opens()
        self.daemon.stop()
        self.break_configuration()
        self.daemon.start(ready=False)
        self.assertEqual(self.daemon.process.wait(PATIENCE), CONFIG)
        self.assertIn("nonsense", self.daemon.log_path.read_text())
        self.assertTrue(self.reaches(), "the grant is gone")
        self.assert_shut(space=self.other)
        self.daemon.configure(self.good)
        self.daemon.start()
        self.assertTrue(self.reaches(), "the grant is gone")
        self.assertIn("alice", self.postern("sessions"))

    def test_a_boot_with_a_broken_file(self):
        """The kernel has forgotten everything; the last good rules are put in place."""
        self.start()
        self.daemon.stop()
        self.break_configuration()
        for starts in (self.guard, lambda: self.daemon.start(ready=False).process.wait(PATIENCE)):
            self.server.flush_rules()
            self.assert_opens()  # as the host's own rules leave it
            starts()
            self.assert_all_shut()
            self.assertTrue(self.table())

    def test_a_boot_with_a_sound_file(self):
        self.make_daemon()
        self.guard()
        self.assert_all_shut()
        self.assertIn("left as they are", self.guard())
        self.daemon.start()
        self.knock()
        self.assert_opens()
        self.assert_shut(space=self.other)

    def make_daemon(self):
        self.start()
        self.daemon.stop()
        self.server.flush_rules()

    def test_nothing_to_go_by(self):
        self.make_daemon()
        self.break_configuration()
        accepted = self.daemon.state / "accepted"
        good = accepted.read_bytes()
        damaged = [b"", good[:-1], good[1:], good + b"x", bytes([good[0] ^ 1]) + good[1:]]
        damaged += [good[:i] + bytes([good[i] ^ 0x80]) + good[i + 1:] for i in range(8, len(good), 7)]
        for data in damaged:
            accepted.write_bytes(data)
            self.assertIn("nothing is shut", self.guard(code=CONFIG))
            self.assertEqual(self.table(), [])
        accepted.write_bytes(good)
        accepted.chmod(0o644)
        self.assertIn("others could have changed it", self.guard(code=CONFIG))
        accepted.unlink()
        self.assertIn("there is none yet", self.guard(code=CONFIG))

    def test_a_start_that_fails_shuts(self):
        """The knock port is in use: no daemon, and nobody gets in."""
        self.make_daemon()
        taken = self.server.socket(10, 2)
        taken.bind(("::", 54154))
        self.daemon.start(ready=False)
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        self.assert_all_shut()
        taken.close()
        self.daemon.start()
        self.knock()
        self.assert_opens()

    def test_release(self):
        self.start()
        tool = ["ip", "netns", "exec", self.server.name, program("postern"), "--control", self.daemon.control]
        refused = subprocess.run([*tool, "release", "--yes"], text=True, stderr=subprocess.PIPE)
        self.assertEqual(refused.returncode, FAILED)
        self.assertIn("stop it first", refused.stderr)
        self.assert_all_shut()
        self.daemon.stop()
        self.server.run("nft", "add", "table", "inet", "mine")
        asked = subprocess.run([*tool, "release"], text=True, stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL)
        self.assertEqual(asked.returncode, 2)
        self.assert_all_shut()
        for answer, code in ((b"no\n", FAILED), (b"yes\n", 0)):
            person, terminal = pty.openpty()
            os.write(person, answer)
            done = subprocess.run([*tool, "release"], stdin=terminal, stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, code)
            os.close(person)
            os.close(terminal)
        self.assertEqual(self.table(), [])
        self.assertIn("mine", self.server.run("nft", "list", "tables"))
        self.assert_opens()
