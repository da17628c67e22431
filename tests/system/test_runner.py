"""Scripts and helpers that behave, and all the ways in which they do not."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from daemon import state_of
from netns import eventually
from runner import ALICE, USER, Runner, RunnerTest, device

LINES_AT_ONCE, LINES_A_SECOND = 20, 5  # LOGS_AT_ONCE, LOGS_PER_SECOND
GARBAGE = ("180abc", "-5", "65546", "", " 180", "180\\n\\n", "0", "1.5", "\\0180", "65536")


def running(marker):
    """Processes of the user that this test's programs run as, and nobody else's, which sleep for so
    long."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if (path.read_bytes() == f"sleep\0{marker}\0".encode()
                    and path.parent.stat().st_uid == USER):
                found.append(int(path.parent.name))
        except OSError:
            pass
    return [pid for pid in found if state_of(pid) not in (None, "Z")]


class ScriptTest(RunnerTest):
    def authorize(self, text, *settings):
        self.sh(text)
        runner = self.runner(f"authorize=script:{self.folder}/script", *settings)
        runner.ask("authorize", 1)
        outcome, seconds, _ = runner.answer(1)
        return runner, outcome, int(seconds)

    def test_answer(self):
        _, outcome, seconds = self.authorize("echo 180")
        self.assertEqual((outcome, seconds), ("done", 180))

    def test_no_shell_looks_at_its_name(self):
        name = "a b;$(echo c)`echo d`"
        self.sh("echo 180", name)
        runner = self.runner(f"authorize=script:{self.folder}/{name}")
        self.assertEqual(runner.outcome("authorize"), "done", runner.log())

    def test_garbage(self):
        self.sh("case $5 in "
                + " ".join(f"{i}) printf '{text}' ;;" for i, text in enumerate(GARBAGE, 1))
                + " esac")
        runner = self.runner(f"authorize=script:{self.folder}/script")
        for i, text in enumerate(GARBAGE, 1):
            with self.subTest(text=text):
                self.assertEqual(runner.outcome("authorize", i, first=i, last=i), "refused")
        self.assertEqual(len(runner.events(message="a program refused")), len(GARBAGE))

    def test_exit_status(self):
        runner, outcome, seconds = self.authorize("echo 180; echo 'too late' >&2; exit 3")
        self.assertEqual((outcome, seconds), ("refused", 0))
        event, = runner.events(message="a program refused")
        self.assertEqual((event["why"], event["stderr"], event["device"]),
                         ("exit status 3", "too late", ALICE))

    def test_killed(self):
        self.assertEqual(self.authorize("echo 180; kill -9 $$")[1], "failed")

    def test_not_runnable(self):
        for text in ("exec /nonexistent", "nonexistent-command"):
            self.assertEqual(self.authorize(text)[1], "failed")
        self.write("script", "#!/nonexistent\n")
        self.assertEqual(
            self.runner(f"authorize=script:{self.folder}/script").outcome("authorize"), "failed")

    def test_missing(self):
        runner = self.runner(f"authorize=script:{self.folder}/none")
        self.assertEqual(runner.outcome("authorize"), "failed")
        self.assertIn("No such file", runner.log())

    def test_not_asked_for(self):
        runner, _, _ = self.authorize("echo 180")
        for task in ("key", "add", "remove", "nonsense"):
            self.assertEqual(runner.outcome(task), "failed")

    def test_unknown_protocol(self):
        runner, _, _ = self.authorize("echo 180")
        self.assertEqual(runner.outcome("authorize", protocol=47), "failed")
        self.assertIn("no such protocol", runner.log())

    def test_hangs(self):
        runner, outcome, _ = self.authorize("echo 180; sleep 999", "deadline=300")
        self.assertEqual(outcome, "timeout")
        self.assert_nothing_left(runner)

    def test_hangs_with_signals_ignored(self):
        runner, outcome, _ = self.authorize(
            "trap '' TERM INT HUP; while :; do :; done", "deadline=300")
        self.assertEqual(outcome, "timeout")
        self.assert_nothing_left(runner)

    def test_floods(self):
        runner, outcome, _ = self.authorize("yes 180", "output=4096")
        self.assertEqual(outcome, "refused")
        self.assert_nothing_left(runner)

    def test_output_at_its_limit(self):
        """As many bytes as may be are looked at; one more is too many, also at the very end."""
        for size, why in ((99, "something else"), (100, "something else"), (101, "too much")):
            runner, outcome, _ = self.authorize(f"printf %0{size}d 0; printf x >&2", "output=100")
            with self.subTest(size=size):
                self.assertEqual(outcome, "refused")
                self.assertIn("not authorized" if why != "too much" else why, runner.log())

    def test_floods_standard_error(self):
        runner, outcome, seconds = self.authorize(
            "head -c 1000000 /dev/zero | tr '\\0' '\\n' >&2; echo 180")
        self.assertEqual((outcome, seconds), ("done", 180))
        self.assertLess(len(runner.log()), 10_000)
        runner, outcome, _ = self.authorize("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1")
        self.assertEqual(outcome, "refused")
        event, = runner.events(message="a program refused")
        self.assertEqual(event["stderr"], "x" * 400)

    def test_few_lines_for_many_refusals(self):
        """Anybody may cause them: they are logged, but not all."""
        began = time.monotonic()
        runner, _, _ = self.authorize("echo no; exit 1", "queue=300", "deadline=60000")
        for i in range(2, 302):
            runner.ask("authorize", i)
        for i in range(2, 302):
            self.assertEqual(runner.answer(i)[0], "refused")
        logged = len(runner.events(message="a program refused"))
        self.assertGreaterEqual(logged, LINES_AT_ONCE)
        self.assertLessEqual(
            logged, LINES_AT_ONCE + LINES_A_SECOND * (time.monotonic() - began) + 1)

    def test_forged_log_line(self):
        runner, _, _ = self.authorize(
            """printf 'a\\n{"level":"error","message":"forged"}\\n\\033[2J' >&2; exit 1""")
        self.assertEqual(runner.events(message="forged"), [])
        self.assertEqual(len(runner.log().splitlines()), 1)
        self.assertNotIn("\033", runner.log())

    def test_leaves_a_daemon_behind(self):
        marker = "4242"
        out = self.writable()
        self.sh(f"(setsid sh -c '(setsid sleep {marker} &) ; sleep {marker}' >/dev/null 2>&1 &)\n"
                f"setsid sleep {marker} &\nuntil [ -e {out}/seen ]; do sleep 0.05; done; echo 180")
        runner = self.runner(f"authorize=script:{self.folder}/script", f"writable={out}",
                             "deadline=60000")
        runner.ask("authorize", 1)
        self.assertTrue(eventually(lambda: len(running(marker)) == 3), "they never ran")
        (out / "seen").touch()
        self.assertEqual(runner.answer(1)[0], "done")
        self.assertTrue(eventually(lambda: not running(marker)), "a daemon was left")
        self.assert_nothing_left(runner)

    def test_where_nobody_lists_children(self):
        """As with a kernel that does not: a script's session is ended all the same."""
        marker = "4243"
        hidden = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
        self.sh(f"sleep {marker} & exec sleep {marker}", "hangs")
        self.sh(f"sleep {marker} >/dev/null 2>&1 & echo 180", "ends")
        for script, outcome in (("hangs", "timeout"), ("ends", "done")):
            with self.subTest(script=script):
                runner = self.runner(f"authorize=script:{self.folder}/{script}", "deadline=1000",
                                     prefix=hidden)
                self.assertIn("this kernel does not list children", runner.log())
                self.assertEqual(runner.outcome("authorize"), outcome)
                self.assertTrue(eventually(lambda: not running(marker)), "something was left")

    def test_daemon_that_holds_the_output_open(self):
        runner, outcome, seconds = self.authorize("setsid sleep 999 & echo 180")
        self.assertEqual((outcome, seconds), ("done", 180))
        self.assert_nothing_left(runner)

    def test_many_daemons(self):
        runner, _, _ = self.authorize(
            "i=0; while [ $i -lt 50 ]; do (setsid sleep 999 &); i=$((i+1)); done; echo 180")
        self.assert_nothing_left(runner)

    def test_fork_bomb(self):
        runner, outcome, _ = self.authorize(
            "f() { f | f & }; f; sleep 999", "deadline=1000", "at_once=2")
        self.assertIn(outcome, ("timeout", "refused", "failed"))
        self.assertLessEqual(len(runner.programs()), 64 + 16 * 2)
        self.assertTrue(eventually(lambda: not runner.programs()), "some are left")
        self.sh("echo 180")
        self.assertTrue(eventually(
            lambda: runner.outcome("authorize", 2) == "done"), "nothing runs any more")

    def test_no_more_processes_than_may(self):
        """Counted while they are there."""
        marker, out = "4244", self.writable()
        self.python("import subprocess, time\nfor i in range(300):\n    try:\n"
                    f"        subprocess.Popen(['sleep', '{marker}'])\n    except OSError:\n"
                    f"        pass\nopen('{out}/seen', 'w').close()\ntime.sleep(999)")
        runner = self.runner(f"authorize=script:{self.folder}/script.py", f"writable={out}",
                             "deadline=20000", "at_once=2")
        runner.ask("authorize", 1)
        self.assertTrue(eventually((out / "seen").exists, 15), "it has not tried all")
        self.assertIn(len(running(marker)), range(50, 64 + 16 * 2))
        runner.close()
        self.assertTrue(eventually(lambda: not running(marker)))

    def test_nothing_is_leaked(self):
        runner, _, _ = self.authorize("(setsid sleep 999 &); echo 180; exit $(($5 % 3))")
        self.assert_nothing_left(runner)
        before = len(os.listdir(f"/proc/{runner.pid}/fd"))
        for i in range(100):
            runner.ask("authorize", 100 + i, first=i + 1)
            runner.answer(100 + i)
        self.assert_nothing_left(runner)
        self.assertTrue(eventually(lambda: len(os.listdir(f"/proc/{runner.pid}/fd")) <= before))

    def test_a_thousand_at_once(self):
        """So many run, so many wait, the others are told at once; all get one answer."""
        self.sh("sleep 0.2; echo 180")
        runner = self.runner(f"authorize=script:{self.folder}/script", "at_once=8", "queue=32",
                             "deadline=60000")
        most = 0
        for i in range(1000):
            runner.ask("authorize", i)
        outcomes = []
        for i in range(1000):
            outcomes.append(runner.answer(i)[0])
            if i % 100 == 0:
                most = max(most, len(runner.started()))
        self.assertLessEqual(most, 8)
        self.assertEqual(set(outcomes), {"done", "busy"})
        self.assertGreaterEqual(outcomes.count("done"), 32)
        self.assertEqual(runner.outcome("authorize", 2000), "done")
        self.assert_nothing_left(runner)

    def test_no_more_wait_than_may(self):
        """One runs, eight wait, whoever comes then is told at once."""
        self.sh("sleep 999")
        runner = self.runner(f"authorize=script:{self.folder}/script", "at_once=1", "queue=8",
                             "deadline=60000")
        for i in range(50):
            runner.ask("authorize", i)
        outcomes = {runner.answer(i)[0] for i in range(9, 50)}
        self.assertEqual(outcomes, {"busy"})
        self.assertEqual(runner.answers, {}, "nobody else has an answer")

    def test_unknown_devices_leave_room_for_known_ones(self):
        """However many ask for keys, a place is kept for authorizations."""
        self.sh("sleep 999", "key")
        self.sh("echo 180")
        runner = self.runner(f"key=script:{self.folder}/key", "at_once=4", "queue=32",
                             f"authorize=script:{self.folder}/script", "deadline=60000")
        for i in range(200):
            runner.ask("key", i, device(i))
        self.assertEqual(runner.outcome("authorize", 1000), "done")
        runner.close()

    def test_waits_no_longer_than_a_deadline(self):
        self.sh("sleep 999")
        runner = self.runner(f"authorize=script:{self.folder}/script", "at_once=1", "queue=8",
                             "deadline=300")
        for i in range(8):
            runner.ask("authorize", i)
        outcomes = [runner.answer(i)[0] for i in range(8)]
        # Whoever came some milliseconds later than others may have got the place of the first.
        self.assertEqual((outcomes[0], set(outcomes)), ("timeout", {"timeout", "busy"}))


class CacheTest(RunnerTest):
    def counted(self, text):
        """A script that leaves a file each time that it runs; its runs so far."""
        folder = self.writable()
        self.sh(f"echo x >>{folder}/runs; {text}")
        runner = self.runner(f"key=script:{self.folder}/script", f"writable={folder}")
        return runner, lambda: (folder / "runs").read_text().count("x")

    def test_unknown_device(self):
        runner, runs = self.counted("exit 1")
        for i in range(50):
            self.assertEqual(runner.outcome("key", i), "refused")
        self.assertEqual(runs(), 1)
        self.assertEqual(runner.outcome("key", 100, who=device(1)), "refused")
        self.assertEqual(runs(), 2)

    def test_known_device(self):
        secret = self.folder / "secret"
        subprocess.run(["openssl", "genrsa", "-out", secret, "2048"], check=True,
                       capture_output=True)
        pem = subprocess.run(["openssl", "rsa", "-in", secret, "-pubout"], check=True, text=True,
                             capture_output=True).stdout
        modulus = subprocess.run(["openssl", "rsa", "-in", secret, "-noout", "-modulus"],
                                 check=True, text=True, capture_output=True).stdout
        self.write("key.pub", pem, 0o644)
        runner, runs = self.counted("cat key.pub")
        for i in range(20):
            runner.ask("key", i)
            outcome, _, key = runner.answer(i)
            self.assertEqual(outcome, "done")
            self.assertEqual(key[:512], modulus.strip().partition("=")[2].lower())
            self.assertEqual(int(key[512:], 16), 65537)
        self.assertEqual(runs(), 1)

    def test_failure_is_not_kept(self):
        runner, runs = self.counted("kill -9 $$")
        for i in range(3):
            self.assertEqual(runner.outcome("key", i), "failed")
        self.assertEqual(runs(), 3)


class TrustTest(RunnerTest):
    """A script that others may change is not run."""

    def refused(self, path, why):
        runner = self.runner(f"authorize=script:{path}")
        self.assertEqual(runner.outcome("authorize"), "failed")
        self.assertIn(why, runner.log())

    def test_writable(self):
        for mode in (0o757, 0o775):
            self.refused(self.write("script", "#!/bin/sh\necho 180\n", mode), "lets others write it")

    def test_writable_folder(self):
        (self.folder / "sub/sub").mkdir(parents=True)
        self.sh("echo 180", "sub/sub/script")
        (self.folder / "sub").chmod(0o777)
        self.refused(self.folder / "sub/sub/script", "lets others write it")

    def writes(self, *settings, **options):
        folder = self.folder / "open"
        folder.mkdir()
        folder.chmod(0o777)
        task = "add" if options.get("role") == "privileged-runner" else "authorize"
        path = self.sh(f"echo x > {folder}/file; echo 180")
        runner = self.runner(f"{task}=script:{path}", *settings, **options)
        runner.outcome(task)
        return (folder / "file").exists()

    def test_the_user_decides_what_may_be_written(self):
        self.assertTrue(self.writes())

    def test_nothing_but_what_is_writable(self):
        (self.folder / "elsewhere").mkdir()
        self.assertFalse(self.writes(f"writable={self.folder}/elsewhere"))

    def test_root_may_write_nothing(self):
        self.assertFalse(self.writes(role="privileged-runner", user=0))

    def test_somebody_elses(self):
        os.chown(self.sh("echo 180"), USER, USER)
        self.refused(self.folder / "script", f"belongs to user {USER}; it must belong to root")

    def test_somebody_elses_folder(self):
        (self.folder / "sub").mkdir()
        self.sh("echo 180", "sub/script")
        os.chown(self.folder / "sub", USER, USER)
        self.refused(self.folder / "sub/script", f"belongs to user {USER}; it must belong to root")

    def test_link_into_a_writable_folder(self):
        (self.folder / "sub").mkdir(mode=0o777)
        (self.folder / "sub").chmod(0o777)
        self.sh("echo 180", "sub/script")
        (self.folder / "link").symlink_to("sub/script")
        self.refused(self.folder / "link", "lets others write it")

    def test_link(self):
        (self.folder / "sub").mkdir()
        self.sh("echo 180", "sub/script")
        (self.folder / "link").symlink_to("sub/script")
        runner = self.runner(f"authorize=script:{self.folder}/link")
        self.assertEqual(runner.outcome("authorize"), "done")

    def test_folder(self):
        self.refused(self.folder, "not a regular file")

    def test_becomes_writable(self):
        path = self.sh("echo 180")
        runner = self.runner(f"authorize=script:{path}")
        self.assertEqual(runner.outcome("authorize", 1), "done")
        path.chmod(0o777)
        self.assertEqual(runner.outcome("authorize", 2), "failed")


LOOK = """
import ctypes, json, os, resource, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(call, *args):
    return getattr(libc, call)(*args) and ctypes.get_errno()
def write(path):
    try:
        open(path, "w").close()
        return 0
    except OSError as e:
        return e.errno
def kill(pid):
    try:
        os.kill(pid, 0)
        return 0
    except OSError as e:
        return e.errno
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
out = dict(argv=sys.argv, folder=os.getcwd(), environment=dict(os.environ),
    open=[int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")],
    stdin=os.readlink("/proc/self/fd/0"), session=os.getsid(0) == os.getpid(),
    groups=os.getgroups(), user=os.getresuid(), core=resource.getrlimit(resource.RLIMIT_CORE),
    files=resource.getrlimit(resource.RLIMIT_NOFILE), processor=resource.getrlimit(resource.RLIMIT_CPU),
    processes=resource.getrlimit(resource.RLIMIT_NPROC), written=resource.getrlimit(resource.RLIMIT_FSIZE),
    capabilities={k: int(status[k], 16) for k in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")},
    ignored=int(status["SigIgn"], 16), blocked=int(status["SigBlk"], 16),
    no_new=status["NoNewPrivs"].strip(), seccomp=status["Seccomp"].strip(),
    unshare=attempt("unshare", 0x10000000), mount=attempt("mount", 0, 0, 0, 0, 0),
    ptrace=attempt("ptrace", 16, os.getppid(), 0, 0), kill=kill(os.getppid()),
    tmp=write(os.path.dirname(sys.argv[0]) + ".outside"), null=write("/dev/null"),
    beside=write(sys.argv[0] + ".new"))
json.dump(out, open(os.path.join(os.path.dirname(sys.argv[0]), "writable/seen"), "w"))
print(180)
"""
NET_ADMIN_AND_RAW = 1 << 12 | 1 << 13


class SurroundingsTest(RunnerTest):
    """What a program sees and may do."""

    def seen(self, role, task, user=USER):
        folder = self.writable()
        self.addCleanup(Path(f"{self.folder}.outside").unlink, missing_ok=True)
        self.python(LOOK)
        runner = self.runner(f"{task}=script:{self.folder}/script.py", f"writable={folder}",
                             role=role, user=user)
        self.assertEqual(runner.outcome(task), "done", runner.log())
        return runner, json.loads((folder / "seen").read_text())

    def assert_small(self, seen):
        self.assertEqual(seen["folder"], str(self.folder))
        ours, _, path = seen["environment"].pop("PATH").partition(":")
        self.assertTrue(ours.endswith("/postern/programs"), ours)
        self.assertEqual(path, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        self.assertEqual(seen["environment"], {"LANG": "C",
                         **{k: v for k, v in seen["environment"].items() if k == "LC_CTYPE"}})
        self.assertEqual(seen["open"], [0, 1, 2])
        self.assertEqual(seen["stdin"], "/dev/null")
        self.assertTrue(seen["session"])
        self.assertEqual(seen["core"], [0, 0])
        # Python's own, PIPE and XFSZ, and the C library's, 32 and 33, which nobody can set.
        self.assertEqual(seen["ignored"] & ~(1 << 12 | 1 << 24 | 3 << 31), 0)
        self.assertEqual(seen["blocked"], 0)
        self.assertEqual((seen["no_new"], seen["seccomp"]), ("1", "2"))
        for what in ("unshare", "mount", "ptrace"):
            self.assertEqual(seen[what], 1, what)
        for what in ("tmp", "beside"):
            self.assertEqual(seen[what], 13, what)
        self.assertEqual(seen["null"], 0)
        for limit, most in (("files", 256), ("processor", 6), ("processes", 128),
                            ("written", 16 << 20)):
            self.assertEqual(seen[limit], [most, most], limit)

    def test_runner(self):
        runner, seen = self.seen("runner", "authorize")
        self.assert_small(seen)
        self.assertEqual(set(seen["capabilities"].values()), {0})
        self.assertEqual(seen["user"], [USER] * 3)
        self.assertEqual(seen["groups"], [])
        self.assertEqual(runner.close(), 0)

    def test_privileged_runner(self):
        _, seen = self.seen("privileged-runner", "add")
        self.assert_small(seen)
        self.assertEqual(set(seen["capabilities"].values()), {NET_ADMIN_AND_RAW})
        self.assertEqual(seen["user"], [USER] * 3)

    def test_privileged_runner_as_root(self):
        folder = self.folder / "writable"
        _, seen = self.seen_as_root(folder)
        self.assert_small(seen)
        for name in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(seen["capabilities"][name], NET_ADMIN_AND_RAW)
        self.assertEqual(seen["user"], [0] * 3)
        self.assertEqual(seen["groups"], [])

    def seen_as_root(self, folder):
        folder.mkdir()
        self.python(LOOK)
        runner = self.runner(f"add=script:{self.folder}/script.py", f"writable={folder}",
                             role="privileged-runner", user=0)
        self.assertEqual(runner.outcome("add"), "done", runner.log())
        return runner, json.loads((folder / "seen").read_text())

    def test_signals_stay_inside(self):
        """Where Landlock can do it: the program has the runner's user, but may not end it."""
        _, seen = self.seen("runner", "authorize")
        if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 12):
            self.skipTest("this kernel's Landlock has no scope for signals")
        self.assertEqual(seen["kill"], 1)

    def test_nobody_else_of_the_same_user_is_ended(self):
        """No filter stands before that: only Landlock, where it can do it."""
        if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 12):
            self.skipTest("this kernel's Landlock has no scope for signals")
        other = subprocess.Popen(["sleep", "60"], user=USER)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.python(f"import os\ntry:\n    os.kill({other.pid}, 9)\n"
                    "except PermissionError:\n    print(60)")
        runner = self.runner(f"authorize=script:{self.folder}/script.py")
        self.assertEqual(runner.outcome("authorize"), "done", runner.log())
        self.assertIsNone(other.poll())

    def test_the_runner_is_never_root(self):
        runner = Runner(self.folder / "log", f"authorize=script:{self.sh('echo 180')}", user=0)
        self.assertNotEqual(runner.first, "ready")
        runner.close()

    def test_arguments_of_each_task(self):
        folder = self.writable()
        self.sh(f'echo "$@" >{folder}/seen; exit 1')
        wanted = {
            "key": f"GET_USER_PUBLIC_KEY {ALICE}",
            "authorize": f"{ALICE} 2001:db8::7 127.0.0.1 UDP 8000 8010 1795206947 RSA_SHA256 1",
            "add": f"{ALICE} ipv6 2001:db8::7 ipv4 127.0.0.1 UDP 8000 8010 1 180",
            "remove": f"{ALICE} ipv6 2001:db8::7 ipv4 127.0.0.1 UDP 8000 8010 1 180"}
        for task, words in wanted.items():
            runner = self.runner(f"{task}=script:{self.folder}/script", f"writable={folder}",
                                 role="privileged-runner" if task in ("add", "remove") else "runner")
            with self.subTest(task=task):
                runner.outcome(task, protocol=17, first=8000, last=8010, nat=1,
                               client="2001:db8::7")
                self.assertEqual((folder / "seen").read_text().strip(), words)


class EndTest(RunnerTest):
    def started(self, *settings):
        marker = "4343"
        self.sh(f"(setsid sleep {marker} &)\nexec sleep {marker}")
        self.sh(f"exec sleep {marker}", "helper")
        runner = self.runner(f"authorize=script:{self.folder}/script", "deadline=60000",
                             f"key=helper:{self.folder}/helper", *settings)
        runner.ask("authorize", 1)
        self.assertTrue(eventually(lambda: len(running(marker)) == 3))
        return runner, marker

    def test_main_closes(self):
        runner, marker = self.started()
        self.assertEqual(runner.close(), 0)
        self.assertTrue(eventually(lambda: not running(marker)))

    def test_runner_is_killed(self):
        """What it has started itself goes with it; what that has left behind does not."""
        runner, marker = self.started()
        own = runner.started()
        orphan = [p for p in running(marker) if os.getsid(p) == p and p in own]
        self.assertTrue(orphan)
        os.kill(runner.pid, signal.SIGKILL)
        self.assertTrue(eventually(lambda: len(running(marker)) <= 1))
        for pid in running(marker):
            os.kill(pid, signal.SIGKILL)
