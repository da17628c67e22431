"""A machine: a Debian tree that systemd boots, in a network namespace of its own. Files that it
changes go to a layer above the tree. Power is cut by SIGKILL, and what the kernel held is gone."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from netns import Namespace, eventually, run

TREE = os.environ.get("POSTERN_TREE")
CHECKOUT = os.environ.get("POSTERN_CHECKOUT")
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"
CGROUP = Path(os.environ.get("POSTERN_CGROUP", "/"))  # for the machine and nothing else
PLACE = Path("/mnt")  # a file system of this run's own
PATIENCE = 60


def empty_cgroup():
    """Of whatever the last boot has left there."""
    (CGROUP / "cgroup.kill").write_text("1")
    eventually(lambda: "populated 0" in (CGROUP / "cgroup.events").read_text(), PATIENCE)
    for folder, _, _ in os.walk(CGROUP, topdown=False):
        if folder != str(CGROUP):
            os.rmdir(folder)


class Machine:
    """Off, to begin with."""

    capabilities = "CAP_NET_ADMIN,CAP_IPC_LOCK"
    calls = LANDLOCK
    boot, init = ("--boot",), ()  # what systemd-nspawn starts
    first = "systemd"  # which becomes this

    def __init__(self, name):
        self.name = name
        self.space = None
        self.process = None
        self.pid = None  # of its first process
        self.root = PLACE / name / "root"
        for part in ("root", "layer", "work"):
            (PLACE / name / part).mkdir(parents=True)
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={TREE},"
            f"upperdir={PLACE / name / 'layer'},workdir={PLACE / name / 'work'}", self.root)

    # Power

    def plug_in(self):
        """Its network, as the kernel has it at power-on: no rules, no addresses."""
        if self.space:
            self.space.close()
        self.space = Namespace(self.name)
        self.space.ip("link", "set", "lo", "down")
        return self.space

    def power_on(self):
        with open(PLACE / self.name / "console", "ab") as console:
            self.process = subprocess.Popen(
                ["systemd-nspawn", *self.boot, "--quiet", "--register=no", "--keep-unit",
                 "--link-journal=no", "--console=pipe", f"--machine={self.name}",
                 f"--directory={self.root}", f"--bind={CHECKOUT}:/src",
                 f"--network-namespace-path=/run/netns/{self.space.name}",
                 f"--capability={self.capabilities}", f"--system-call-filter={self.calls}",
                 *self.init],
                # This kernel may have the older hierarchy, which newer systemd does not take.
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                preexec_fn=lambda: (CGROUP / "cgroup.procs").write_text("0"))

    def wait_until_up(self):
        self.pid = eventually(self._first_process, PATIENCE)
        assert self.pid and eventually(self._is_up, PATIENCE), f"no boot:\n{self.console()[-4000:]}"

    def install(self):
        self.shell("cd /src && make install PREFIX=/usr MESON_FLAGS=-Dtests=disabled")

    def _first_process(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        try:
            return next((int(child) for child in children.split()
                         if Path(f"/proc/{child}/comm").read_text().strip() == self.first), None)
        except (FileNotFoundError, ProcessLookupError):
            return None  # one of the others has ended just now

    def _is_up(self):
        return self.run("systemctl", "is-system-running", check=False).strip() in (
            "running", "degraded")

    def power_off(self):
        if self.process is None:
            return
        for pid in (self.pid or self._first_process(), self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, TypeError):
                pass
        self.process.wait(PATIENCE)
        self.process = self.pid = None
        empty_cgroup()

    def shut_down(self):
        """In order."""
        self.run("systemctl", "poweroff", "--no-block")
        self.process.wait(PATIENCE)
        self.process = self.pid = None
        empty_cgroup()

    def close(self):
        self.power_off()
        if self.space:
            self.space.close()
        empty_cgroup()
        run("umount", self.root)
        shutil.rmtree(PLACE / self.name)

    def console(self):
        return (PLACE / self.name / "console").read_text(errors="replace")

    # Its files

    def unpack(self, package):
        """A Debian package, and nothing that its scripts would do."""
        run("sh", "-euc", 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink', "-",
            package, self.root)

    def chroot(self, *words):
        """While it is off."""
        return run("chroot", self.root, *words)

    # Inside

    def command(self, *words):
        return ["nsenter", f"--target={self.pid}", "--mount", "--uts", "--ipc", "--net", "--pid",
                "--cgroup", "env", "-i", "PATH=/usr/sbin:/usr/bin", "LANG=C.UTF-8",
                "HOME=/root", *map(str, words)]

    def run(self, *words, check=True, text=None):
        return run(*self.command(*words), check=check, text=text)

    def shell(self, text):
        return self.run("sh", "-euc", text)

    def write(self, path, text, mode=0o644):
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def read(self, path):
        return (self.root / path.lstrip("/")).read_text()

    # Its services

    def show(self, unit, name):
        return self.run("systemctl", "show", "--property", name, "--value", unit).strip()

    def state(self, unit):
        return self.show(unit, "ActiveState")

    def journal(self, *words):
        return self.run("journalctl", "--boot", "--output=cat", "--no-pager", *words, check=False)

    def cursor(self):
        """For said(): what is logged from now on."""
        self.run("journalctl", "--sync", check=False)
        text = self.run("journalctl", "--show-cursor", "--lines=0", "--no-pager", check=False)
        return text.rpartition("cursor: ")[2].strip()

    def said(self, text, since, within=PATIENCE):
        """True when a line of posternd's log has it in time."""
        return eventually(lambda: text in self.journal("--unit=posternd", f"--after-cursor={since}"),
                          within)

    def restart(self, *units):
        return self.run("systemctl", "restart", *units)

    def roles(self):
        """Name to process id, as the machine counts; empty when it does not run. Without those that
        main has forked for work of its own."""
        found = {}
        main = self.show("posternd", "MainPID")
        if main == "0":
            return found
        listed = self.run("ps", "--no-headers", "-o", "pid=,comm=", "-p", main, "--ppid", main,
                          check=False)
        for line in listed.splitlines():
            pid, name = line.split()
            name = "main" if pid == main else name.removeprefix("postern-")
            if name not in ("audit", "hints", "loader"):
                found[name] = int(pid)
        return found

    def signal(self, role, name):
        self.run("kill", f"-{name}", self.roles()[role])

    def restarts(self):
        return int(self.show("posternd", "NRestarts"))
