"""What runs the tests: a module that hangs has failed, and leaves nothing behind."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from netns import PATIENCE, eventually, run

SYSTEM = Path(__file__).parent
HANGS = '''
import subprocess, tempfile, threading, unittest
from netns import Namespace

TIME_LIMIT = 15

class Test(unittest.TestCase):
    def test_1(self):
        pass

    def test_2(self):
        self.space = Namespace("hang")
        self.space.popen("sleep", "300")
        outside = subprocess.Popen(["setsid", "sleep", "300"])
        folder = tempfile.mkdtemp()
        open("seen", "w").write(f"{outside.pid} {folder}")
        self.waits_for_ever()

    def waits_for_ever(self):
        threading.Event().wait()
'''
ORDER = '''
import unittest

class A(unittest.TestCase):
    pass

class B(unittest.TestCase):
    pass

for i in range(9):
    setattr(A, f"test_{i}", lambda self: None)
    setattr(B, f"test_{i}", lambda self: None)
'''


class ModuleTest(unittest.TestCase):
    def setUp(self):
        room = tempfile.TemporaryDirectory(prefix="postern-module-")
        self.addCleanup(room.cleanup)
        self.room = Path(room.name)

    def run_module(self, text, **environment):
        """Exit status and what was printed of a module with this text, and the runner's pid."""
        (self.room / "some_module.py").write_text(text)
        search = f"{self.room}:{SYSTEM}"
        runner = subprocess.Popen(
            [sys.executable, "-B", SYSTEM / "module.py", "some_module"], cwd=self.room, text=True,
            env={**os.environ, "PYTHONPATH": search, "POSTERN_SHUFFLE": "", **environment},
            stdout=subprocess.PIPE)
        output, _ = runner.communicate(timeout=PATIENCE)
        return runner.returncode, output, runner.pid

    def test_one_that_hangs(self):
        code, output, pid = self.run_module(HANGS)
        self.assertEqual(code, 1)
        self.assertRegex(output, r"(?m)^ok +some_module.Test.test_1")
        self.assertRegex(output, r"(?m)^FAILED +some_module: not done after 15 s, in "
                                 r"some_module.Test.test_2$")
        self.assertIn("in waits_for_ever", output)
        self.assertRegex(output, r"(?m)^tally 1 1 0$")
        outside, folder = (self.room / "seen").read_text().split()
        self.assertTrue(eventually(lambda: not Path(f"/proc/{outside}").exists()))
        self.assertFalse(Path(folder).exists())
        self.assertNotIn(f"-{pid}-", run("ip", "netns", "list"))

    def test_in_another_order(self):
        def order(seed):
            code, output, _ = self.run_module(ORDER, POSTERN_SHUFFLE=seed)
            self.assertEqual(code, 0)
            self.assertIn("tally 18 0 0", output)
            return [line.split()[1] for line in output.splitlines() if line.startswith("ok")]
        once, again, other = order("1"), order("1"), order("2")
        self.assertEqual(once, again)
        self.assertNotEqual(once, other)
        self.assertEqual(sorted(once), sorted(other))
        classes = [name.split(".")[1] for name in once]
        self.assertEqual(sum(a != b for a, b in zip(classes, classes[1:])), 1, "torn apart")
