"""The executables that posternd starts: found, checked, of the same build, shown by their names."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from daemon import BUILD, Daemon
from netns import PATIENCE
from world import WorldTest

ROLES = ("doorman", "keeper", "desk")
PROGRAMS = ("posternd", *(f"postern-{role}" for role in ROLES), "postern-runner")


class ExecutablesTest(WorldTest):
    def setUp(self):
        super().setUp()
        self.programs = self.folder / f"programs-{self.id().rpartition('.')[2]}"
        self.programs.mkdir()
        for name in (*PROGRAMS, "postern-guard"):
            shutil.copy(BUILD / name, self.programs / name)
        self.daemon = Daemon(self.server, self.folder / self.id().rpartition(".")[2],
                             self.configuration())
        self.daemon.log_path.touch()
        command = self.daemon.command
        self.daemon.command = lambda *more: [self.programs / "posternd", *command(*more)[1:]]

    def assert_does_not_start(self, *words):
        self.daemon.start(ready=False)
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        log = self.daemon.log_path.read_text()
        for word in words:
            self.assertIn(word, log)

    def test_names_and_places(self):
        self.daemon.start()
        for role in ROLES:
            pid = self.daemon.roles()[role]
            self.assertEqual(Path(f"/proc/{pid}/comm").read_text().strip(), f"postern-{role}")
            self.assertEqual(os.readlink(f"/proc/{pid}/exe"),
                             str(self.programs / f"postern-{role}"))
        found = subprocess.run(["pgrep", "-x", "postern-keeper"], stdout=subprocess.PIPE,
                               text=True).stdout.split()
        self.assertIn(str(self.daemon.roles()["keeper"]), found)

    def test_one_that_is_missing(self):
        for role in ROLES:
            with self.subTest(role=role):
                (self.programs / f"postern-{role}").rename(self.programs / "away")
                self.assert_does_not_start(role, f"postern-{role}", "No such file")
                (self.programs / "away").rename(self.programs / f"postern-{role}")
                self.daemon.log_path.write_text("")

    def test_one_that_others_may_write(self):
        keeper = self.programs / "postern-keeper"
        for mode in (0o775, 0o757):
            with self.subTest(mode=oct(mode)):
                keeper.chmod(mode)
                self.assert_does_not_start(str(keeper), "chmod go-w")
                self.daemon.log_path.write_text("")

    def test_one_of_somebody_else(self):
        os.chown(self.programs / "postern-desk", 12345, 12345)
        self.assert_does_not_start("postern-desk", "belongs to user 12345")

    def test_one_of_another_build(self):
        for role in ROLES:
            with self.subTest(role=role):
                program = self.programs / f"postern-{role}"
                good = program.read_bytes()
                program.write_bytes(good.replace(self.build_id(), bytes(16)))
                self.assert_does_not_start("of another build than posternd")
                self.assert_shut(timeout=0.1)
                program.write_bytes(good)
                self.daemon.log_path.write_text("")

    def test_one_that_is_started_by_hand(self):
        for name in PROGRAMS[1:]:
            done = subprocess.run([self.programs / name], stdin=subprocess.DEVNULL, text=True,
                                  stderr=subprocess.PIPE, timeout=PATIENCE)
            self.assertEqual(done.returncode, 1)
            self.assertIn("posternd", done.stderr)

    @staticmethod
    def build_id():
        text = (BUILD / "src/proc/build-id.c").read_text()
        return bytes(map(int, re.findall(r"\b\d+\b", text.split("{")[1])))

