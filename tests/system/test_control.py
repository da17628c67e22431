"""The control socket is for root, and nobody at it holds up the knocks."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import control
from daemon import descriptors, own_memory
from netns import PATIENCE, eventually
from thorough import thorough
from world import LONG, WorldTest

UNPRIVILEGED = 12345
MANY = [f"198.51.{100 + i // 250}.{1 + i % 250}" for i in range(600)]  # to open for
AS_SOMEBODY = ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups"]


class ControlTest(WorldTest):
    server_settings = {"knock_timeout": LONG, "client_quota": 1000}

    def setUp(self):
        super().setUp()
        self.start()
        self.knock(self.bob, target="203.0.113.1")
        self.settle()

    def assert_served(self):
        """Knocks open, the gate is there, and root is answered."""
        self.knock()
        self.assert_opens()
        self.assertEqual(control.ask(self.daemon.control, control.STATS)[-1][0], control.DONE)
        self.assertIsNone(self.daemon.process.poll())

    def as_somebody(self, kind):
        """What a process without rights gets for its request."""
        code = ("import sys, control\n"
                f"print(control.ask({str(self.daemon.control)!r}, {kind}))")
        done = subprocess.run([*AS_SOMEBODY, "/usr/bin/python3", "-B", "-c", code],
                              cwd=Path(__file__).parent, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        return done.returncode, done.stdout, done.stderr

    def reloads(self):
        """How many the daemon has reported."""
        return len([line for line in self.daemon.lines()
                    if line["message"].startswith("reloaded: ")])

    def assert_reloads(self, count):
        """So many until now; and the next is seen, so that this can fail."""
        self.assertEqual(self.reloads(), count)
        self.assertEqual(control.ask(self.daemon.control, control.RELOAD)[-1][0], control.DONE)
        self.assertEqual(self.reloads(), count + 1)

    def test_its_mode(self):
        self.assertEqual(self.daemon.control.stat().st_mode & 0o777, 0o600)
        code, out, error = self.as_somebody(control.SESSIONS)
        self.assertEqual((code, out), (1, ""))
        self.assertIn("PermissionError", error)

    def test_a_mode_open_to_all_lets_nobody_in(self):
        self.daemon.control.chmod(0o777)
        for kind in (control.SESSIONS, control.RELOAD, control.STATS):
            with self.subTest(kind=kind):
                code, out, error = self.as_somebody(kind)
                self.assertEqual(code, 0, error)
                self.assertIn("this is for root", out)
                self.assertNotIn("203.0.113.1", out)
                self.assertNotIn("bob", out)
                self.assertEqual(out.count("("), 1, "more than a refusal")
        self.assert_served()
        self.assert_reloads(0)

    def test_garbage(self):
        requests = [b"", b"\x01", b"\x01\x01", b"\x01\x01\x00", os.urandom(4), os.urandom(1024),
                    os.urandom(5000), control.request(1, b"x"), control.request(1, version=2),
                    b"\x01\x01\xff\xff", *(control.request(kind) for kind in range(256)
                                           if kind not in (1, 2, 3)),
                    *(os.urandom(n) for n in range(5, 100))]
        for packet in requests:
            with control.connect(self.daemon.control) as s:
                s.send(packet)
                self.assertEqual([kind for kind, _ in control.answers(s)], [control.ERROR],
                                 packet[:16].hex())
        self.assert_served()

    def test_a_second_request_is_not_read(self):
        with control.connect(self.daemon.control) as s:
            s.send(control.request(control.STATS))
            try:
                s.send(control.request(control.RELOAD))
            except BrokenPipeError:
                pass
            self.assertEqual(control.answers(s)[-1][0], control.DONE)
        self.assert_served()
        self.assert_reloads(0)

    def test_who_says_nothing(self):
        silent = [control.connect(self.daemon.control) for _ in range(3)]
        self.knock()
        self.assert_opens()
        for s in silent:
            s.close()
        self.assert_served()

    def test_who_does_not_read(self):
        """Hundreds of sessions are asked for, and left lying, by as many as there is room for."""
        self.grant_all(MANY)
        self.assertGreater(len(self.granted()), len(MANY))
        deaf = [control.connect(self.daemon.control) for _ in range(16)]
        for s in deaf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            s.send(control.request(control.SESSIONS))
        self.knock()
        self.assert_opens()
        self.assertIn(b"too many at once", control.ask(self.daemon.control, control.STATS)[-1][1])
        self.assertTrue(eventually(lambda: control.ask(
            self.daemon.control, control.STATS)[-1][0] == control.DONE))
        for s in deaf:
            s.close()
        self.assert_served()

    def test_who_reads_slowly_gets_all(self):
        self.grant_all(MANY)
        with control.connect(self.daemon.control) as s:
            s.send(control.request(control.SESSIONS))
            time.sleep(0.5)  # what has room in the socket has been sent; it waits 2 s for the next
            found = []
            while not found or found[-1] not in (control.DONE, control.ERROR):
                found.append(s.recv(4096)[1])
                time.sleep(0.002)
        self.assertEqual(found[-1], control.DONE)
        self.assertGreater(found.count(control.SESSION), len(MANY))

    def test_a_keeper_that_is_slow(self):
        """It holds up neither the desk nor main, and costs nobody the gate."""
        os.kill(self.daemon.roles()["keeper"], signal.SIGSTOP)
        try:
            asked = [control.connect(self.daemon.control) for _ in range(3)]
            for s in asked:
                s.send(control.request(control.SESSIONS))
            self.assertTrue(control.stats(self.daemon.control), "the desk waits for the keeper")
            for s in asked:
                kind, text = control.answers(s)[-1]
                s.close()
                self.assertEqual(kind, control.ERROR)
                self.assertIn(b"the keeper does not answer", text)
        finally:
            os.kill(self.daemon.roles()["keeper"], signal.SIGCONT)
        self.assert_served()
        self.assertIn("bob", self.postern("sessions"))

    def test_more_at_once_than_there_is_room_for(self):
        silent = [control.connect(self.daemon.control) for _ in range(16)]
        self.assertIn(b"too many at once", control.ask(self.daemon.control, control.STATS)[-1][1])
        self.assertTrue(eventually(lambda: control.ask(
            self.daemon.control, control.STATS)[-1][0] == control.DONE))
        for s in silent:
            s.close()
        self.assert_served()

    def test_who_leaves_at_once(self):
        for i in range(500):
            with control.connect(self.daemon.control) as s:
                if i % 2:
                    s.send(control.request(i % 3 + 1))
            self.daemon.notices.drop()
        self.assert_served()

    def test_hundreds_of_reloads(self):
        """Nothing is left behind: no descriptor, no memory."""
        def held():
            return {role: sorted(goal.split(":")[0] for goal in descriptors(pid).values())
                    for role, pid in roles.items()}

        def kilobytes():
            return {role: own_memory(pid) for role, pid in roles.items()}

        def reload(times):
            for _ in range(times):
                self.assertEqual(control.ask(self.daemon.control, control.RELOAD)[-1][0],
                                 control.DONE)
                self.daemon.notices.drop()

        roles = self.daemon.roles()
        def settled():
            """When what came with the last one is closed, after it was answered."""
            seen = [held()]

            def twice_the_same():
                time.sleep(0.3)
                seen.append(held())
                return seen[-1] == seen[-2]
            self.assertTrue(eventually(twice_the_same))
            return seen[-1]

        reload(thorough(50, 100))
        files, memory = settled(), kilobytes()
        reload(thorough(150, 900))
        self.assertEqual(settled(), files, "left open")
        for role, after in kilobytes().items():
            self.assertLess(after, memory[role] + thorough(100, 512), role)
        self.assertIn("203.0.113.1", self.granted())
        self.assert_served()

    def test_a_link_is_not_taken_for_a_socket(self):
        """Where somebody else has put something, the daemon does not start, and leaves it."""
        self.daemon.stop()
        victim = self.daemon.folder / "victim"
        for target in (victim, self.daemon.folder / "nowhere"):
            with self.subTest(target=target.name):
                victim.write_text("precious")
                self.daemon.control.unlink(missing_ok=True)
                self.daemon.control.symlink_to(target)
                self.daemon.start(ready=False)
                self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
                self.assertTrue(self.daemon.control.is_symlink())
                self.assertEqual(victim.read_text(), "precious")
        self.assertFalse((self.daemon.folder / "nowhere").exists())
