"""Programs in cgroups of their own, in a group that is left to the daemon as systemd does it. What
limits hold depends on the controllers that the machine has for such a group."""

import os
import signal
import unittest
from pathlib import Path

from netns import PATIENCE, eventually
from programs_world import ProgramsTest
from spa_world import PORT

RULES = {"rule_add": "cat /proc/self/cgroup >$OUT/rules", "rule_remove": "exit 0"}
KEYS = {"authorization": "cat /proc/self/cgroup >$OUT/keys; echo 60"}

# As many processes as it may have, each of which forks and ends: none of them stays to be found.
RESTLESS = """#!/usr/bin/python3 -S
import os
open(OUT + "/began", "w").close()
for _ in range(16):
    if os.fork() == 0:
        os.setsid()
        break
while True:
    try:
        if os.fork():
            os._exit(0)
        os.fork()
    except BlockingIOError:
        pass
"""


def mounted():
    """Where the second version of cgroups is, or None."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return next((Path(words[1]) for words in mounts
                 if words[2] == "cgroup2" and "rw" in words[3].split(",")), None)


@unittest.skipUnless(mounted(), "needs cgroups that can be made")
class CgroupsTest(ProgramsTest):
    def start_in(self, scripts, delegated=True, before="", **settings):
        """A daemon in a group of its own, to be started; `before` is done first, by its process."""
        self.group = mounted() / f"postern-test-{os.getpid()}"
        self.group.mkdir()
        self.addCleanup(self.remove_group)
        if delegated:
            os.setxattr(self.group, "user.delegate", b"1")
        daemon = self.make(scripts, **settings)
        command = daemon.command
        daemon.command = lambda *more: [
            "unshare", "--mount", "sh", "-ec", "mount -t cgroup2 cgroup2 /sys/fs/cgroup; "
            f"echo 0 >/sys/fs/cgroup/{self.group.name}/cgroup.procs; {before} exec \"$@\"", "-", *command(*more)]
        return daemon

    def remove_group(self):
        (self.group / "cgroup.kill").write_text("1")
        eventually(lambda: "populated 0" in (self.group / "cgroup.events").read_text())
        for folder in (*(path for path in self.group.iterdir() if path.is_dir()), self.group):
            folder.rmdir()

    def group_of(self, pid):
        """Below the daemon's own."""
        return self.below(Path(f"/proc/{pid}/cgroup").read_text())

    def below(self, text):
        path = next(line[3:] for line in text.splitlines() if line.startswith("0::"))
        self.assertTrue(path.startswith(f"/{self.group.name}"), path)
        return path.removeprefix(f"/{self.group.name}")

    def processes(self, name):
        return (self.group / name / "cgroup.procs").read_text().split()

    def test_programs_have_cgroups_of_their_own(self):
        self.start_in({**KEYS, **RULES}).start()
        self.granted_for(self.request())
        self.assertEqual(self.below(self.out("keys").read_text()), "/runner")
        self.assertEqual(self.below(self.out("rules").read_text()), "/privileged-runner")
        places = {role: self.group_of(pid) for role, pid in self.daemon.roles().items()}
        self.assertEqual(places.pop("runner"), "/runner")
        self.assertEqual(places.pop("privileged-runner"), "/privileged-runner")
        self.assertEqual(set(places.values()), {"/main"})

    def test_a_kind_that_there_is_not(self):
        self.start_in(RULES).start()
        self.assertEqual(len(self.processes("privileged-runner")), 1)
        self.assertFalse((self.group / "runner").exists())

    def test_what_is_not_left_to_us(self):
        self.start_in({**KEYS, **RULES}, delegated=False).start()
        self.granted_for(self.request())
        self.assertEqual(self.below(self.out("keys").read_text()), "")
        self.assertEqual([path for path in self.group.iterdir() if path.is_dir()], [])
        line, = self.daemon.events(
            message="programs have no cgroup of their own: nobody has delegated ours")
        self.assertEqual(line["level"], "info")

    def test_without_programs_nothing_is_made(self):
        self.start_in({}).start()
        self.assertEqual({self.group_of(pid) for pid in self.daemon.roles().values()}, {""})

    def test_nobody_leaves(self):
        leave = """
            here=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)
            for file in main runner . ..; do
                echo $$ 2>/dev/null >$here/../$file/cgroup.procs && echo "$file" >>$OUT/left
            done
            mkdir $here/more 2>/dev/null && echo more >>$OUT/left
            echo max 2>/dev/null >$here/cgroup.max.depth && echo depth >>$OUT/left
            sed -n s/^0:://p /proc/self/cgroup >$OUT/$1"""
        self.start_in({"authorization": leave.replace("$1", "keys") + "\necho 60",
                       "rule_add": leave.replace("$1", "rules"), "rule_remove": "exit 0"},
                      script_user="root").start()
        self.granted_for(self.request())
        self.assertFalse(self.out("left").exists())
        for name, group in (("keys", "runner"), ("rules", "privileged-runner")):
            self.assertTrue(self.out(name).read_text().endswith(f"/{group}\n"))

    def test_nothing_outlives_the_process_that_ran_it(self):
        """Also when it cannot be found among the children of main."""
        daemon = self.start_in({"authorization": ""},
                               before="mount --bind /dev/null /proc/$$/task/$$/children;")
        self.put(daemon.folder / "authorization.sh", RESTLESS.replace("OUT", repr(str(self.out(".")))),
                 0o755)
        daemon.start()
        self.client.send(self.request(), self.address(4), PORT)
        self.assertTrue(eventually(self.out("began").exists))
        for _ in range(20):  # the runner may have found all of them, when they were slow
            if eventually(lambda: len(self.processes("runner")) > 10, within=3):
                break
            self.client.send(self.request(), self.address(4), PORT)
        self.assertGreater(len(self.processes("runner")), 10)
        daemon.end("runner", signal.SIGKILL)
        self.assertEqual(daemon.process.wait(PATIENCE), 1)
        self.assertTrue(eventually(lambda: not self.processes("runner")), self.processes("runner"))
