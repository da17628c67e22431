"""The command line tool under test, in a room of its own."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from daemon import program
from netns import PATIENCE

FAILED, USAGE, CLOSED, NO_ANSWER, PERMISSION, CONFIG = 1, 2, 3, 4, 77, 78
UNPRIVILEGED = 12345
HOST = "gate.example.org"


class ToolTest(unittest.TestCase):
    def setUp(self):
        room = tempfile.TemporaryDirectory(prefix="postern-tool-")
        self.addCleanup(room.cleanup)
        self.room = Path(room.name)
        self.config = self.room / "server/config.yaml"
        self.control = self.room / "control"

    def tool(self, *words, code=0, **more):
        """Standard output of the tool, which must exit with `code`."""
        done = self.run_tool(*words, **more)
        self.assertEqual(done.returncode, code, done.stderr)
        if code not in (0, CLOSED):
            self.assertRegex(done.stderr, r"(?m)^postern( [\w-]+)*: ")
        return done.stdout

    def run_tool(self, *words, user=None, environment=None, **more):
        more.setdefault("stdout", subprocess.PIPE)
        if "input" not in more:
            more.setdefault("stdin", subprocess.DEVNULL)
        before = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        return subprocess.run(
            [*before, program("postern"), "--config", self.config, "--control", self.control,
             "--client-config", self.room / "client.yaml", *map(str, words)],
            text=True, stderr=subprocess.PIPE, timeout=PATIENCE,
            env={**os.environ, **(environment or {})}, **more)

    def init(self, *words):
        return self.tool("init", "--server", HOST, *words)

    def server_files(self):
        return {p: p.read_bytes() for p in self.room.rglob("*") if p.is_file()}
