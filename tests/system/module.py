#!/usr/bin/python3
"""Runs test modules, classes or single tests: a line per test, output of failed ones only, then
`tally P F S`. With POSTERN_SHUFFLE=SEED in the environment, in an order that the seed stands for.

What takes longer than TIME_LIMIT (seconds; a module's own, where it has one) has failed: where it
hangs is shown, and what it has started goes."""

import faulthandler
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from daemon import descendants
from netns import remove_namespaces

TIME_LIMIT = 900  # the longest takes 100 s on an idle machine of two processors
EACH_MORE = 120  # where several modules are run as one, as on a booted machine


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.buffer = True
        self.bad = set()
        self.passed = 0
        self.started = time.monotonic()
        self.running = "no test"

    def _say(self, word, test, detail=""):
        out = self._original_stdout
        name = test.id() if hasattr(test, "id") else str(test)
        out.write(f"{word:7} {name}{detail}\n")
        out.flush()

    def moment(self):
        """How long the test has run, and how busy the machine is: a failure may be one of time."""
        loads = " ".join(f"{load:.1f}" for load in os.getloadavg())
        return (f"at {time.strftime('%H:%M:%S', time.gmtime())}, after "
                f"{time.monotonic() - self.started:.1f} s, load {loads}, {os.cpu_count()} processors")

    def startTest(self, test):
        super().startTest(test)
        self.running = test.id()
        self.started = time.monotonic()

    def addSuccess(self, test):
        super().addSuccess(test)
        if test.id() not in self.bad:
            self.passed += 1
            self._say("ok", test, f" ({time.monotonic() - self.started:.1f} s)")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._say("skipped", test, f": {reason}")

    def _fail(self, test, case, error):
        self._mirrorOutput = True
        text = self._exc_info_to_string(error, case)
        first = test.id() not in self.bad
        self.bad.add(test.id())
        self._say("FAILED" if first else " again", case, f" ({self.moment()})")
        self._original_stdout.write(text + "\n")

    def addFailure(self, test, error):
        self._fail(test, test, error)

    def addError(self, test, error):
        self._fail(test, test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._fail(test, subtest, error)


def interrupted(*_):
    raise KeyboardInterrupt


def tests_in(suite):
    for part in suite:
        yield from tests_in(part) if isinstance(part, unittest.TestSuite) else (part,)


def shuffled(suite, seed):
    """The tests of a class stay together: what they share is made once a class."""
    chance, classes = random.Random(seed), {}
    for test in tests_in(suite):
        classes.setdefault(type(test), []).append(test)
    groups = list(classes.values())
    chance.shuffle(groups)
    for group in groups:
        chance.shuffle(group)
    return unittest.TestSuite(test for group in groups for test in group)


def kill_all():
    """What this process has started, and whatever else runs in its namespaces."""
    for pid in descendants(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    remove_namespaces(os.getpid())


def time_is_up(limit, result, room):
    out = sys.__stdout__
    out.write(f"FAILED  {' '.join(sys.argv[1:])}: not done after {limit} s, in {result.running}\n")
    out.write(f"        {result.moment()}\n")
    out.flush()
    faulthandler.dump_traceback(out)
    kill_all()
    shutil.rmtree(room, ignore_errors=True)
    out.write(f"tally {result.passed} {len(result.bad) + 1} {len(result.skipped)}\n")
    out.flush()
    os._exit(1)


def watch(names, result, room):
    modules = [sys.modules.get(name.split(".")[0]) for name in names]
    limit = max(getattr(module, "TIME_LIMIT", TIME_LIMIT) for module in modules)
    limit += EACH_MORE * (len(set(modules)) - 1)
    timer = threading.Timer(limit, time_is_up, (limit, result, room))
    timer.daemon = True
    timer.start()
    return timer


def open_room():
    """A folder for everything that tests make, for other users to enter, that goes at the end."""
    room = Path(tempfile.mkdtemp(prefix="postern-"))
    room.chmod(0o755)
    tempfile.tempdir = os.environ["TMPDIR"] = str(room)
    return room


def main():
    signal.signal(signal.SIGTERM, interrupted)
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
    if seed := os.environ.get("POSTERN_SHUFFLE"):
        suite = shuffled(suite, seed)
    result = Result()
    if os.getuid() != 0:
        for _ in range(suite.countTestCases()):
            print(f"skipped {sys.argv[1]}: needs root for network namespaces")
        print(f"tally 0 0 {suite.countTestCases()}")
        return
    room = open_room()
    timer = watch(sys.argv[1:], result, room)
    try:
        suite.run(result)
    finally:
        timer.cancel()
        shutil.rmtree(room, ignore_errors=True)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    print(f"tally {result.passed} {len(result.bad)} {len(result.skipped)}")


if __name__ == "__main__":
    main()
