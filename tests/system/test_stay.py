"""The guard that stays: while no daemon runs nobody takes the rules away either, whatever happens in
whatever order."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from array import array
from pathlib import Path

from daemon import PATIENCE, Daemon, Notices, descriptors, program
from netns import eventually
from stranger import Stranger
from world import FAMILIES, KNOCK_PORT, LONG, WorldTest

NAME = "\0postern-guard"
WANTED, TAKE_AWAY, TAKEN, GIVEN, BUSY = 1, 2, 3, 4, 5  # src/proc/lease.h
FAILED, UNPRIVILEGED = 1, 12345
CHANGES = ("flush ruleset", "delete table inet postern", "flush chain inet postern granted",
           "flush chain inet postern input", "add table inet postern { flags dormant; }")
SQUATTER = f"""
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.setuid({UNPRIVILEGED})
s.bind({NAME!r})
if sys.argv[1] == "listens":
    s.listen(5)
print("bound", flush=True)
sys.stdin.read()
"""
ASKER = f"""
import os, socket, struct
os.setuid({UNPRIVILEGED})
for word in range(8):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(5)
    s.connect({NAME!r})
    try:
        s.send(struct.pack("Ii", word, 0))
        print(s.recv(100))
    except OSError as e:
        print(type(e).__name__)
"""


class Guard:
    """One that stays, for a daemon's configuration; the test is its service manager."""

    def __init__(self, daemon, **environment):
        self.daemon, self.environment = daemon, environment
        self.log_path = daemon.folder / "guard.log"
        self.notices = Notices(daemon.folder / "guard-notify")
        self.process = None

    handing_over = Daemon.handing_over

    def start(self, ready=True):
        environment = {**os.environ, **self.environment,
                       "NOTIFY_SOCKET": str(self.daemon.folder / "guard-notify")}
        self.notices.drop()
        with open(self.log_path, "ab") as log:
            self.process = self.daemon.space.popen(
                *self.handing_over(), program("postern-guard"), "-c", self.daemon.file,
                "--state-dir", self.daemon.state, "--stay", stderr=log, env=environment,
                pass_fds=[descriptor for _, descriptor in self.notices.store])
        if ready:
            assert self.notices.wait_for("READY=1", self.process), self.log()
            self.notices.drop()
        return self

    def log(self):
        return self.log_path.read_text()

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.notices.close()
        print("guard:\n" + self.log())


class StayTest(WorldTest):
    server_settings = {"knock_timeout": LONG}
    environment = {}
    guard = None

    def tearDown(self):
        if self.guard:
            self.guard.close()
        super().tearDown()

    def stay(self, daemon_first=False, keeps=False):
        """A guard that has shut the ports, and then a daemon; or the other way round."""
        if self.daemon:
            self.tearDown()
        self.daemon = Daemon(self.server, self.folder / f"d{time.monotonic_ns()}",
                             self.configuration())
        if daemon_first:
            self.start_daemon()
        self.guard = Guard(self.daemon, **self.environment)
        self.guard.notices.keeps = keeps
        self.guard.start()
        if not daemon_first:
            self.assert_shut()
            self.start_daemon()

    def start_daemon(self):
        os.environ.update(self.environment)
        try:
            self.daemon.start()
        finally:
            for name in self.environment:
                del os.environ[name]

    def serves(self, family=4):
        self.knock(family=family)
        self.assert_opens(family)
        self.assertTrue(eventually(lambda: self.reaches(family, KNOCK_PORT)), "no health port")


    def needs_owners(self):
        done = self.server.run("nft", "add table inet x { flags owner; }", check=False)
        if done or tuple(map(int, os.uname().release.split(".")[:2])) < (6, 9):
            self.skipTest("tables have owners that they outlive since Linux 6.9")

    def assert_nobody_changes(self, grant=True):
        """Others try to take the rules away, while a stranger tries without a pause."""
        strangers = [Stranger(self.other, self.address(f, self.other).replace(".2.2", ".2.1")
                              .replace("::2", "::1")) for f in FAMILIES]
        for stranger in strangers:
            stranger.start()
        for change in CHANGES:
            self.server.run("nft", change, check=False)
            time.sleep(0.05)
            for family in FAMILIES:
                self.assert_shut(family, space=self.other)
                if grant:
                    self.assertTrue(self.reaches(family), f"the grant is gone after {change}")
        for stranger in strangers:
            self.assertEqual(stranger.count(), 0)
            self.assertGreater(stranger.tries, 0)

    def release(self, *words):
        return subprocess.run(["ip", "netns", "exec", self.server.name, program("postern-guard"),
                               *words, "--release"], stderr=subprocess.DEVNULL).returncode

    def lease(self):
        """True once the daemon is connected."""
        def connected():
            with self.asking(WANTED) as s:
                return self.answer(s)[0] == BUSY
        return eventually(connected)

    def asking(self, word=None, rest=b""):
        s = self.server.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(5)
        s.connect(NAME)
        if word is not None:
            s.send(struct.pack("Ii", word, 0) + rest)
        return s

    @staticmethod
    def answer(s):
        """Word and process id; the descriptors that have come are closed."""
        data, beside, _, _ = s.recvmsg(100, socket.CMSG_SPACE(16))
        for _, _, what in beside:
            for descriptor in array("i", what):
                os.close(descriptor)
        return struct.unpack("Ii", data) if data else (None, None)


class OwnerTest(StayTest):
    def setUp(self):
        super().setUp()
        self.needs_owners()

    def test_after_a_stop_and_a_kill(self):
        self.stay()
        for how in ("stop", "kill", "stop", "kill"):
            with self.subTest(how=how):
                for family in FAMILIES:
                    self.serves(family)
                getattr(self.daemon, how)()
                self.assert_nobody_changes()
                time.sleep(0.2)  # the guard has looked after the rules itself
                self.assert_nobody_changes()
                self.start_daemon()
        self.daemon.kill()
        self.guard.kill()
        self.server.flush_rules()
        self.assertTrue(self.reaches(space=self.other), "so the guard is what has kept them")

    def test_with_a_broken_file(self):
        self.stay()
        for family in FAMILIES:
            self.serves(family)
        self.daemon.stop()
        good = self.daemon.file.read_text()
        self.daemon.configure(good + "nonsense: 1\n")
        self.daemon.start(ready=False)
        self.assertEqual(self.daemon.process.wait(PATIENCE), 78)
        self.assert_nobody_changes()
        self.daemon.configure(good)
        self.start_daemon()
        self.serves()

    def test_a_daemon_that_was_there_first(self):
        """It hands the guard its socket; and a guard that was killed and is back."""
        self.stay(daemon_first=True)
        for _ in range(2):
            for family in FAMILIES:
                self.serves(family)
            self.assertTrue(self.lease(), self.guard.log())
            self.daemon.stop()
            self.assert_nobody_changes()
            self.start_daemon()
            self.guard.kill()
            self.assert_nobody_changes()
            self.serves()
            self.guard.start()

    def test_a_guard_that_is_killed_while_no_daemon_runs(self):
        """The service manager keeps the socket that owns the rules."""
        self.stay(keeps=True)
        for _ in range(2):
            for family in FAMILIES:
                self.serves(family)
            self.daemon.stop()
            self.guard.notices.drop()
            self.guard.kill()
            self.assertEqual([name for name, _ in self.guard.notices.store], ["owner"])
            self.assert_nobody_changes()
            self.guard.start()
            self.assert_nobody_changes()
            self.start_daemon()
        self.daemon.stop()
        self.guard.notices.drop()
        self.assertEqual(self.release(), 0)
        self.assertEqual(self.guard.process.wait(PATIENCE), 0)
        self.assertEqual(self.table(), [])

    def test_a_guard_that_is_killed_while_a_daemon_runs(self):
        """The one socket is the daemon's meanwhile: nothing of it is lost, and no rule."""
        self.stay(keeps=True)
        for family in FAMILIES:
            self.serves(family)
        for i in range(3):
            self.guard.notices.drop()
            self.guard.kill()
            self.assertTrue(eventually(lambda: len(self.changes_of_the_guard()) == 2 * i + 1))
            self.guard.start()
            targets = {f"203.0.{i}.{last}" for last in range(1, 60)}
            releasing = self.server.popen(program("postern-guard"), "--stay", "--release",
                                          stderr=subprocess.DEVNULL)
            for target in targets:
                self.knock(target=target)
                time.sleep(0.02)
            self.assertTrue(eventually(lambda: targets <= self.granted()),
                            f"lost: {targets - self.granted()}")
            self.assertEqual(releasing.wait(PATIENCE), FAILED)
            self.assert_nobody_changes()
            self.assertTrue(eventually(lambda: len(self.changes_of_the_guard()) == 2 * i + 2))
        self.assertEqual(self.changes_of_the_guard(), ["postern-guard is gone", "postern-guard is there"] * 3)
        self.assertEqual(self.daemon.events(level="error"), [])

    def shown(self):
        """What the tool says of the guard: to programs, and to people."""
        return (json.loads(self.postern("--json", "sessions"))["guard"],
                "postern-guard is gone: " in self.postern("sessions"))

    def test_it_is_shown_that_the_guard_is_gone(self):
        self.stay()
        self.assertEqual(self.shown(), ("there", False))
        for _ in range(2):
            self.guard.kill()
            self.assertTrue(eventually(lambda: self.shown() == ("gone", True)), self.shown())
            self.daemon.notices.drop()
            self.assertEqual(self.daemon.notices.status, "Serving; postern-guard is gone")
            self.guard.start()
            self.assertTrue(eventually(lambda: self.shown() == ("there", False)), self.shown())
            self.daemon.notices.drop()
            self.assertEqual(self.daemon.notices.status, "Serving")

    def test_it_is_shown_that_there_is_no_guard(self):
        """Which is no warning: not everybody has one."""
        self.start()
        self.assertEqual(self.shown(), ("none", False))

    def changes_of_the_guard(self):
        """What the daemon has said of it."""
        return [line["message"].partition(":")[0] for line in self.daemon.lines()
                if line["message"].startswith("postern-guard is ")]

    def test_two_daemons(self):
        self.stay()
        second = Daemon(self.server, self.folder / "second",
                        self.configuration(udp_port=54160, health_port=54160))
        self.addCleanup(second.close)
        second.start(ready=False)
        self.assertEqual(second.process.wait(PATIENCE), 1)
        event, = [e for e in second.events() if "owns the table inet postern" in e["message"]]
        self.assertIn(f"({self.daemon.process.pid})", event["message"])
        for family in FAMILIES:
            self.serves(family)
        self.daemon.stop()
        self.assert_nobody_changes()
        second.start()
        self.assertTrue(self.lease())

    def test_two_guards(self):
        self.stay()
        second = subprocess.run(
            ["ip", "netns", "exec", self.server.name, program("postern-guard"), "-c",
             self.daemon.file, "--stay"], stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
        self.assertEqual(second.returncode, FAILED)
        self.assertIn(f"another postern-guard stays in this network namespace, {self.guard.process.pid}",
                      second.stderr)
        self.serves()

    def test_a_rule_set_that_stands_has_an_owner_again(self):
        """Also one that the guard has not put there, with the grants in it."""
        self.stay()
        for family in FAMILIES:
            self.serves(family)
        self.daemon.stop()
        self.guard.kill()
        self.guard.start()
        self.assertIn("left as they are", self.guard.log())
        self.assert_nobody_changes()

    # Who hangs, and who is not root

    def test_a_guard_that_hangs(self):
        self.stay()
        for family in FAMILIES:
            self.serves(family)
        self.daemon.stop()
        self.guard.signal(signal.SIGSTOP)
        self.assert_nobody_changes()
        self.start_daemon()
        self.serves()
        event, = self.daemon.events(level="error")
        self.assertEqual((event["message"], event["pid"]), (
            "postern-guard does not answer and is killed", str(self.guard.process.pid)))
        self.assertEqual(self.guard.process.wait(PATIENCE), -signal.SIGKILL)
        self.guard.start()
        self.assertTrue(self.lease())
        self.guard.signal(signal.SIGSTOP)
        time.sleep(2)
        self.serves()
        self.assertEqual(self.daemon.stop(), 0)
        self.assert_nobody_changes(grant=False)

    def squat(self, how):
        squatter = self.server.popen(sys.executable, "-ISc", SQUATTER, how, text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(squatter.stdout.close)
        self.addCleanup(lambda: (squatter.stdin.close(), squatter.wait(PATIENCE)))
        self.assertEqual(squatter.stdout.readline(), "bound\n")
        return squatter

    def test_somebody_else_has_the_name(self):
        self.leave(self.squat("binds"), [])

    def test_somebody_else_listens_by_the_name(self):
        self.leave(self.squat("listens"), ["somebody who is not root has the name of postern-guard's "
                                           "socket (@postern-guard); it is not believed"])

    def leave(self, squatter, said):
        self.stay()
        self.assertIn("somebody else has the name", self.guard.log())
        for family in FAMILIES:
            self.serves(family)
        self.assertEqual([e["message"] for e in self.daemon.events(level="warn")], said)
        self.assert_nobody_changes()
        squatter.stdin.close()
        squatter.wait(PATIENCE)
        self.assertTrue(eventually(lambda: "free again" in self.guard.log()))
        self.assertTrue(self.lease())
        self.daemon.stop()
        self.assert_nobody_changes()

    def test_what_is_taken_away_is_back_while_somebody_else_has_the_name(self):
        self.squat("listens")
        self.stay()
        self.daemon.stop()
        self.server.flush_rules()
        self.assertTrue(eventually(lambda: not self.reaches(space=self.other)))
        self.start_daemon()
        self.serves()

    def test_somebody_who_is_not_root_asks(self):
        self.stay()
        self.daemon.stop()
        said = self.server.run(sys.executable, "-ISc", ASKER)
        self.assertEqual(set(said.split()) - {"b''", "BrokenPipeError", "ConnectionResetError"}, set())
        self.assert_nobody_changes(grant=False)
        self.assertIsNone(self.guard.process.poll())

    def test_nonsense(self):
        """From root, too."""
        self.stay()
        for family in FAMILIES:
            self.serves(family)
        self.daemon.stop()
        silent = [self.asking() for _ in range(5)]
        for rest in (b"x", b"x" * 5000):
            self.asking(WANTED, rest).close()
        with self.asking() as s:
            s.send(b"")
        for word in (0, TAKEN, GIVEN, BUSY, 99, 1 << 31):
            self.asking(word).close()
        with self.asking() as s, self.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            socket.send_fds(s, [struct.pack("Ii", WANTED, 0)], [other.fileno()] * 3)
        with self.asking() as s, self.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            socket.send_fds(s, [struct.pack("Ii", WANTED, 0)], [other.fileno()])
            self.assertEqual(self.answer(s), (None, None))
        for s in silent:
            s.close()
        self.assert_nobody_changes()
        self.start_daemon()
        self.serves()
        held = len(descriptors(self.guard.process.pid))
        for _ in range(50):
            with self.asking(WANTED) as s:
                self.assertEqual(self.answer(s), (BUSY, self.daemon.process.pid))
        self.assertTrue(eventually(lambda: len(descriptors(self.guard.process.pid)) <= held))

    # Taking the rules away

    def test_release(self):
        self.stay()
        for words in ([], ["--stay"]):
            self.assertEqual(self.release(*words), FAILED)
            self.assert_shut(space=self.other)
        self.serves()
        self.daemon.stop()
        self.postern("release", "--yes")
        self.assertEqual(self.guard.process.wait(PATIENCE), 0)
        self.assertEqual(self.table(), [])
        self.assert_opens(space=self.other)
        self.guard.start()
        self.assert_shut(space=self.other)
        self.guard.kill()
        self.assertEqual(self.release("--stay"), 0)
        self.assert_shut(space=self.other)
        self.assertEqual(self.release(), 0)
        self.assert_opens(space=self.other)

    def test_release_of_a_guard_that_hangs(self):
        for words in ([], ["--stay"]):
            self.stay()
            self.daemon.stop()
            self.guard.signal(signal.SIGSTOP)
            self.assertEqual(self.release(*words), 0)
            self.assert_opens(space=self.other)
            self.guard.process.wait(PATIENCE)

    def test_a_stop_that_takes_the_rules_away(self):
        self.server_settings = {**self.server_settings, "shutdown": "remove"}
        self.stay()
        for _ in range(2):
            self.serves()
            self.assertEqual(self.daemon.stop(), 0)
            time.sleep(1.5)
            self.assertEqual(self.table(), [])
            self.start_daemon()
        self.daemon.kill()
        self.assert_nobody_changes(grant=False)

    def test_told_to_end_it_leaves_the_rules(self):
        self.stay()
        self.daemon.stop()
        self.guard.signal(signal.SIGTERM)
        self.assertEqual(self.guard.process.wait(PATIENCE), -signal.SIGTERM)
        self.assert_shut(space=self.other)

    def test_a_dry_run(self):
        self.server_settings = {**self.server_settings, "firewall": "none"}
        self.daemon = Daemon(self.server, self.folder / "dry", self.configuration())
        self.guard = Guard(self.daemon).start()
        self.assertIn("nothing is shut: the firewall is none", self.guard.log())
        self.daemon.start()
        self.assertEqual(self.table(), [])
        time.sleep(1.5)
        self.assertEqual(self.table(), [])
        self.assertEqual(self.release(), 0)
        self.assertEqual(self.guard.process.wait(PATIENCE), 0)

    def test_it_can_do_little(self):
        self.stay()
        status = Path(f"/proc/{self.guard.process.pid}/status").read_text()
        fields = dict(line.split(":\t") for line in status.splitlines())
        for which in ("CapPrm", "CapEff"):
            self.assertEqual(int(fields[which], 16), 1 << 12 | 1 << 2, which)  # NET_ADMIN, DAC_READ_SEARCH
        self.assertEqual(fields["NoNewPrivs"], "1")


class WatchTest(StayTest):
    """Where tables have no owners, what others take away is put back."""

    environment = {"LD_PRELOAD": str(program("tests/system/old_kernel.so"))}

    def assert_back(self):
        for change in CHANGES:
            with self.subTest(change=change):
                self.server.run("nft", change)
                for family in FAMILIES:
                    self.assertTrue(eventually(
                        lambda f=family: not self.reaches(f, space=self.other)), "the port is open")
                self.assertTrue(self.table())

    def test_without_a_daemon(self):
        self.stay()
        for how in ("stop", "kill"):
            self.serves()
            getattr(self.daemon, how)()
            self.assertTrue(self.reaches(), "the grant is gone")
            self.assertNotIn("owner", self.server.run("nft", "list", "tables", "inet"))
            time.sleep(0.3)
            self.assert_back()
            self.assertIn("somebody changed our rules in the firewall; repaired", self.guard.log())
            self.start_daemon()

    def test_a_daemon_that_runs_does_it_itself(self):
        self.stay()
        self.serves()
        self.assert_back()
        self.assertTrue(eventually(self.reaches), "the grant is gone")
        self.assertNotIn("repaired", self.guard.log())
        self.guard.kill()
        self.guard.start()
        for _ in range(3):
            self.knock(self.bob)
            self.assertTrue(self.reaches(), "the grant is gone")
        self.assertTrue(self.lease())
        self.assertNotIn("repaired", self.guard.log())

    def test_two_daemons(self):
        """Which the kernel does not tell."""
        self.stay()
        second = Daemon(self.server, self.folder / "second",
                        self.configuration(udp_port=54160, health_port=54160))
        self.addCleanup(second.close)
        second.start(ready=False)
        self.assertEqual(second.process.wait(PATIENCE), 1)
        self.assertIn("owns the table inet postern", second.log_path.read_text())
        self.serves()

    def test_release(self):
        self.stay()
        self.assertEqual(self.release(), FAILED)
        self.assert_shut(space=self.other)
        self.daemon.stop()
        for _ in range(2):
            self.assertEqual(self.release(), 0)
            self.assertEqual(self.guard.process.wait(PATIENCE), 0)
            self.assertEqual(self.table(), [])
            self.guard.start()
            self.assert_shut(space=self.other)
            self.guard.kill()
            self.guard.start()  # now rules stand already, and it waits for a daemon for a while

    def test_nothing_to_go_by_any_more(self):
        """It tries again, less and less often."""
        self.stay()
        self.daemon.stop()
        time.sleep(0.3)
        good = self.daemon.file.read_text()
        self.daemon.configure("nonsense: 1\n")
        (self.daemon.state / "accepted").unlink()
        self.server.flush_rules()
        self.assertTrue(eventually(lambda: "nothing is shut" in self.guard.log()))
        time.sleep(8)
        self.assertLess(self.guard.log().count("nothing is shut"), 5)
        self.daemon.configure(good)
        self.assertTrue(eventually(lambda: not self.reaches(space=self.other), PATIENCE))
