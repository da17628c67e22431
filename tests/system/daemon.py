"""posternd under test: started in a namespace, watched through its notices and its log."""

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from array import array
from pathlib import Path

from netns import PATIENCE, eventually

BUILD = Path(os.environ.get("POSTERN_BUILD", Path(__file__).parents[2] / "build")).resolve()


def program(name):
    """Where the build tree has a program."""
    place = BUILD / name
    if not place.is_file():
        raise FileNotFoundError(f"{name} is not built under {BUILD}")
    return place


def yaml(value, indent=0):
    """Nested dictionaries and lists of plain words as block YAML."""
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [" " * indent + f"{key}:", yaml(item, indent + 2)]
        elif isinstance(item, list):
            lines += [" " * indent + f"{key}:"] + [" " * indent + f"  - {i}" for i in item]
        else:
            word = str(item).lower() if isinstance(item, bool) else item
            lines.append(" " * indent + f"{key}: {word}")
    return "\n".join(lines)


FIRST_KEPT = 64  # descriptors from here on are none that a process expects
LOOK_MS = 50  # how soon the end of a process is seen


class Notices:
    """The service manager's end of NOTIFY_SOCKET, and its store of descriptors."""

    def __init__(self, path):
        Path(path).unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        os.chmod(path, 0o777)
        self.keeps = False  # whether there is a store
        self.store = []  # of (name, descriptor)
        self.status = None  # what was said last

    def receive(self):
        """The lines of the next notice, which has been obeyed; BlockingIOError without one."""
        data, beside, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(64), socket.MSG_DONTWAIT)
        sent = [fd for _, kind, what in beside if kind == socket.SCM_RIGHTS for fd in array("i", what)]
        lines = data.decode().splitlines()
        fields = dict(line.partition("=")[::2] for line in lines)
        name = fields.get("FDNAME", "stored")
        self.status = fields.get("STATUS", self.status)
        if "FDSTOREREMOVE=1" in lines:
            self.forget(name)
        if self.keeps and "FDSTORE=1" in lines:
            for descriptor in sent:
                self.keep(name, descriptor)
        for descriptor in sent:  # also what has come with a barrier
            os.close(descriptor)
        return lines

    def keep(self, name, descriptor):
        """A copy of it, unless there is one."""
        if not any(os.path.sameopenfile(descriptor, kept) for _, kept in self.store):
            self.store.append((name, fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_KEPT)))

    def forget(self, name=None):
        """All of that name, or all."""
        for kept in [kept for kept in self.store if name in (None, kept[0])]:
            self.store.remove(kept)
            os.close(kept[1])

    def wait_for(self, word, process, within=PATIENCE):
        """True when a notice with that line came in time, from a process that lives on; earlier
        notices are dropped. Sleeps until the next one comes: what is timed is the process."""
        end = time.monotonic() + within
        some = select.poll()
        some.register(self.socket, select.POLLIN)
        came = False
        while not came and process.poll() is None and time.monotonic() < end:
            came = bool(some.poll(LOOK_MS)) and word in self.receive()
        return came and process.poll() is None

    def has_come(self, word):
        """Whether a notice with that line is among those that wait here, which are dropped."""
        found = False
        with contextlib.suppress(BlockingIOError):
            while True:
                found = word in self.receive() or found
        return found

    def drop(self):
        try:
            while True:
                self.receive()
        except BlockingIOError:
            pass

    def close(self):
        self.forget()
        self.socket.close()


# What only a process that has crashed leaves in the log: main's line about it, in any format, and a
# sanitizer's.
CRASH = re.compile(r"killed by SIG\w+|AddressSanitizer|runtime error:")


class Daemon:
    """One posternd. `folder` holds its configuration, state, control socket and log. A crash fails
    the test that closes it, unless the test has done it itself, with end()."""

    def __init__(self, space, folder, configuration, *arguments):
        self.space = space
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        self.file = self.folder / "config.yaml"
        self.control = self.folder / "control"
        self.state = self.folder / "state"
        self.log_path = self.folder / "log"
        self.arguments = list(arguments)
        self.notices = Notices(self.folder / "notify")
        self.process = None
        self.pids = []
        self.forked = []  # by main, with its command line, such as the writer of the audit log
        self.killed = False
        self.done_by_us = []
        self.configure(configuration)

    def configure(self, configuration):
        text = configuration if isinstance(configuration, str) else yaml(configuration) + "\n"
        self.file.touch(mode=0o600)
        self.file.write_text(text)
        self.file.chmod(0o600)

    def command(self, *more):
        return [program("posternd"), "-c", self.file, "--state-dir", self.state,
                "--control", self.control, *self.arguments, *more]

    def start(self, ready=True, log_format="json", log=None):
        """`log`: a descriptor for standard error, in place of the file."""
        environment = dict(os.environ, NOTIFY_SOCKET=str(self.folder / "notify"))
        self.notices.drop()
        self.killed = False
        with open(self.log_path, "ab") as file:
            self.process = self.space.popen(
                *self.handing_over(), *self.command("--log-format", log_format), env=environment,
                stdout=file, stderr=file if log is None else log, cwd=self.folder,
                pass_fds=[descriptor for _, descriptor in self.notices.store])
        if ready:
            self.wait_until_ready()
            self.note_processes()
        return self

    def wait_until_ready(self):
        started = self.notices.wait_for("READY=1", self.process)
        assert started, f"posternd did not get ready:\n{self.log_path.read_text()}"

    def note_processes(self):
        """But for those that main has forked for a while, which have its command line."""
        main, found = command_line(self.process.pid), descendants(self.process.pid)
        self.forked = [pid for pid in found if command_line(pid) in (main, b"")]
        self.pids = [self.process.pid, *(pid for pid in found if pid not in self.forked)]

    def handing_over(self):
        """What starts the daemon with what is in the store: from descriptor 3 on, as sd_listen_fds
        wants it."""
        store = self.notices.store
        if not store:
            return []
        moves = "; ".join(f"os.dup2({kept}, {3 + i}); os.close({kept})"
                          for i, (_, kept) in enumerate(store))
        return [sys.executable, "-ISc", f"import os, sys; {moves}; os.environ.update("
                f"LISTEN_FDS='{len(store)}', LISTEN_PID=str(os.getpid()), "
                f"LISTEN_FDNAMES={':'.join(name for name, _ in store)!r}); "
                "os.execv(sys.argv[1], sys.argv[1:])"]

    def reload(self):
        """SIGHUP, and the notice that it is done."""
        self.notices.drop()
        self.process.send_signal(signal.SIGHUP)
        assert self.notices.wait_for("READY=1", self.process), "no notice after SIGHUP"

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        assert eventually(lambda: not self.living()), "a role outlived the daemon"
        self.assert_no_crash()
        return code

    def end(self, role, number):
        """A role, or main, by a signal that it cannot take."""
        pid = self.roles()[role]
        if role == "main":
            self.killed = True
        else:
            self.done_by_us.append(f"killed by {number.name}")
        os.kill(pid, number)

    def crashes(self):
        """What the log tells of crashes, but for those that the test has caused."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        found = CRASH.findall(text)
        for ours in self.done_by_us:
            if ours in found:
                found.remove(ours)
        code = self.process.poll() if self.process else None
        if code is not None and code < 0 and not self.killed:
            found.append(f"main killed by {signal.Signals(-code).name}")
        return found

    def assert_no_crash(self):
        found = self.crashes()
        assert not found, f"crashed: {', '.join(found)}"

    def kill(self):
        """SIGKILL to every process at once: none sees another go, and begins to shut what is open."""
        self.killed = True
        pids = self.pids or [self.process.pid]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number == signal.SIGSTOP:
                eventually(lambda: all(state_of(pid) in ("T", "t", "Z", None) for pid in pids))
        self.process.wait(PATIENCE)
        assert eventually(lambda: not self.living()), "a role survived SIGKILL"
        self.drop_torn_line()

    def drop_torn_line(self):
        """The kernel ends a write between two pages when its process is killed."""
        text = self.log_path.read_bytes()
        os.truncate(self.log_path, text.rfind(b"\n") + 1)

    def living(self):
        return [pid for pid in self.pids if state_of(pid) not in (None, "Z")]

    def has_written(self):
        """Whether those are gone that go on writing when main has ended."""
        return all(state_of(pid) in (None, "Z") for pid in self.forked)

    def close(self):
        try:
            if self.process and self.process.poll() is None:
                code = self.stop()
                assert code == 0 or self.done_by_us, f"exit status {code} when told to stop"
            else:
                self.assert_no_crash()
            eventually(self.has_written)
        finally:
            self.notices.close()

    def roles(self):
        """Role name to process id, by the last word of the command line that is a role."""
        found = {}
        for pid in self.living():
            words = command_line(pid).decode().split("\0")
            if not Path(words[0]).name.startswith("postern"):
                continue  # a program that a runner has started
            name = Path(words[0]).name.removeprefix("postern-")
            found["privileged-runner" if "privileged-runner" in words else
                  "main" if name == "posternd" else name] = pid
        return found

    def lines(self):
        """The log so far, one dictionary a line; a line that is no JSON fails the test. The last one may
        be about to be written."""
        text = self.log_path.read_text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def events(self, **fields):
        """The log lines that have all these fields."""
        return [line for line in self.lines()
                if all(line.get(key) == value for key, value in fields.items())]


def command_line(pid):
    """Of one that may end meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def name_of(pid):
    """What the kernel calls it: of one that may end meanwhile."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def descriptors(pid):
    """Where each leads, but for those that are closed meanwhile."""
    goals = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            goals[int(entry.name)] = os.readlink(entry)
        except FileNotFoundError:
            pass
    return goals


def state_of(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def own_memory(pid):
    """In KiB: what it has written to, unlike its share of the program, which grows when others
    who run the same program end."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous: +(\d+)", text, re.M).group(1))


def children():
    """Of each process that has some, those that are not reaped."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.setdefault(int(words[1]), []).append(int(stat.parent.name))
    return found


def descendants(pid):
    of = children()
    found = [pid]
    for one in found:
        found += of.get(one, [])
    return found[1:]
