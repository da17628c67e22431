#!/usr/bin/python3
"""Runs every test and closes with one line: N passed, N failed, N skipped.

A test's output is shown only when it fails. `run.py WORD...` runs the system test modules whose
name contains a word."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).resolve().parent
SYSTEM = HERE / "system"
AT_ONCE = 3  # the system tests mostly wait
ALONE = {"test_flood"}  # these need the processor


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, passed=0, failed=0, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def report(word, name, detail=""):
    print(f"{word:7} {name}{detail}", flush=True)


def unit_tests(build, count):
    """Each cmocka test counts; a program that dies counts as one failure more."""
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for line in (Path(build) / "meson-logs/testlog.json").read_text().splitlines():
        result = json.loads(line)
        output = result.get("stdout", "") + result.get("stderr", "")
        passed = len(re.findall(r"^\[ +OK +\]", output, re.M))
        skipped = len(re.findall(r"^\[ +SKIPPED +\] \w+$", output, re.M))
        if result["result"] == "OK":
            count.add(max(passed, 0 if skipped else 1), 0, skipped)
            report("ok", f"unit {result['name']}", f" ({passed} tests)")
        else:
            failed = len(re.findall(r"^\[ +FAILED +\] \w+$", output, re.M)) // 2
            count.add(passed, max(failed, 1), skipped)
            report("FAILED", f"unit {result['name']}")
            print(output, flush=True)


def checks(build, count):
    """Scripts tests/check_*: quiet and 0 when all is well, 77 and why when they cannot check."""
    environment = dict(os.environ, POSTERN_BUILD=str(Path(build).resolve()))
    for script in sorted(HERE.glob("check_*")):
        done = subprocess.run([script], cwd=HERE.parent, env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode == 0:
            count.add(passed=1)
            report("ok", f"check {script.stem}")
        elif done.returncode == 77:
            count.add(skipped=1)
            report("skipped", f"check {script.stem}", f": {done.stdout.strip()}")
        else:
            count.add(failed=1)
            report("FAILED", f"check {script.stem}")
            print(done.stdout, flush=True)


def system_module(module, build):
    """One process per module, so that several run side by side."""
    environment = dict(os.environ, POSTERN_BUILD=str(Path(build).resolve()))
    return subprocess.run(
        [sys.executable, "-B", SYSTEM / "module.py", module], cwd=SYSTEM, env=environment,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def system_tests(build, words, count):
    modules = sorted(p.stem for p in SYSTEM.glob("test_*.py"))
    modules = [m for m in modules if not words or any(w in m for w in words)]
    run_modules(AT_ONCE, [m for m in modules if m not in ALONE], build, count)
    run_modules(1, [m for m in modules if m in ALONE], build, count)


def run_modules(at_once, modules, build, count):
    with ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(system_module, m, build): m for m in modules}
        for future in as_completed(running):
            done = future.result()
            tally = re.search(r"^tally (\d+) (\d+) (\d+)$", done.stdout, re.M)
            if tally:
                count.add(*map(int, tally.groups()))
                print(done.stdout.replace(tally.group() + "\n", ""), end="", flush=True)
            else:
                count.add(failed=1)
                report("FAILED", running[future], " did not finish")
                print(done.stdout, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    count = Count()
    if not arguments.words:
        unit_tests(arguments.build, count)
        checks(arguments.build, count)
    system_tests(arguments.build, arguments.words, count)
    print(count)
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
