"""What all measurements share: where the build is, looking at processes, and rows of the report."""

import argparse
import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/system"))


def _build():
    parser = argparse.ArgumentParser(description="Measures Postern beside what no gate can do "
                                                 "without; bench/README.md says what the rows mean.")
    parser.add_argument("--build", default="build")
    return Path(parser.parse_args().build).resolve()


BUILD = _build()
os.environ["POSTERN_BUILD"] = str(BUILD)  # for the modules of the system tests


def program(name):
    return BUILD / "bench" / name


def cpu_ns(pid):
    """Processor time of all threads of a process so far."""
    return sum(int(file.read_text().split()[0])
               for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def proportional_kib(pids):
    sizes = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(re.search(r"^Pss: +(\d+)", text, re.M).group(1)) for text in sizes)


def values(text):
    """Lines of `name number`."""
    return {name: float(value) for name, value in map(str.split, text.splitlines())}


def row(what, measured, required="", ratio="", well=None):
    verdict = {None: "", True: "met", False: "MISSED"}[well]
    print(f"  {what:<46} {measured:>12} {ratio:>16}   {required:<22} {verdict}", flush=True)
