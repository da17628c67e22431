"""A doorman that has been taken over tells main of strangers: see rogue_stranger.c."""

import json
import shutil
import tempfile
from pathlib import Path

import openme
from daemon import Daemon, program
from netns import PATIENCE, eventually
from world import WorldTest

LINES_MOST = 30 + 20  # of one verdict, in a burst and while the test lasts
TOLD = 20000          # FLOOD


class RogueStrangerTest(WorldTest):
    def start_rogue(self):
        programs = Path(tempfile.mkdtemp(dir=self.folder))
        for name in ("posternd", "postern-keeper", "postern-desk"):
            shutil.copy(program(name), programs / name)
        shutil.copy(program("tests/system/rogue_stranger"), programs / "postern-doorman")
        self.daemon = Daemon(self.server, Path(tempfile.mkdtemp(dir=self.folder)),
                             self.configuration())
        command = self.daemon.command
        self.daemon.command = lambda *more: [programs / "posternd", *command(*more)[1:]]
        self.daemon.start()

    def turn(self, how):
        word = how.encode().ljust(12, b"\0")
        self.knock(tag=lambda *_: word)
        self.assertTrue(eventually(lambda: self.daemon.events(message="rogue doorman", how=how)))

    def entries(self, name):
        path = self.daemon.state / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def test_what_no_doorman_says(self):
        """The daemon ends: somebody has taken it over. Nothing of it is kept."""
        for how in ("granted", "revoked", "protocol", "ahead", "audit"):
            with self.subTest(how=how):
                self.start_rogue()
                self.turn(how)
                self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
                self.assertTrue(eventually(self.daemon.has_written))
                self.assertEqual(self.entries("strangers.log"), [])
                self.assertLessEqual({e["event"] for e in self.entries("audit.log")},
                                     {"start", "stop"})

    def test_a_flood(self):
        """Main has limits of its own, counts what is over them, and does its work."""
        self.start_rogue()
        self.turn("flood")
        self.daemon.reload()
        self.assertTrue(eventually(lambda: self.daemon.events(message="rogue doorman is done")))
        self.assertTrue(eventually(lambda: "config" in
                                   [e["event"] for e in self.entries("audit.log")]))
        self.assertEqual(self.daemon.stop(), 0)
        strangers = self.entries("strangers.log")
        lines = [e for e in strangers if e["event"] == "stranger"]
        self.assertLessEqual(len(lines), LINES_MOST)
        self.assertGreater(len(lines), 0)
        self.assertEqual({e["event"] for e in strangers}, {"stranger", "left-out"})
        self.assertEqual(len(lines) + sum(e["count"] for e in strangers
                                          if e["event"] == "left-out"), TOLD)
        self.assertNotIn("left-out", [e["event"] for e in self.entries("audit.log")])
