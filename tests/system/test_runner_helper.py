"""Helpers that stay: good ones, bad ones, and the examples."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from netns import Namespace, eventually, sweep
from runner import ALICE, USER, RunnerTest, device

EXAMPLES = Path(__file__).parents[2] / "pkg/examples/scripts"
GOOD = """
import json, sys, os
for line in sys.stdin:
    q = json.loads(line)
    print(json.dumps({"id": q["id"], "ok": True, "duration": q.get("firstPort", 1)}), flush=True)
"""


class HelperTest(RunnerTest):
    def helper(self, text, *settings, task="authorize", **options):
        self.python(text, "helper.py")
        return self.runner(f"{task}=helper:{self.folder}/helper.py", *settings, **options)

    @staticmethod
    def restarts(runner):
        return sum(len(runner.events(message=m)) for m in
                   ("a helper ended", "a helper is restarted", "a program failed"))

    def test_answers(self):
        runner = self.helper(GOOD)
        for i in range(1, 200):
            runner.ask("authorize", i, first=i)
            self.assertEqual(runner.answer(i)[:2], ["done", str(i)])
        self.assertEqual(len(runner.programs()), 1)
        self.assertEqual(runner.close(), 0)
        self.assertEqual(runner.log(), "")

    def test_many_wait(self):
        runner = self.helper(GOOD, "queue=64")
        for i in range(50):
            runner.ask("authorize", i)
        self.assertEqual({runner.answer(i)[0] for i in range(50)}, {"done"})

    def test_garbage(self):
        """One that answers anything else is killed and started again."""
        for reply in ('garbage', '{}', '', '{"id":99,"ok":true,"duration":5}', '180',
                      '{"id":%d,"ok":true,"duration":5}\\n{"id":%d,"ok":true,"duration":5}',
                      '{"id":%d,"ok":true,"duration":5,"more":[]}'):
            with self.subTest(reply=reply):
                runner = self.helper(f"""
import json, sys
for line in sys.stdin:
    q = json.loads(line)
    reply = '{reply}'
    if q["firstPort"] == 1:
        print(reply.replace("%d", str(q["id"])), flush=True)
    else:
        print('{{"id":%d,"ok":true,"duration":7}}' % q["id"], flush=True)
""")
                self.assertEqual(runner.outcome("authorize", 3), "done")
                first = runner.programs()
                self.assertEqual(runner.outcome("authorize", 1, first=1), "failed")
                self.assertEqual(runner.outcome("authorize", 2), "done")
                self.assertNotEqual(runner.programs(), first)
                runner.close()

    def test_no(self):
        runner = self.helper("""
import json, sys
for line in sys.stdin:
    print('{"id":%d,"ok":false}' % json.loads(line)["id"], flush=True)
""")
        self.assertEqual(runner.outcome("authorize", 1), "refused")
        first = runner.programs()
        self.assertEqual(runner.outcome("authorize", 2), "refused")
        self.assertEqual(runner.programs(), first)

    def test_late(self):
        runner = self.helper("""
import json, sys, time
for line in sys.stdin:
    q = json.loads(line)
    time.sleep(999 if q["firstPort"] == 1 else 0)
    print('{"id":%d,"ok":true,"duration":7}' % q["id"], flush=True)
""", "deadline=5000")
        self.assertEqual(runner.outcome("authorize", 1, first=1), "timeout")
        self.assertEqual(runner.outcome("authorize", 2), "done")
        self.assertTrue(eventually(lambda: len(runner.programs()) == 1))

    def test_crashes(self):
        runner = self.helper("""
import json, os, sys
for line in sys.stdin:
    q = json.loads(line)
    if q["firstPort"] == 1:
        os.kill(os.getpid(), 9)
    print('{"id":%d,"ok":true,"duration":7}' % q["id"], flush=True)
""")
        for i in range(3):
            self.assertEqual(runner.outcome("authorize", 2 * i, first=1), "failed")
            self.assertEqual(runner.outcome("authorize", 2 * i + 1), "done")

    def test_killed_while_idle(self):
        runner = self.helper(GOOD)
        self.assertEqual(runner.outcome("authorize", 1), "done")
        os.kill(runner.programs()[0], 9)
        self.assertTrue(eventually(lambda: self.restarts(runner) == 1))
        self.assertEqual(runner.outcome("authorize", 2), "done")
        self.assertEqual(self.restarts(runner), 1)

    def test_never_starts(self):
        """Tried again and again, but ever more seldom."""
        runner = self.helper("import sys; sys.exit(1)", "deadline=1200")
        outcomes = [runner.outcome("authorize", i) for i in range(8)]
        self.assertEqual(set(outcomes), {"failed", "busy"})  # busy: a pause above the deadline

    def test_missing(self):
        runner = self.runner(f"authorize=helper:{self.folder}/none", "deadline=500")
        self.assertEqual(runner.outcome("authorize"), "busy")
        self.assertIn("a helper was not started", runner.log())

    def test_speaks_unasked(self):
        runner = self.helper(GOOD.replace("for line", "print('hello', flush=True)\nfor line"),
                             "deadline=700")
        self.assertIn(runner.outcome("authorize"), ("busy", "failed"))
        self.assertTrue(eventually(lambda: "without being asked" in runner.log()
                                   or "something else" in runner.log()))

    def test_speaks_and_nobody_asks(self):
        """It is not kept for the next question."""
        runner = self.helper(GOOD.replace("for line", "print('hello', flush=True)\nfor line"))
        self.assertTrue(eventually(lambda: runner.events(
            message="a helper is restarted", why="it spoke without being asked")))

    def test_questions_cannot_be_guessed(self):
        folder = self.writable()
        runner = self.helper(GOOD.replace("    print", f"""
    open("{folder}/ids", "a").write(str(q["id"]) + "\\n")
    print""", 1), f"writable={folder}")
        for i in range(1, 30):
            self.assertEqual(runner.outcome("authorize", i), "done")
        ids = [int(line) for line in (folder / "ids").read_text().split()]
        self.assertEqual(len(set(ids)), 29)
        self.assertGreater(len({i >> 16 for i in ids}), 20)

    def test_speaks_before_it_is_asked(self):
        """The beginning of an answer is no answer, either; whether the runner has read it or not."""
        for stopped in (False, True):
            folder = self.folder / "writable"
            shutil.rmtree(folder, ignore_errors=True)
            folder = self.writable()
            with self.subTest(stopped=stopped):
                runner = self.helper(GOOD.replace("for line", f"""
while not os.path.exists("{folder}/go") and not os.path.exists("{folder}/said"):
    pass
if not os.path.exists("{folder}/said"):
    print(" ", end="", flush=True)
    open("{folder}/said", "w")
for line"""), f"writable={folder}")
                self.assertTrue(eventually(runner.programs))
                if stopped:
                    os.kill(runner.pid, signal.SIGSTOP)
                    runner.ask("authorize", 1)
                    time.sleep(0.3)
                (folder / "go").touch()
                self.assertTrue(eventually((folder / "said").exists))
                if stopped:
                    os.kill(runner.pid, signal.SIGCONT)
                else:
                    time.sleep(0.3)
                    runner.ask("authorize", 1)
                self.assertEqual(runner.answer(1)[0], "failed")
                self.assertIn("it spoke without being asked", runner.log())
                self.assertEqual(runner.outcome("authorize", 2), "done")

    def test_floods_standard_error(self):
        runner = self.helper("import os\nwhile True: os.write(2, b'x' * 4096)")
        self.assertTrue(eventually(lambda: runner.events(
            message="a helper is restarted", why="it floods its standard error")))
        self.assertLess(len(runner.log()), 100_000)

    def test_says_much_and_answers(self):
        runner = self.helper(GOOD.replace("    print", "    sys.stderr.write('x' * 9000)\n    print"))
        for i in range(1, 20):
            self.assertEqual(runner.outcome("authorize", i), "done")
        self.assertEqual(self.restarts(runner), 0)

    def test_floods(self):
        runner = self.helper("""
import sys
for line in sys.stdin:
    while True:
        print("x" * 1000, end="", flush=True)
""", "output=4096")
        self.assertEqual(runner.outcome("authorize"), "refused")
        self.assertIn("it printed too much", runner.log())

    def test_closes_its_output(self):
        runner = self.helper("import os, time; os.close(1); time.sleep(999)", "deadline=700")
        self.assertIn(runner.outcome("authorize"), ("busy", "failed"))

    def test_does_not_read(self):
        runner = self.helper("import time; time.sleep(999)", "deadline=400")
        self.assertEqual(runner.outcome("authorize"), "timeout")

    def test_its_words_are_logged(self):
        runner = self.helper(GOOD.replace(
            "for line", "print('here I am\\n\\033', file=sys.stderr, flush=True)\nfor line"))
        self.assertEqual(runner.outcome("authorize"), "done")
        self.assertTrue(eventually(lambda: runner.events(message="a helper says")))
        self.assertNotIn("\033", runner.log())

    def test_shared(self):
        """Tasks with one helper have one process of it."""
        self.python(GOOD, "helper.py")
        runner = self.runner(f"add=helper:{self.folder}/helper.py",
                             f"remove=helper:{self.folder}/helper.py", role="privileged-runner")
        self.assertEqual(runner.outcome("add", 1), "done")
        self.assertEqual(runner.outcome("remove", 2), "done")
        self.assertEqual(len(runner.programs()), 1)


class ExampleTest(RunnerTest):
    """Every file of pkg/examples/scripts, as it is."""

    def setUp(self):
        super().setUp()
        sweep()
        self.scripts = self.folder / "scripts"
        shutil.copytree(EXAMPLES, self.scripts)
        for path in [self.scripts, *self.scripts.iterdir()]:
            os.chown(path, 0, 0)
            path.chmod(0o755)
        keys = self.scripts / "keys"
        keys.mkdir()
        secret = self.folder / "secret"
        subprocess.run(["openssl", "genrsa", "-out", secret, "2048"], check=True,
                       capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", secret, "-pubout", "-out", keys / f"{ALICE}.pub"],
                       check=True, capture_output=True)

    def test_all_are_here(self):
        names = {path.name for path in EXAMPLES.iterdir()}
        self.assertEqual(names, {
            "gate.nft", "server-start.sh", "server-stop.sh",
            *(f"{kind}.{language}" for language in ("sh", "py") for kind in (
                "user-directory", "authorization", "rule-add", "rule-remove", "helper"))})

    def check_keys(self, program):
        runner = self.runner(f"key={program}")
        runner.ask("key", 1)
        outcome, _, key = runner.answer(1)
        self.assertEqual(outcome, "done", runner.log())
        self.assertEqual(int(key[512:], 16), 65537)
        self.assertEqual(runner.outcome("key", 2, who=device(1)), "refused")

    def check_authorization(self, program):
        runner = self.runner(f"authorize={program}")
        for ticket, (protocol, port, seconds) in enumerate((
                (6, 22, "180"), (1, 0, "60"), (58, 0, "60"), (6, 23, "0"), (17, 22, "0"))):
            runner.ask("authorize", ticket, device(5), protocol, port, port)
            with self.subTest(program=program, protocol=protocol, port=port):
                self.assertEqual(runner.answer(ticket)[:2],
                                 ["done" if seconds != "0" else "refused", seconds])

    def test_user_directories(self):
        for name in ("script:{}/user-directory.sh", "script:{}/user-directory.py",
                     "helper:{}/helper.py"):
            with self.subTest(name=name):
                self.check_keys(name.format(self.scripts))

    def test_authorizations(self):
        for name in ("script:{}/authorization.sh", "script:{}/authorization.py",
                     "helper:{}/helper.sh", "helper:{}/helper.py"):
            self.check_authorization(name.format(self.scripts))

    def rules(self, space):
        """What is open, as comments."""
        text = space.run("nft", "--json", "list", "chain", "inet", "openspa", "granted")
        return [item["rule"]["comment"] for item in json.loads(text)["nftables"] if "rule" in item]

    def check_rules(self, space, add, remove):
        runner = self.runner(f"add={add}", f"remove={remove}", role="privileged-runner",
                             prefix=("ip", "netns", "exec", space.name))
        cases = (dict(first=22, last=22), dict(protocol=17, first=8000, last=8010),
                 dict(first=8005, last=8020), dict(client="2001:db8::7"),
                 dict(protocol=1, first=0, last=0), dict(protocol=4, first=0, last=0),
                 dict(protocol=58, first=0, last=0, client="2001:db8::7"), dict(who=device(7)))
        for ticket, fields in enumerate(cases):
            with self.subTest(add=add, fields=fields):
                self.assertEqual(runner.outcome("add", ticket, **fields), "done", runner.log())
        every = self.rules(space)
        self.assertEqual(len(set(every)), len(cases))
        for ticket, fields in enumerate(cases):
            with self.subTest(remove=remove, fields=fields):
                for again in range(2):  # the second finds nothing
                    self.assertEqual(runner.outcome("remove", 100 + 2 * ticket + again, **fields),
                                     "done", runner.log())
                    self.assertEqual(self.rules(space), every[ticket + 1:])

    def test_rules(self):
        space = Namespace("rules")
        self.addCleanup(space.close)
        space.run("nft", "-f", EXAMPLES / "gate.nft")
        for add, remove in (("script:{}/rule-add.sh", "script:{}/rule-remove.sh"),
                            ("script:{}/rule-add.py", "script:{}/rule-remove.py"),
                            ("helper:{}/helper.py", "helper:{}/helper.py")):
            self.check_rules(space, add.format(self.scripts), remove.format(self.scripts))

    def test_rules_without_the_gate(self):
        """A rule that could not be made is said to have failed."""
        space = Namespace("bare")
        self.addCleanup(space.close)
        for program in ("script:{}/rule-add.sh", "script:{}/rule-add.py", "helper:{}/helper.py"):
            runner = self.runner(f"add={program.format(self.scripts)}", role="privileged-runner",
                                 prefix=("ip", "netns", "exec", space.name))
            self.assertEqual(runner.outcome("add"), "refused")
