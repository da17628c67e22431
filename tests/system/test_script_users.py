"""Programs for keys and programs for rules, as users of their own: they cannot reach each other, nor
the process that runs the others, also where the kernel knows no scopes of signals (before 6.12)."""

import json
import os
import platform
import unittest

from daemon import program
from netns import eventually
from programs_world import ProgramsTest
from spa_world import PORT

KEYS, RULES = "games", "lp"  # nobody else's: one of them has no process to spare
NO, ALL = {1, 13}, {0}  # EPERM, EACCES

# Both helpers: at the first question, tries all it knows on the other one, and on who runs that where
# it is not who runs this one.
ATTACKER = """
import ctypes, fcntl, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
me = os.path.basename(sys.argv[0]).removesuffix(".py")
def call(number, *arguments):
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return ctypes.get_errno() if libc.syscall(ctypes.c_long(number), *arguments) == -1 else 0
def tried(what, *arguments):
    try:
        what(*arguments)
        return 0
    except OSError as e:
        return e.errno
def put(path, text):
    with open(path, "w") as f:
        f.write(text)
def leased(path):
    fd = os.open(path, os.O_RDONLY)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
def own(path):
    with open(path) as f:
        return f.read()
def locked(path):
    with open(path) as f:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
def parent(pid):
    return int(own(f"/proc/{pid}/stat").rpartition(")")[2].split()[1])
def other_runner():
    for name in os.listdir("/proc"):
        try:
            ours = name.isdigit() and parent(name) == parent(os.getppid())
            if ours and int(name) != os.getppid() and own(f"/proc/{name}/comm") == "postern-runner\\n":
                yield int(name)
        except OSError:
            pass
def on_process(pid):
    info = (ctypes.c_int * 32)(0, 0, -1)
    words = (ctypes.c_ulong * 4)()
    proc = f"/proc/{pid}/"
    return dict(
        kill=call(62, pid, 0), tkill=call(200, pid, 0), tgkill=call(234, pid, pid, 0),
        queue=call(129, pid, 0, info), thread_queue=call(297, pid, pid, 0, info),
        group=call(62, -os.getpgid(pid), 0), pidfd=call(424, os.pidfd_open(pid), 0, None, 0),
        trace=call(101, 16, pid, 0, 0), write=call(311, pid, words, 1, words, 1, 0),
        descriptor=call(438, os.pidfd_open(pid), 0, 0), limit=call(302, pid, 7, words, None),
        compare=call(312, pid, os.getpid(), 1, 0, 0), robust=call(274, pid, words, words),
        memory=tried(open, proc + "mem", "r+b"), environment=tried(open, proc + "environ"),
        descriptors=tried(os.listdir, proc + "fd"), folder=tried(os.readlink, proc + "cwd"),
        first_to_go=tried(put, proc + "oom_score_adj", "1000"),
        dumps=tried(put, proc + "coredump_filter", "0"))
def on_file(path):
    return dict(read=tried(own, path), write=tried(put, path, "changed"), lock=tried(locked, path),
                lease=tried(leased, path), mode=tried(os.chmod, path, 0o666))
def attack():
    other, = (name for name in BOTH if name != me)
    pid = int(os.readlink(f"{OUT}/pid.{other}"))
    found = dict(program=on_process(pid), file=on_file(f"{OUT}/file.{other}"))
    for runner in other_runner():
        found["runner"] = on_process(runner)
    return found
os.umask(0o077)
put(f"{OUT}/file.{me}", "own")
os.symlink(str(os.getpid()), f"{OUT}/pid.{me}")
seen = False
for line in sys.stdin:
    if not seen:
        seen = True
        put(f"{OUT}/seen.{me}", json.dumps(attack()))
    question = json.loads(line)
    answer = dict(id=question["id"], ok=True)
    if question["task"] == "authorization":
        answer["duration"] = 60
    if question["task"] == "publicKey":
        answer["publicKey"] = KEY
    print(json.dumps(answer), flush=True)
"""

# Who asks for much fills the user's processes, until it has seen a rule being shut or is killed.
FULL = """#!/usr/bin/python3 -S
import os, sys, time
if sys.argv[1] == BOMBER:
    children = []
    try:
        while True:
            pid = os.fork()
            if pid == 0:
                time.sleep(60)
            children.append(pid)
    except BlockingIOError:
        pass
    open(OUT + "/full", "w").close()
    while not os.path.exists(OUT + "/shut"):
        time.sleep(0.01)
    open(OUT + "/seen", "w").write(str(len(children)))
print(1)
"""


class ScriptUsersTest(ProgramsTest):
    def configured(self, scripts, **settings):
        """Without script_writable, which shuts programs off by Landlock."""
        configuration = super().configured(scripts, **settings)
        del configuration["openspa"]["script_writable"]
        return configuration

    def start_unscoped(self, daemon):
        os.environ["LD_PRELOAD"] = str(program("tests/system/unscoped.so"))
        try:
            daemon.start()
        finally:
            del os.environ["LD_PRELOAD"]

    def serve_helpers(self, other, **users):
        """What the helper for authorization and the other one saw."""
        daemon = self.make({"authorization": ""}, **users)
        names = "authorization", other
        text = daemon.file.read_text().replace("extension_scripts:", "helpers:")
        daemon.configure(text.replace("authorization: authorization.sh",
                                      "\n    ".join(f"{name}: {name}.py" for name in names)))
        for name in names:
            self.put(daemon.folder / f"{name}.py",
                     f"#!/usr/bin/python3 -S\nOUT, BOTH = {str(self.out('.'))!r}, {names}\n"
                     f"KEY = {self.phone.key.public_pem()!r}\n{ATTACKER}", 0o755)
        self.start_unscoped(daemon)
        self.assertTrue(eventually(lambda: all(self.out(f"pid.{name}").is_symlink() for name in names)))
        self.assertEqual(self.granted_for(self.request())[-1], 60)
        return {name: json.loads(self.out(f"seen.{name}").read_text()) for name in names}

    def assert_each(self, found, wanted, *names):
        self.assertEqual({name: error for name, error in found.items()
                          if (not names or name in names) and error not in wanted}, {})

    @unittest.skipUnless(platform.machine() == "x86_64", "numbers of x86-64")
    def test_two_users_do_not_reach_each_other(self):
        seen = self.serve_helpers("firewall", script_user=KEYS, script_rule_user=RULES)
        for who, found in seen.items():
            for what in ("runner", "program", "file"):
                with self.subTest(who=who, what=what):
                    self.assert_each(found[what], NO)

    @unittest.skipUnless(platform.machine() == "x86_64", "numbers of x86-64")
    def test_what_one_user_reaches(self):
        """As the manual says; or the refusals would have another reason."""
        seen = self.serve_helpers("user_directory_service", script_user=KEYS)
        signals = ("kill", "tkill", "tgkill", "queue", "thread_queue")
        for who, found in seen.items():
            with self.subTest(who=who):
                self.assertEqual(set(found), {"program", "file"})
                self.assert_each(found["program"], ALL, *signals, "first_to_go")
                self.assert_each(found["file"], ALL)

    def serve_full(self, **users):
        daemon = self.make({"authorization": "", "rule_add": "exit 0",
                            "rule_remove": "/bin/true && >$OUT/shut"}, script_deadline="60s",
                           **users)
        self.put(daemon.folder / "authorization.sh", FULL.replace(
            "BOMBER", repr(str(self.laptop.uuid))).replace("OUT", repr(str(self.out(".")))), 0o755)
        daemon.start()
        self.assertEqual(self.granted_for(self.request())[-1], 1)
        self.client.send(self.request(self.laptop), self.address(4), PORT)
        self.assertTrue(eventually(self.out("full").exists))

    def test_processes_of_one_do_not_count_for_the_other(self):
        self.serve_full(script_user=KEYS, script_rule_user=RULES)
        self.assertTrue(eventually(lambda: self.out("seen").exists() and self.out("seen").read_text()),
                        "rule_remove could not start a process")
        self.assertGreater(int(self.out("seen").read_text()), 50)
