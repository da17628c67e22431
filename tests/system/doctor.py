"""What `postern doctor` says of a daemon under test."""

import json
import os
import subprocess

from daemon import program
from netns import PATIENCE
from world import WorldTest

WELL, ILL = 0, 3
UNPRIVILEGED = 12345
# Of the machine that the tests are run on, and of a daemon without a service manager.
OF_THE_PLACE = ("nothing keeps it right", "it may be off by more", "there is no user postern",
                "no postern-guard stands by", "cannot be locked")


class Doctor:
    """For a WorldTest with a daemon, which need not run."""

    def doctor(self, *words, code=None, place=(), user=None):
        """The findings of its JSON; `place` is a command that runs it, `user` one without rights."""
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        done = subprocess.run(
            ["ip", "netns", "exec", self.server.name, *map(str, place), *as_user, program("postern"),
             "--config", self.daemon.file, "--control", self.daemon.control, "doctor", "--json",
             "--state-dir", self.daemon.state, *map(str, words)],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertIn(done.returncode, (WELL, ILL), done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(done.returncode == WELL, found["healthy"])
        self.assertEqual(found["healthy"], not self.of(found, "problem"))
        for state in ("ok", "warning", "problem", "unknown"):
            self.assertEqual(found[state], len(self.of(found, state)))
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout)
        return found

    @staticmethod
    def of(found, state=None, check=None):
        return [line for line in found["checks"] if state in (None, line["state"]) and
                check in (None, line["check"])]

    def finding(self, check, state, text, **how):
        """The one of that kind, which has that text and, unless it is well, mostly a remedy."""
        lines = self.of(self.doctor(**how), state, check)
        here = [line for line in lines if text in line["text"]]
        self.assertEqual(len(here), 1, lines)
        return here[0]

    def is_of_another_test(self, line):
        """The doctor looks at the processes of the whole machine."""
        if "a program of another gate runs" not in line["text"]:
            return False
        try:
            theirs = os.stat(f"/proc/{line['remedy'].split()[-1]}/ns/net").st_ino
        except (FileNotFoundError, ProcessLookupError):
            return True
        return theirs != os.stat(f"/run/netns/{self.server.name}").st_ino

    def ills(self, found):
        """What is not well, but for what the place is to blame for."""
        return [line for line in found["checks"] if line["state"] in ("warning", "problem") and
                not any(text in line["text"] for text in OF_THE_PLACE) and
                not self.is_of_another_test(line)]

    def assert_well(self, **how):
        found = self.doctor(code=WELL, **how)
        self.assertEqual(self.ills(found), [])
        return found


class DoctorTest(Doctor, WorldTest):
    pass
