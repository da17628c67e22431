"""The child that makes the clients' hint keys: nothing depends on it, and it leaves nothing. That
hints are understood shows in that no other key is tried."""

import os
import re
import signal
from pathlib import Path

import openme
from crowd import ClientsInFile, client_key, public_keys
from daemon import descendants, descriptors, name_of, state_of
from flood import set_priority
from hints import hinted
from netns import eventually
from world import LONG, WorldTest

NAME = "postern-hints"
CROWD = 10_000  # whose keys take long enough to catch it
WRITTEN = "the index of hint keys was written"


class HintsTest(WorldTest):
    server_settings = {"knock_timeout": LONG}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = public_keys(CROWD + 1)

    def begin(self, count=CROWD):
        """A daemon with so many clients, of a state directory that was used before, without an
        index; it is ready, and its child at work."""
        if not self.daemon:
            self.start()
        self.daemon.stop()
        self.write(count)
        self.daemon.log_path.unlink()
        self.daemon.start()

    def write(self, count, **settings):
        configuration = self.configuration(**settings)
        del configuration["clients"]
        ClientsInFile(self.daemon.folder).write(configuration, self.keys[:count])

    def maker(self):
        return next((pid for pid in descendants(self.daemon.process.pid) if name_of(pid) == NAME),
                    None)

    def catch(self):
        """Stops it in its work; its pid."""
        pid = eventually(self.maker)
        self.assertTrue(pid, "nothing makes hint keys")
        os.kill(pid, signal.SIGSTOP)
        self.assertTrue(eventually(lambda: state_of(pid) == "T"), "it had ended already")
        return pid

    def is_ready(self, count=CROWD):
        return self.daemon.events(message=f"ready for hints of {count} clients")

    def hasten(self):
        """It gives way to all others: on a busy machine it would take minutes."""
        if pid := self.maker():
            set_priority(pid, 0)

    def wait_until_ready(self, count=CROWD):
        self.assertTrue(eventually(lambda: self.hasten() or self.is_ready(count)), "not all keys were made")
        self.assertTrue(eventually(lambda: self.maker() is None), "it stays")

    def assert_serves(self, number, how=hinted):
        """A client, from an address that nobody is known at."""
        granted = self.counted("granted")
        self.deliver(how(client_key(number), self.server_key.public))
        self.assertTrue(eventually(lambda: self.counted("granted") > granted),
                        f"client {number} was not served")

    def test_few_are_served_by_their_hints_from_the_start(self):
        """At a gate that takes nothing else, and would not look for them in another way."""
        self.start()
        self.write(64, legacy="no")
        for _ in range(10):
            self.daemon.stop()
            self.daemon.start()
            self.assert_serves(63)

    def test_all_are_served_by_their_hints(self):
        """Within a time in which nobody could try 10,000 keys for each."""
        self.begin()
        self.wait_until_ready()
        granted = self.counted("granted")
        for number in range(0, CROWD, 100):
            self.deliver(hinted(client_key(number), self.server_key.public,
                                target=openme.target_bytes(f"198.51.100.{number // 100 + 1}")))
        self.assertTrue(eventually(lambda: self.counted("granted") == granted + 100))
        self.assertFalse(self.counted("busy"))

    def test_knocks_are_served_meanwhile(self):
        self.begin()
        pid = self.catch()
        self.assert_serves(CROWD - 1)  # whose key has not been made
        self.assert_serves(CROWD // 2, openme.knock)
        self.assertFalse(self.is_ready())
        os.kill(pid, signal.SIGCONT)
        self.wait_until_ready()
        self.assert_serves(CROWD - 1)

    def test_one_that_is_killed(self):
        self.begin()
        self.daemon.done_by_us.append("killed by SIGKILL")
        os.kill(self.catch(), signal.SIGKILL)
        self.assertTrue(eventually(lambda: self.daemon.events(how="killed by SIGKILL")))
        self.assert_serves(CROWD - 1)
        self.assertIsNone(self.daemon.process.poll())
        self.daemon.reload()
        self.wait_until_ready()

    def test_a_reload_ends_it_and_another_goes_on(self):
        self.begin()
        before = self.catch()
        self.write(CROWD + 1)
        self.daemon.reload()
        self.assertIsNone(state_of(before))
        self.wait_until_ready(CROWD + 1)
        self.assert_serves(CROWD)
        self.assertFalse(self.is_ready(CROWD))
        self.assertFalse(self.daemon.events(level="warn", role="main"))

    def test_a_stop_does_not_wait_for_it(self):
        self.begin()
        pid = self.catch()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertIsNone(state_of(pid))
        self.assertFalse(self.daemon.events(level="error"))
        self.assertNotIn("left behind", self.daemon.log_path.read_text())

    def test_it_has_nothing_of_mains_and_ends_with_it(self):
        self.begin()
        pid = self.catch()
        self.assertEqual({fd for fd in descriptors(pid) if fd > 2}, set())
        status = Path(f"/proc/{pid}/status").read_text()
        for line in (r"CapEff:\s0+\n", r"CapPrm:\s0+\n", r"SigBlk:\s0+\n", r"NoNewPrivs:\s1\n"):
            self.assertRegex(status, line)
        main_status = Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        seccomp = re.compile(r"^Seccomp:.*$", re.M)
        self.assertEqual(seccomp.search(status)[0], seccomp.search(main_status)[0])
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, pid), 19)
        self.daemon.end("main", signal.SIGKILL)
        self.assertTrue(eventually(lambda: state_of(pid) in (None, "Z")))
        self.daemon.kill()

    def test_the_index_spares_it_the_work(self):
        """Written when it was worth it; who was in it need not wait for those who were not."""
        self.begin()
        self.wait_until_ready()
        index = self.daemon.state / "hints.index"
        self.assertTrue(self.daemon.events(message=WRITTEN))
        self.assertEqual(index.stat().st_mode & 0o777, 0o600)
        first = index.read_bytes()
        self.assertEqual(len(first), 16 + 32 + CROWD * 64 + 32)
        self.write(CROWD + 1)
        self.begin(CROWD + 1)
        self.wait_until_ready(CROWD + 1)
        self.assertFalse(self.daemon.events(message=WRITTEN), "one key was worth an index")
        for number in (0, CROWD):
            self.assert_serves(number)
        self.assertEqual(index.read_bytes(), first)
        index.write_bytes(first[:-1])
        self.begin()
        self.wait_until_ready()
        self.assertTrue(self.daemon.events(why="it was cut"))
        self.assertEqual(index.read_bytes(), first)

    def test_postern_index_makes_it(self):
        self.begin(CROWD + 1)
        self.wait_until_ready(CROWD + 1)
        index = self.daemon.state / "hints.index"
        index.unlink()
        said = self.postern("index", "--state-dir", self.daemon.state)
        self.assertIn(f"{CROWD + 1} hint keys made", said)
        self.assertEqual(len(index.read_bytes()), 16 + 32 + (CROWD + 1) * 64 + 32)
        said = self.postern("--json", "index", "--state-dir", self.daemon.state)
        self.assertIn('"hint_keys_made":0', said.replace(" ", ""))
        self.begin(CROWD + 1)
        self.wait_until_ready(CROWD + 1)
        self.assertFalse(self.daemon.events(message=WRITTEN))
        self.assert_serves(CROWD)
