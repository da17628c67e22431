"""Each process from outside: what /proc says of it, and what one of the same user can do to it."""

import os
import platform
import subprocess
import unittest
from pathlib import Path

from daemon import descriptors
from programs_world import ProgramsTest
from test_process import CAP_NET_ADMIN, KILL_AND_READ, UNUSED, status
from test_programs import ALL, NET_ADMIN_AND_RAW

ROLES = ("main", "doorman", "keeper", "desk", "runner", "privileged-runner")
CAPABILITIES = {"main": KILL_AND_READ, "keeper": CAP_NET_ADMIN,
                "privileged-runner": NET_ADMIN_AND_RAW}
NAME_SPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
FILES = {"keeper": {"state/rules", "state/replay"}}  # in the daemon's folder, but for the log
MARKED = {"runner": "children", "privileged-runner": "children"}
TERM_INT_HUP_PIPE = 1 << 14 | 1 << 1 | 1 << 0 | 1 << 12

# As a process of the same user, without any rights: what it gets of the other.
NEIGHBOUR = """
import ctypes, os, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def got(what):
    try:
        what()
        return True
    except OSError:
        return False
def number(call, *arguments):
    return libc.syscall(call, *[ctypes.c_long(a) for a in arguments]) != -1
print(*[name for name, had in dict(
    memory=got(lambda: open(f"/proc/{pid}/mem", "rb")),
    maps=got(lambda: open(f"/proc/{pid}/maps").read()),
    environment=got(lambda: open(f"/proc/{pid}/environ").read()),
    descriptors=got(lambda: os.listdir(f"/proc/{pid}/fd")),
    folder=got(lambda: os.readlink(f"/proc/{pid}/cwd")),
    traced=number(101, 0x4206, pid, 0, 0),
    descriptor=number(438, os.pidfd_open(pid), 0, 0),
    read=number(310, pid, 0, 1, 0, 1, 0)).items() if had])
"""


class OutsideTest(ProgramsTest):
    def setUp(self):
        super().setUp()
        self.run_with(ALL)
        if self.daemon.events(message="built with a sanitizer: no sandbox"):
            self.skipTest("a build with sanitizers has no sandbox")
        self.roles = self.daemon.roles()
        self.assertEqual(sorted(self.roles), sorted(ROLES))

    def each(self, check):
        for role, pid in self.roles.items():
            with self.subTest(role=role):
                check(role, pid)

    def test_users_and_groups(self):
        users = set()

        def look(role, pid):
            fields = status(pid)
            for which in ("Uid", "Gid"):
                self.assertEqual(len(set(fields[which])), 1, fields[which])
            uid, gid = int(fields["Uid"][0]), int(fields["Gid"][0])
            self.assertEqual(fields["Groups"], [])
            if role == "main":
                self.assertEqual((uid, gid), (0, 0))
            else:
                self.assertIn(uid, UNUSED)
                self.assertIn(gid, UNUSED)
            users.add(uid)

        self.each(look)
        self.assertEqual(len(users), len(ROLES))

    def test_capabilities(self):
        def look(role, pid):
            has = CAPABILITIES.get(role, 0)
            handed_on = has if role == "privileged-runner" else 0
            fields = {key: int(value[0], 16) for key, value in status(pid).items()
                      if key.startswith("Cap")}
            self.assertEqual(fields, {"CapPrm": has, "CapEff": has, "CapBnd": handed_on,
                                      "CapInh": handed_on, "CapAmb": handed_on})

        self.each(look)

    def test_sandbox(self):
        def look(_, pid):
            fields = status(pid)
            self.assertEqual((fields["NoNewPrivs"], fields["Seccomp"], fields["Seccomp_filters"]),
                             (["1"], ["2"], ["1"]))
            self.assertEqual(fields["Threads"], ["1"])
            self.assertEqual(fields["TracerPid"], ["0"])

        self.each(look)

    def test_limits(self):
        """No core dumps; the others are as the daemon was given them: nobody has raised one."""
        wanted = Path(f"/proc/{os.getpid()}/limits").read_text().splitlines()

        def look(_, pid):
            for line, given in zip(Path(f"/proc/{pid}/limits").read_text().splitlines(), wanted,
                                   strict=True):
                if line.startswith("Max core file size"):
                    self.assertRegex(line, r"^Max core file size +0 +0 +bytes")
                elif not line.startswith("Max open files"):  # main's soft limit is its hard one
                    self.assertEqual(line, given)

        self.each(look)

    def test_signals(self):
        """A stop is main's to order."""
        def look(role, pid):
            fields = status(pid)
            if role != "main":
                # Others may be ignored, as whoever has started the test ignores them.
                self.assertEqual(int(fields["SigIgn"][0], 16) & TERM_INT_HUP_PIPE,
                                 TERM_INT_HUP_PIPE)

        self.each(look)

    def test_name_spaces(self):
        """Those that the daemon was started in; none has one in which it could be more."""
        def look(_, pid):
            for name in NAME_SPACES:
                place = f"/proc/{self.roles['main']}/ns/{name}"
                self.assertEqual(os.readlink(f"/proc/{pid}/ns/{name}"), os.readlink(place))

        self.each(look)
        self.assertEqual(os.readlink(f"/proc/{self.roles['main']}/ns/user"),
                         os.readlink("/proc/self/ns/user"))

    def test_as_it_was_started(self):
        own = status("self")["Umask"]

        def look(_, pid):
            self.assertEqual(Path(f"/proc/{pid}/oom_score_adj").read_text(),
                             Path("/proc/self/oom_score_adj").read_text())
            self.assertEqual(status(pid)["Umask"], own)
            self.assertEqual(os.readlink(f"/proc/{pid}/root"), "/")

        self.each(look)

    def test_descriptors(self):
        """Of files on disks, nobody has more than the log to write to, and the keeper its two."""
        def look(role, pid):
            if role == "main":
                return
            files = set()
            for goal in descriptors(pid).values():
                if goal.startswith(("socket:", "anon_inode:", "pipe:", "/memfd:", "/dev/null")):
                    continue
                if role in MARKED and goal == f"/proc/{pid}/task/{pid}/children":
                    continue
                files.add(os.path.relpath(goal, self.daemon.folder))
            self.assertEqual(files, {"log"} | FILES.get(role, set()))
            self.assertEqual(os.readlink(f"/proc/{pid}/fd/0"), "/dev/null")

        self.each(look)

    def test_nobody_holds_a_packet_socket(self):
        """Or one of netlink, but the keeper; main has its share of that one for the guard, without the
        right to use it (test_capabilities_of_main)."""
        kinds = {}
        for kind in ("packet", "raw", "raw6", "netlink"):
            lines = Path(f"/proc/{self.roles['main']}/net/{kind}").read_text().splitlines()
            for line in lines[1:]:
                kinds[line.split()[9 if kind.startswith("raw") else -1]] = kind

        def look(role, pid):
            held = {kinds.get(goal.strip("socket:[]")) for goal in descriptors(pid).values()} - {None}
            self.assertEqual(held, {"netlink"} if role in ("main", "keeper") else set())

        self.each(look)

    @staticmethod
    def had_of(pid, uid):
        """What a process of that user gets of another."""
        return subprocess.run(
            ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "/usr/bin/python3",
             "-c", NEIGHBOUR, str(pid)], capture_output=True, text=True, check=True).stdout.split()

    @unittest.skipUnless(platform.machine() == "x86_64", "numbers of x86-64")
    def test_a_process_of_the_same_user(self):
        """Signals and limits, which the kernel does not refuse it, are for its filter to refuse."""
        def look(role, pid):
            if role != "main":
                self.assertEqual(self.had_of(pid, status(pid)["Uid"][0]), [])

        self.each(look)

    @unittest.skipUnless(platform.machine() == "x86_64", "numbers of x86-64")
    def test_that_an_ordinary_process_can_be_looked_into(self):
        sleeper = subprocess.Popen(
            ["setpriv", "--reuid=60999", "--regid=60999", "--clear-groups", "/usr/bin/python3",
             "-c", "import time; print(flush=True); time.sleep(99)"], stdout=subprocess.PIPE)
        self.addCleanup(sleeper.communicate)
        self.addCleanup(sleeper.kill)
        sleeper.stdout.readline()
        had = self.had_of(sleeper.pid, 60999)
        self.assertLessEqual({"memory", "maps", "environment", "descriptors", "folder"}, set(had))
