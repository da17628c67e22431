"""The ladder of the sandbox in containers, each with the filter and the users that it comes with."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from daemon import BUILD, Daemon
from test_ladder import WITHOUT, Ladder
from world import WorldTest

NOBODY = 536870912  # the first of 65536 users that are nobody outside

# Runs a command as root of 65536 users, with a network of its own.
CONTAINED = """
import ctypes, os, sys
ends, us = [os.pipe(), os.pipe()], os.getpid()
if os.fork() == 0:
    os.read(ends[0][0], 1)
    for kind in ("uid", "gid"):
        with open(f"/proc/{us}/{kind}_map", "w") as to:
            to.write("0 0 65536")
    os.write(ends[1][1], b"!")
    os._exit(0)
if ctypes.CDLL(None).unshare(0x50000000) != 0:
    sys.exit(125)
os.write(ends[0][1], b"!")
os.read(ends[1][0], 1)
os.wait()
os.execv(sys.argv[1], sys.argv[1:])
"""


UNTIL_READY = """
import os, shutil, subprocess, sys
os.umask(0o077)
shutil.copyfile("/opt/it/config.yaml", "/run/config.yaml")
daemon = subprocess.Popen(sys.argv[1:], stderr=subprocess.PIPE, text=True)
for line in daemon.stderr:
    sys.stdout.write(line)
    if '"ready for ' in line:
        daemon.terminate()
print(daemon.wait())
"""


class Contained(Ladder, WorldTest):
    """The daemon in a container with this host's programs, told to stop when it is ready."""

    def configured(self, word):
        """A folder with the configuration."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        Daemon(self.server, folder, self.configuration(sandbox=word)).notices.close()
        return folder

    def outcome(self, command):
        """Its log, and its status."""
        done = subprocess.run(
            [*command, "/usr/bin/python3", "-ISc", UNTIL_READY, "/opt/build/posternd", "-c",
             "/run/config.yaml", "--state-dir", "/run/state", "--control", "/run/control",
             "--log-format", "json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=120)
        *log, code = done.stdout.splitlines()
        return [json.loads(line) for line in log], code

    def assert_starts(self, outcome):
        """With all layers."""
        log, code = outcome
        self.assertEqual((code, [line for line in log if line["level"] == "error"]), ("0", []))
        self.assertTrue(any(line["message"].startswith("ready for knocks") for line in log))

    def assert_lacks(self, outcome, layer):
        log, code = outcome
        self.assertEqual([line["layer"] for line in log if "remedy" in line], [layer])
        self.assertEqual(code, "1")
        return next(line["remedy"] for line in log if "remedy" in line)


class UserNamespaceTest(Ladder, WorldTest):
    def test_one_of_an_unprivileged_user(self):
        """Root has no right outside."""
        self.in_place(("prlimit", "--memlock=8388608:8388608", sys.executable, "-ISc", CONTAINED),
                      self.configuration()).start()
        self.assertEqual(self.daemon.events(level="error"), [])


class NspawnTest(Contained):
    """With its own filter, of root or of users that are nobody outside (-U)."""

    def run_in(self, word, *options, mapped):
        it = self.configured(word)
        return self.outcome(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory=/",
             "--volatile=yes", f"--machine=ladder-{os.getpid()}", "--private-network", *options,
             "--console=pipe", f"--bind-ro={BUILD}:/opt/build", f"--bind-ro={it}:/opt/it{mapped}"])

    def climb(self, *options, mapped=""):
        """From what it lets by to all, as each line says."""
        more, lacks = options, []
        for _ in range(3):
            log, code = self.run_in("strict", *more, mapped=mapped)
            missing = [line for line in log if "remedy" in line]
            if not missing:
                break
            lacks.append(missing[0]["layer"])
            self.assert_lacks((log, code), lacks[-1])
            more = (*more, self.as_told(missing[0]))
        self.assert_starts((log, code))
        self.assertIn(lacks, (["landlock", "locked memory"], ["locked memory"]))  # Debian 12, 13
        log, code = self.run_in("best", *options, mapped=mapped)
        self.assertEqual(code, "0")
        self.assertEqual([line["layer"] for line in log if line["message"] == WITHOUT], lacks)
        self.assertTrue(any(line["message"].endswith(f", without {', '.join(lacks)}")
                            for line in log))

    def as_told(self, line):
        if line["layer"] == "locked memory":
            self.assertIn("CAP_IPC_LOCK", line["remedy"])
            return "--capability=CAP_IPC_LOCK"
        calls = re.findall(r"landlock_\w+", line["remedy"])
        self.assertEqual(len(calls), 3)
        return f"--system-call-filter={' '.join(calls)}"

    def setUp(self):
        super().setUp()
        if not shutil.which("systemd-nspawn"):
            self.skipTest("there is no systemd-nspawn here")

    def test_of_root(self):
        self.climb()

    def test_of_nobody(self):
        self.climb(f"--private-users={NOBODY}:65536", "--private-users-ownership=off",
                   mapped=":idmap")


class LxcTest(Contained):
    """With the configuration and the filter that Debian has for all containers."""

    def setUp(self):
        super().setUp()
        if not shutil.which("lxc-execute"):
            self.skipTest("there is no LXC here")

    def run_in(self, word, first_user, *settings):
        place = Path(tempfile.mkdtemp(dir=self.folder))
        root = place / "root"
        for name in ("", "dev", "etc", "opt", "opt/build", "opt/it", "proc", "run", "sys", "tmp",
                     "usr", "var"):
            (root / name).mkdir()
        for name in ("bin", "lib", "lib64", "sbin"):
            (root / name).symlink_to(f"usr/{name}")
        shutil.copyfile(self.configured(word) / "config.yaml", root / "opt/it/config.yaml")
        for path in (root, *root.rglob("*")):
            os.chown(path, first_user, first_user, follow_symlinks=False)
        place.chmod(0o755)
        users = [f"lxc.idmap = {kind} 0 {first_user} 65536" for kind in "ug"] if first_user else []
        (place / "config").write_text("\n".join([
            "lxc.include = /usr/share/lxc/config/common.conf",
            *(["lxc.include = /usr/share/lxc/config/userns.conf", *users] if users else []),
            "lxc.apparmor.profile = unconfined", "lxc.net.0.type = empty",
            f"lxc.rootfs.path = dir:{root}", "lxc.mount.entry = /usr usr none ro,bind 0 0",
            f"lxc.mount.entry = {BUILD} opt/build none ro,bind 0 0", *settings, ""]))
        try:
            return self.outcome(["lxc-execute", "--lxcpath", place, "--name",
                                 f"ladder-{os.getpid()}", "--rcfile", place / "config", "--"])
        finally:
            for left in Path("/sys/fs/cgroup").glob("**/lxc.pivot"):
                with contextlib.suppress(OSError):
                    left.rmdir()

    def climb(self, first_user):
        self.assert_starts(self.run_in("strict", first_user))
        small = "lxc.prlimit.memlock = 65536"
        if not first_user:  # is above such limits, unless
            small += "\nlxc.cap.drop = ipc_lock"
        remedy = self.assert_lacks(self.run_in("strict", first_user, small), "locked memory")
        self.assertIn("lxc.prlimit.memlock", remedy)
        log, code = self.run_in("best", first_user, small)
        self.assertEqual(code, "0")
        self.assertTrue(any(line["message"].endswith(", without locked memory") for line in log))

    def test_of_root(self):
        self.climb(0)

    def test_of_nobody(self):
        self.climb(NOBODY)


if __name__ == "__main__":
    unittest.main()
