"""What all measurements share: where the build is, looking at processes, and rows of the report."""

import argparse
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/system"))


def _options():
    parser = argparse.ArgumentParser(description="Measures Postern beside what no gate can do "
                                                 "without; bench/README.md says what the rows mean.")
    parser.add_argument("--build", default="build")
    parser.add_argument("--sizes", nargs="+", type=int, metavar="CLIENTS",
                        help="the curve against so many clients, and nothing else")
    parser.add_argument("--json", metavar="FILE", help="all figures, for programs")
    parser.add_argument("--settings", nargs="+", metavar="KEY=VALUE,...",
                        help="floods: what the server's file says besides; one table for each")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="floods: these alone")
    parser.add_argument("--rates", nargs="+", type=int, metavar="N",
                        help="floods: well-formed junk from forged sources, so much a second")
    parser.add_argument("--each", type=int, default=100, help="floods: knocks of each kind (100)")
    parser.add_argument("--family", type=int, choices=(4, 6), default=4, help="floods: of IP (4)")
    parser.add_argument("--timeline", action="store_true", help="steps: one knock, event by event")
    return parser.parse_args()


OPTIONS = _options()
BUILD = Path(OPTIONS.build).resolve()
os.environ["POSTERN_BUILD"] = str(BUILD)  # for the modules of the system tests

from flood import HASTE, set_priority, set_priority_of_session  # noqa: E402


def hurry():
    """All that is measured goes before what the machine does besides; what it starts inherits that."""
    set_priority_of_session(HASTE)
    set_priority(0, HASTE)


def program(name):
    return BUILD / "bench" / name


def cpu_ns(pid):
    """Processor time of all threads of a process so far."""
    return sum(int(file.read_text().split()[0])
               for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))


@contextmanager
def apart(pids):
    """Gives the client, which is this process and what it starts, the first processor for itself,
    and the daemon all others, as if they were on machines of their own."""
    everywhere = os.sched_getaffinity(0)
    first, others = {min(everywhere)}, everywhere - {min(everywhere)}
    if others:
        for pid in pids:
            os.sched_setaffinity(pid, others)
        os.sched_setaffinity(0, first)
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)


def proportional_kib(pids):
    sizes = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(re.search(r"^Pss: +(\d+)", text, re.M).group(1)) for text in sizes)


def values(text):
    """Lines of `name number`."""
    return {name: float(value) for name, value in map(str.split, text.splitlines())}


RECORDED = []  # every row, for --json


def row(what, measured, required="", ratio="", well=None):
    RECORDED.append({"what": what.strip(), "measured": measured, "ratio": ratio,
                     "required": required, "met": well})
    verdict = {None: "", True: "met", False: "MISSED"}[well]
    print(f"  {what:<46} {measured:>12} {ratio:>16}   {required:<22} {verdict}", flush=True)
