"""A process that really makes a system call which it may not make, as one that was taken over does, or
one whose C library has found another way: what becomes of it, and what is said."""

import errno
import platform
import signal
import subprocess
import unittest

from daemon import program, state_of
from netns import PATIENCE, eventually
from programs_world import ProgramsTest
from spa_tool import need_openspa
from test_ladder import lacking
from test_programs import ALL

# By their numbers on x86-64.
CALLS = {"execve": 59, "ptrace": 101, "getppid": 110}
NAMELESS = 511
# For both processes that run some; keys of devices are in files.
SCRIPTS = {key: text for key, text in ALL.items() if key != "user_directory_service"}
ENDED = ("doorman", "keeper", "desk")  # what is not on their lists ends them
REFUSED = {"main": "execve", "runner": "ptrace", "privileged-runner": "ptrace"}
FORBIDDEN = "forbidden system call, ending"


@unittest.skipUnless(platform.machine() == "x86_64", "the numbers of calls are those of x86-64")
class ForbiddenCallTest(ProgramsTest):
    @classmethod
    def setUpClass(cls):
        need_openspa()
        super().setUpClass()

    def begin(self, *before, **server):
        daemon = self.make(SCRIPTS)
        if server:
            lines = "".join(f"  {key}: {value}\n" for key, value in server.items())
            daemon.configure(daemon.file.read_text().replace("server:\n", f"server:\n{lines}", 1))
        command = daemon.command
        daemon.command = lambda *more: [*before, *command(*more)]
        daemon.start()
        if daemon.events(message="built with a sanitizer: no sandbox"):
            self.skipTest("a build with sanitizers has no sandbox")
        return daemon.roles()

    def made_to_call(self, pid, number):
        self.assertTrue(eventually(lambda: state_of(pid) == "S"))
        done = subprocess.run([program("tests/system/made_to_call"), str(pid), str(number)], check=True,
                              stdout=subprocess.PIPE, text=True, timeout=PATIENCE)
        return done.stdout.strip()

    def test_who_ended_by_which_call(self):
        """Its name and number, by whom, and what main makes of it: the ports stay shut."""
        for role in ENDED:
            for name, number in {**CALLS, "?": NAMELESS}.items():
                with self.subTest(role=role, call=name):
                    pid = self.begin()[role]
                    self.daemon.done_by_us.append("killed by SIGSYS")
                    self.assertEqual(self.made_to_call(pid, number), f"signal {signal.SIGSYS}")
                    self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
                    line, = [line for line in self.daemon.lines()
                             if line["message"].startswith(FORBIDDEN)]
                    self.assertEqual([line[key] for key in ("role", "level", "call", "number")],
                                     [role, "error", name, str(number)])
                    self.assertIn("if this is no attack", line["message"])
                    ends = self.daemon.events(message="a process has ended")
                    self.assertIn((role, "killed by SIGSYS", "stopping; the ports stay shut"),
                                  [(e["process"], e["how"], e.get("then")) for e in ends])
                    self.assert_shut()

    def test_who_is_refused(self):
        """Main and those who run programs: their lists say what they may not do, and they go on."""
        roles = self.begin()
        for role, name in REFUSED.items():
            with self.subTest(role=role, call=name):
                self.assertEqual(self.made_to_call(roles[role], CALLS[name]), str(-errno.EPERM))
        self.granted_for(self.request())
        self.assertEqual(self.daemon.roles(), roles)

    def test_it_is_the_filter(self):
        """Without one, nobody ends and nothing is said."""
        roles = self.begin(*lacking("seccomp"), sandbox="best")
        for role, pid in roles.items():
            self.assertGreater(int(self.made_to_call(pid, CALLS["getppid"])), 0, role)
        self.granted_for(self.request())
        self.assertEqual(self.daemon.roles(), roles)
        self.assertEqual([line for line in self.daemon.lines() if line["level"] == "error"], [])


if __name__ == "__main__":
    unittest.main()
