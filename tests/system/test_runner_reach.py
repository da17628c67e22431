"""What a program cannot reach: other processes, memory that no limit counts, and, as root, what no
file system rule covers. Each call is tried with the numbers of x86-64."""

import json
import os
import platform
import shutil
import unittest
from pathlib import Path

from runner import USER, RunnerTest

EPERM, EACCES, EXDEV, EINVAL, ENOSYS = 1, 13, 18, 22, 38

# Signal 999 is none: whoever may send it is told so.
HEAD = """
import ctypes, json, mmap, os, resource, signal, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
HERE = os.path.dirname(sys.argv[0])
WRITABLE = HERE + "/writable"
RUNNER = os.getppid()
MAIN = int(open(f"/proc/{RUNNER}/stat").read().rpartition(")")[2].split()[1])
UPPER = 0x1234 << 32  # that the kernel does not look at
def call(number, *arguments):
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *arguments)
    return ctypes.get_errno() if result == -1 else 0
def tried(what, *arguments, **words):
    try:
        what(*arguments, **words)
        return 0
    except OSError as e:
        return e.errno
out = {}
"""
TAIL = """
json.dump(out, open(WRITABLE + "/seen", "w"))
print(60)
"""

OTHERS = HEAD + """
info = (ctypes.c_int * 32)(999, 0, -1)
limit = (ctypes.c_ulong * 2)(1, 1)
mask = (ctypes.c_ulong * 16)(1)
param = (ctypes.c_int * 12)()
own, theirs = os.pipe()
for name, pid in (("runner", RUNNER), ("main", MAIN)):
    out[name] = dict(
        prlimit=call(302, pid, resource.RLIMIT_FSIZE, limit, None),
        affinity=call(203, pid, 128, mask), param=call(142, pid, param),
        scheduler=call(144, pid, 3, param), attributes=call(314, pid, param, 0),
        priority=call(141, 0, pid, 19), io=call(251, 1, pid, 3 << 13),
        kill=call(62, pid, 999), kill_upper=call(62, UPPER | pid, 999), tkill=call(200, pid, 999),
        tgkill=call(234, pid, pid, 999), queue=call(129, pid, 999, info),
        thread_queue=call(297, pid, pid, 999, info))
out["all"] = dict(
    everybody=call(62, -1, 999), everybody_32=call(62, 0xffffffff, 999),
    # Where its leader is not in our PID namespace it has no number, and nobody can name it.
    group=call(62, -os.getpgid(RUNNER), 999) if os.getpgid(RUNNER) else 1,
    priority_of_user=call(141, 2, 0, 19), priority_of_group=call(141, 1, 0, 19),
    io_of_user=call(251, 3, 0, 3 << 13), io_of_group=call(251, 2, 0, 3 << 13),
    migrate=call(256, 0, 0, 0, 0), move=call(279, 0, 0, 0, 0, 0, 0), release=call(448, -1, 0),
    owner_of_socket=call(16, socket.socketpair()[0].fileno(), 0x8902,
                         ctypes.byref(ctypes.c_int(os.getpid()))),
    pidfd=call(424, os.pidfd_open(os.getpid()), 0, None, 0),
    owner=call(72, own, 8, os.getpid()), owner_upper=call(72, own, UPPER | 8, os.getpid()),
    owner_ex=call(72, own, 15, (ctypes.c_int * 2)(1, os.getpid())),
    owner_ioctl=call(16, own, 0x8901, ctypes.byref(ctypes.c_int(os.getpid()))))
sleeper = subprocess.Popen(["sleep", "9"])
out["own"] = dict(
    limit=tried(resource.setrlimit, resource.RLIMIT_NOFILE, (100, 100)),
    nice=tried(os.nice, 1), affinity=tried(os.sched_setaffinity, 0, os.sched_getaffinity(0)),
    io=call(251, 1, 0, 3 << 13), kill=tried(os.kill, sleeper.pid, signal.SIGKILL),
    group=tried(os.killpg, 0, signal.SIGCHLD), fcntl=call(72, own, 3))
""" + TAIL

MEMORY = HEAD + """
out["denied"] = dict(
    shm=call(29, 0, 1 << 30, 0o1600), message=call(68, 0, 0o1600), semaphore=call(64, 0, 1, 0o1600),
    posix=call(240, b"/posternq", 0o102, 0o600, None), memory=call(319, b"m", 0),
    secret=call(447, 0), shared=tried(mmap.mmap, -1, 4096),
    zero=tried(lambda: mmap.mmap(os.open("/dev/zero", os.O_RDWR), 4096)) and 1,
    open_secretly=call(437, -100, b"/dev/null", (ctypes.c_ulong * 3)(), 24))
out["own"] = dict(
    private=tried(mmap.mmap, -1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
""" + TAIL

SET_UID = HEAD + """
def mode_of(name, make):
    path = f"{WRITABLE}/{name}"
    error = make(path)
    return [error, os.stat(path).st_mode & 0o7000 if os.path.exists(path) else 0]
def opened(path, how, mode):
    return tried(lambda: os.close(os.open(path, how, mode)))
def changed(path, what):
    open(path, "w").close()
    return what(path)
O = os.O_CREAT | os.O_WRONLY
T = os.O_TMPFILE | os.O_WRONLY
out["made"] = {}
for bit in (0o4000, 0o2000):
    mode = bit | 0o755
    out["made"].update({f"{name}_{bit:o}": mode_of(f"{name}_{bit:o}", make) for name, make in dict(
        open=lambda p: opened(p, O, mode),
        temporary=lambda p: opened(WRITABLE, T, mode),
        old=lambda p: call(2, p.encode(), O, mode),
        old_temporary=lambda p: call(2, WRITABLE.encode(), T, mode),
        created=lambda p: call(85, p.encode(), mode),
        node=lambda p: call(133, p.encode(), 0o100000 | mode, 0),
        node_at=lambda p: call(259, -100, p.encode(), 0o100000 | mode, 0),
        chmod=lambda p: changed(p, lambda p: call(90, p.encode(), mode)),
        fchmod=lambda p: changed(p, lambda p: call(91, os.open(p, 0), mode)),
        at=lambda p: changed(p, lambda p: call(268, -100, p.encode(), mode)),
        at2=lambda p: changed(p, lambda p: call(452, -100, p.encode(), mode, 0))).items()})
out["ordinary"] = dict(made=opened(WRITABLE + "/plain", O, 0o755))
if os.getuid() != 0:
    out["ordinary"]["mode"] = call(90, (WRITABLE + "/plain").encode(), 0o700)
""" + TAIL

ROOT = HEAD + """
times = (ctypes.c_long * 4)()
number = ctypes.byref(ctypes.c_long(0x80))
for name in ("outside", "writable/inside"):
    path = f"{HERE}/{name}"
    b = path.encode()
    fd = os.open(path, os.O_RDONLY)
    out[name] = dict(
        chmod=call(90, b, 0o777), fchmod=call(91, fd, 0o777), at=call(268, -100, b, 0o777),
        at2=call(452, -100, b, 0o777, 0), chown=call(92, b, 0, 0), fchown=call(93, fd, 0, 0),
        lchown=call(94, b, 0, 0), chown_at=call(260, -100, b, 0, 0, 0),
        xattr=call(188, b, b"user.a", b"1", 1, 0), lxattr=call(189, b, b"user.a", b"1", 1, 0),
        fxattr=call(190, fd, b"user.a", b"1", 1, 0), xattr_at=call(463, -100, b, 0, b"user.a", 0, 0),
        unset=call(197, b, b"user.b"), lunset=call(198, b, b"user.b"), funset=call(199, fd, b"user.b"),
        unset_at=call(466, -100, b, 0, b"user.b"), attributes=call(469, -100, b, times, 24, 0),
        utime=call(132, b, times), utimes=call(235, b, times), futimes=call(261, -100, b, times),
        times_at=call(280, -100, b, times, 0), truncate=call(76, b, 0),
        emptied=tried(os.open, path, os.O_RDONLY | os.O_TRUNC),
        emptied_old=call(2, b, os.O_RDONLY | os.O_TRUNC), emptied_odd=call(2, b, 3 | os.O_TRUNC),
        emptied_odd_at=call(257, -100, b, 3 | os.O_TRUNC),
        flags=call(16, fd, 0x40086602, number), fat=call(16, fd, 0x40047211, number),
        version=call(16, fd, 0x40087602, number), xfs=call(16, fd, 0x401c5820, times),
        clone=call(16, fd, 0x40049409, fd), f2fs=call(16, fd, 0xf501, number))
out["sockets"] = dict(
    stream=tried(socket.socket, socket.AF_UNIX), upper=call(41, UPPER | 1, 1, 0),
    datagram=tried(socket.socket, socket.AF_UNIX, socket.SOCK_DGRAM))
def write(path):
    with open(path, "w") as f:
        f.write("changed")
out["own"] = dict(
    internet=tried(socket.socket), netlink=tried(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW),
    pair=tried(socket.socketpair), written=tried(write, WRITABLE + "/inside"),
    removed=tried(os.unlink, WRITABLE + "/inside"))
""" + TAIL


@unittest.skipUnless(platform.machine() == "x86_64", "numbers of x86-64")
class ReachTest(RunnerTest):
    maxDiff = None
    executable = "postern-runner"

    def seen(self, text, task="authorize", user=USER):
        folder = self.folder / "writable"
        if not folder.exists():
            folder = self.writable()
        self.python(text)
        role = "runner" if task == "authorize" else "privileged-runner"
        runner = self.runner(f"{task}=script:{self.folder}/script.py", f"writable={folder}",
                             role=role, user=user, executable=self.executable)
        self.assertEqual(runner.outcome(task), "done", runner.log())
        self.assertEqual(runner.close(), 0)
        return json.loads((folder / "seen").read_text())

    def assert_all(self, found, wanted):
        self.assertEqual({name: wanted for name in found}, found)

    def test_no_other_process(self):
        seen = self.seen(OTHERS)
        for who in ("runner", "main", "all"):
            with self.subTest(who=who):
                self.assert_all(seen[who], EPERM)
        self.assert_all(seen["own"], 0)

    def test_no_other_process_as_root(self):
        (self.folder / "writable").mkdir()
        seen = self.seen(OTHERS, "add", 0)
        for who in ("runner", "main", "all"):
            with self.subTest(who=who):
                self.assert_all(seen[who], EPERM)
        self.assert_all(seen["own"], 0)

    def test_no_memory_that_is_nobodys(self):
        seen = self.seen(MEMORY)
        self.assertEqual(seen["denied"].pop("open_secretly"), ENOSYS)
        if "calls" in self.executable:
            self.assertEqual(seen["denied"].pop("zero"), 0, "is Landlock's to refuse")
        self.assert_all(seen["denied"], EPERM)
        self.assert_all(seen["own"], 0)

    def assert_no_set_uid(self, seen):
        for name, (error, mode) in seen["made"].items():
            with self.subTest(how=name):
                self.assertEqual((error, mode), (EPERM, 0))
        self.assert_all(seen["ordinary"], 0)

    def test_nobody_else_s_rights(self):
        self.assert_no_set_uid(self.seen(SET_UID))

    def test_nobody_else_s_rights_as_root(self):
        (self.folder / "writable").mkdir()
        self.assert_no_set_uid(self.seen(SET_UID, "add", 0))

    def test_root_changes_nothing_about_a_file(self):
        (self.folder / "writable").mkdir()
        outside, inside = self.folder / "outside", self.folder / "writable/inside"
        for path in (outside, inside):
            path.write_text("text")
            path.chmod(0o600)
        before = outside.stat()
        seen = self.seen(ROOT, "add", 0)
        for name in ("outside", "writable/inside", "sockets"):
            with self.subTest(name=name):
                self.assert_all(seen[name], EPERM)
        self.assert_all(seen["own"], 0)
        self.assertEqual(outside.read_text(), "text")
        after = outside.stat()
        self.assertEqual((after.st_mode, after.st_uid, after.st_gid, after.st_mtime_ns),
                         (before.st_mode, before.st_uid, before.st_gid, before.st_mtime_ns))
        self.assertFalse(inside.exists())

    def test_a_user_of_ones_own_may(self):
        """Or the refusals would have another reason."""
        seen = self.seen(HEAD + """
path = WRITABLE + "/file"
open(path, "w").close()
out["own"] = dict(mode=tried(os.chmod, path, 0o640), times=tried(os.utime, path),
                  socket=tried(socket.socket, socket.AF_UNIX),
                  emptied=tried(os.open, path, os.O_RDONLY | os.O_TRUNC))
""" + TAIL)
        self.assert_all(seen["own"], 0)


class ReachByCallsAloneTest(ReachTest):
    """All of the above with no Landlock behind it."""
    executable = "tests/system/runner_by_calls_alone"

    def test_there_is_no_landlock(self):
        (self.folder / "writable").mkdir()
        self.seen(HEAD + 'open(f"{HERE}/beside", "w").close()' + TAIL, "add", 0)
        self.assertTrue((self.folder / "beside").exists())


FILES = HEAD + """
VERSION = libc.syscall(444, None, 0, 1)
def write(path, how="w"):
    open(path, how).close()
for name, folder in (("outside", HERE), ("inside", WRITABLE)):
    old, new = folder + "/old", folder + "/new"
    out[name] = dict(
        written=tried(write, old), added=tried(write, old, "a"), made=tried(write, new),
        temporary=tried(os.open, folder, os.O_TMPFILE | os.O_WRONLY),
        folder=tried(os.mkdir, folder + "/folder"), removed_folder=tried(os.rmdir, folder + "/empty"),
        link=tried(os.symlink, "x", folder + "/link"), hard=tried(os.link, old, folder + "/hard"),
        fifo=tried(os.mkfifo, folder + "/fifo"),
        named_socket=tried(socket.socket(socket.AF_UNIX).bind, folder + "/socket"),
        renamed=tried(os.rename, old, folder + "/renamed"),
        removed=tried(os.unlink, folder + "/hard" if name == "inside" else old))
    if VERSION >= 3:
        out[name]["truncated"] = tried(os.truncate, folder + ("/renamed" if name == "inside" else "/old"), 0)
    if os.getuid() == 0 and name == "outside":
        out[name]["device"] = tried(os.mknod, folder + "/device", 0o20600, os.makedev(1, 3))
out["devices"] = dict(zero=tried(os.open, "/dev/zero", os.O_RDWR))
out["always"] = dict(null=tried(write, "/dev/null"), read=tried(open, HERE + "/old"),
                     listed=tried(os.listdir, HERE), run=subprocess.call(["true"]))
# Nothing but Landlock
out["no_filter"] = dict(shm=call(29, 0, 4096, 0o1600))
""" + TAIL


@unittest.skipUnless(platform.machine() == "x86_64", "numbers of x86-64")
class ReachByFilesAloneTest(RunnerTest):
    """What no filter stands before, and nothing about the file itself."""

    def look(self, task, role, user):
        folder = self.folder / "writable"
        for place in (self.folder, folder):
            place.mkdir(exist_ok=True)
            (place / "empty").mkdir()
            (place / "old").write_text("text")
            for path in (place, place / "empty", place / "old"):
                path.chmod(0o777 if path.is_dir() else 0o666)
        os.chown(folder / "old", user, user)  # or a hard link to it would be refused
        os.chown(self.folder / "old", user, user)
        self.python(FILES)
        # Where others may write, no script is run from.
        script = self.folder / "script.py"
        place = self.folder.with_name(self.folder.name + ".script")
        place.mkdir()
        self.addCleanup(shutil.rmtree, place)
        text = script.read_text().replace("os.path.dirname(sys.argv[0])", repr(str(self.folder)))
        (place / "script.py").write_text(text)
        (place / "script.py").chmod(0o755)
        runner = self.runner(f"{task}=script:{place}/script.py", f"writable={folder}", role=role,
                             user=user, executable="tests/system/runner_by_files_alone")
        self.assertEqual(runner.outcome(task), "done", runner.log())
        seen = json.loads((folder / "seen").read_text())
        self.assertEqual(set(seen["inside"].values()), {0}, seen["inside"])
        for what, error in seen["outside"].items():
            with self.subTest(what=what):
                self.assertIn(error, (EACCES, EXDEV) if what == "hard" else (EACCES,))
        self.assertEqual(seen["devices"], {"zero": EACCES})
        self.assertEqual(set(seen["always"].values()), {0}, seen["always"])
        self.assertEqual(seen["no_filter"], {"shm": 0})
        self.assertEqual((self.folder / "old").read_text(), "text")

    def test_runner(self):
        self.look("authorize", "runner", USER)

    def test_privileged_runner(self):
        self.look("add", "privileged-runner", USER)

    def test_privileged_runner_as_root(self):
        self.look("add", "privileged-runner", 0)
