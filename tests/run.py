#!/usr/bin/python3
"""Runs tests and closes with one line: N passed, N failed, N skipped.

Without a name, all of them: unit tests, checks, system tests. A name may be
  a unit test                                  admit
  a check                                      check_docs
  a test, class or module of the system tests  TestOpen.test_x, TestOpen, test_open,
                                               test_open.TestOpen.test_x
  a word in the name of such modules           open
and all that it stands for is run. A test's output is shown only when it fails."""

import argparse
import ast
import difflib
import json
import os
import random
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import login

HERE = Path(__file__).resolve().parent
SYSTEM = HERE / "system"
AT_ONCE = 4  # the system tests mostly wait
# The service manager of this machine is none of theirs: what runs in them has no unit.
AWAY = ["unshare", "--mount", "sh", "-ec", 'mount -t tmpfs tmpfs /run/systemd; exec "$@"', "sh"]
NOT_RUN = 77  # status of a unit test or check that cannot be run here
STATUS = {"OK": 0, "SKIP": NOT_RUN}  # by Meson's word
LONGEST = {"test_intake_xdp", "test_many", "test_stay", "test_faults"}  # begin before all others
ALONE = {"test_flood", "test_flood_captured", "test_flood_kinds"}  # these need the processor


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


# --- What a name stands for

def unit_programs(build):
    """Name to how Meson would run it."""
    try:
        tests = json.loads((Path(build) / "meson-info/intro-tests.json").read_text())
    except FileNotFoundError:
        return {}
    return {test["name"]: test for test in tests}


def check_scripts():
    return {script.name: script for script in sorted(HERE.glob("check_*"))}


def system_classes():
    """Module to class to the tests that stand in it; those that it inherits are not among them."""
    found = {}
    for path in sorted(SYSTEM.glob("test_*.py")):
        classes = [node for node in ast.parse(path.read_text()).body
                   if isinstance(node, ast.ClassDef)]
        found[path.stem] = {
            node.name: [part.name for part in node.body
                        if isinstance(part, ast.FunctionDef) and part.name.startswith("test")]
            for node in classes}
    return found


def system_names(word, modules):
    """What module.py is to load for a word, by module."""
    first, _, rest = word.partition(".")
    if first in modules:
        return {first: {word}}
    with_class = {module: {f"{module}.{word}"} for module in modules if first in modules[module]}
    if with_class:
        return with_class
    if rest:
        return {}
    with_test = {module: {f"{module}.{name}.{word}" for name in classes if word in classes[name]}
                 for module, classes in modules.items()}
    with_test = {module: names for module, names in with_test.items() if names}
    return with_test or {module: {module} for module in modules if word in module}


def nothing_called(word, known):
    nearest = difflib.get_close_matches(word, known, 1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    print(f"run.py: no test is called {word}{hint}", file=sys.stderr)
    sys.exit(2)


def choose(words, build):
    """Unit tests, checks, and names of system tests by module."""
    programs, scripts, modules = unit_programs(build), check_scripts(), system_classes()
    units, checks, system = [], [], {}
    for word in words:
        named = system_names(word, modules)
        for module, names in named.items():
            system.setdefault(module, set()).update(names)
        if word in programs:
            units.append(programs[word])
        if word in scripts:
            checks.append(scripts[word])
        if not named and word not in programs and word not in scripts:
            tests = [f"{c}.{t}" for m in modules.values() for c in m for t in m[c]]
            nothing_called(word, [*programs, *scripts, *modules, *tests,
                                  *(c for m in modules.values() for c in m),
                                  *(t.partition(".")[2] for t in tests)])
    return units, checks, system


# --- Running it

def count_unit_test(name, status, output, count):
    """Each cmocka test counts; a program that dies counts as one failure more."""
    passed = len(re.findall(r"^\[ +OK +\]", output, re.M))
    skipped = len(re.findall(r"^\[ +SKIPPED +\] \w+$", output, re.M))
    if status == NOT_RUN:
        count.add(passed, 0, max(skipped, 1))
        report("skipped", f"unit {name}", ": " + "".join(output.strip().splitlines()[-1:]))
    elif status == 0:
        count.add(max(passed, 0 if skipped else 1), 0, skipped)
        report("ok", f"unit {name}", f" ({passed} tests)")
    else:
        failed = len(re.findall(r"^\[ +FAILED +\] \w+$", output, re.M)) // 2
        count.add(passed, max(failed, 1), skipped)
        report("FAILED", f"unit {name}")
        print(output, flush=True)


def all_unit_tests(build, count):
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for line in (Path(build) / "meson-logs/testlog.json").read_text().splitlines():
        result = json.loads(line)
        count_unit_test(result["name"].rpartition(" / ")[2], STATUS.get(result["result"], 1),
                        result.get("stdout", "") + result.get("stderr", ""), count)


def unit_test(test, count):
    """Without Meson, which takes longer to start than most of them to run."""
    try:
        done = subprocess.run(test["cmd"], cwd=test["workdir"], env={**os.environ, **test["env"]},
                              text=True, errors="replace", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=test["timeout"] or None)
        count_unit_test(test["name"], done.returncode, done.stdout, count)
    except (subprocess.TimeoutExpired, FileNotFoundError) as error:
        count.add(failed=1)
        report("FAILED", f"unit {test['name']}", f": {error}")


def check(script, build, count):
    """Scripts tests/check_*: 0 when all is well."""
    environment = dict(os.environ, POSTERN_BUILD=str(Path(build).resolve()))
    done = subprocess.run([script], cwd=HERE.parent, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode == 0:
        count.add(passed=1)
        report("ok", f"check {script.stem}")
    elif done.returncode == NOT_RUN:
        count.add(skipped=1)
        report("skipped", f"check {script.stem}", f": {done.stdout.strip()}")
    else:
        count.add(failed=1)
        report("FAILED", f"check {script.stem}")
        print(done.stdout, flush=True)


def units_and_checks(scripts, build, count):
    """Side by side."""
    with ThreadPoolExecutor(1) as pool:
        checked = Count()
        running = [pool.submit(check, script, build, checked) for script in scripts]
        all_unit_tests(build, count)
        for done in running:
            done.result()
    count.add(checked.passed, checked.failed, checked.skipped)


def system_module(names, options):
    """One process per module, so that several run side by side."""
    environment = dict(os.environ, POSTERN_BUILD=str(Path(options.build).resolve()))
    if options.shuffle is not None:
        environment["POSTERN_SHUFFLE"] = options.shuffle
    place = AWAY if os.getuid() == 0 and os.path.isdir("/run/systemd/system") else []
    return subprocess.run(
        [*place, sys.executable, "-B", SYSTEM / "module.py", *sorted(names)], cwd=SYSTEM,
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def system_tests(chosen, options, count):
    modules = sorted(chosen, key=lambda module: (module not in LONGEST, module))
    if options.shuffle is not None:
        random.Random(options.shuffle).shuffle(modules)
    together = {m: chosen[m] for m in modules if m not in ALONE}
    alone = {m: chosen[m] for m in modules if m in ALONE}
    run_modules(options.jobs, together, options, count)
    run_modules(1, alone, options, count)


def run_modules(at_once, modules, options, count):
    with ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(system_module, names, options): m for m, names in modules.items()}
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


def jobs(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="the build folder (default: build)")
    parser.add_argument("--jobs", "-j", type=jobs, default=AT_ONCE, metavar="N",
                        help=f"system test modules side by side (default: {AT_ONCE})")
    parser.add_argument("--shuffle", metavar="SEED",
                        help="system tests in an order that this text stands for")
    parser.add_argument("--no-system", action="store_true",
                        help="without a name: all but the system tests, which need root")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    count = Count()
    if options.names:
        units, checks, system = choose(options.names, options.build)
        for test in units:
            unit_test(test, count)
    else:
        checks = check_scripts().values()
        system = {} if options.no_system else {m: {m} for m in system_classes()}
        units_and_checks(checks, options.build, count)
        checks = []
    for script in checks:
        check(script, options.build, count)
    system_tests(system, options, count)
    print(count)
    return 1 if count.failed else 0


if __name__ == "__main__":
    login.leave()
    try:
        ended = main()
    except SystemExit as left:
        ended = left.code
    login.end(ended)
