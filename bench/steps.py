#!/usr/bin/python3
"""Where the time of a lone knock goes, step by step, in a resting gate and in the cold floor: by
the kernel's tracepoints and probes at libsodium's functions. Watching makes each step longer, in both.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from cold import Pair, children_of
from measure import OPTIONS, hurry

from gate import Net, roles_of
from netns import sweep

TRACING = Path("/sys/kernel/tracing")
GROUP = "postern_steps"
CLIENT = "bench-latency"
PROBES = {"multiply": "crypto_scalarmult", "verify": "crypto_sign_verify_detached"}
TURNS = 4
ESTABLISHED = 1  # TCP's state

# What ends each step: whose event, and which. The first of these after the one before it.
RECEIVED = "sys_exit_(recvmmsg|recvmsg|recvfrom)"
STEPS = (
    ("the datagram is sent, and wakes the first process", "wakes first", "sched_waking"),
    ("until that runs", "first", "runs"),
    ("it comes out of epoll_wait", "first", "sys_exit_epoll_p?wait"),
    ("has the datagram", "first", RECEIVED),
    ("looks at it", "first", "multiply"),
    ("X25519", "first", "multiply_done"),
    ("key, seal, whose", "first", "sys_enter_(sendmsg|sendmmsg|sendto)"),
    ("the message wakes the second process", "wakes second", "sched_waking"),
    ("until that runs", "second", "runs"),
    ("it comes out of epoll_wait", "second", "sys_exit_epoll_p?wait"),
    ("has the message", "second", RECEIVED),
    ("seal", "second", "verify"),
    ("Ed25519", "second", "verify_done"),
    ("judgement; floor: a socket", "second", "sys_enter_(sendto|listen)"),
    ("nftables, or listen(), until the client has connected", "client", "connected"),
)


def write(path, text):
    """Without a look at where the file ends, and without emptying it."""
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def file_offset(library, symbol):
    """Where a function stands in its file."""
    def ask(what):
        return subprocess.run(["readelf", "-W", what, library], text=True, check=True,
                              stdout=subprocess.PIPE).stdout

    address = int(re.search(rf"\d+: ([0-9a-f]+) +\d+ FUNC .* {symbol}(@|$)", ask("--dyn-syms"),
                            re.M).group(1), 16)
    for offset, start, size in re.findall(r"LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)", ask("-l")):
        if int(start, 16) <= address < int(start, 16) + int(size, 16):
            return address - int(start, 16) + int(offset, 16)
    raise LookupError(symbol)


def library_of(pid, name):
    return re.search(rf"/\S*/{name}\S*", Path(f"/proc/{pid}/maps").read_text()).group()


class Probes:
    """At the entry and the end of functions of a library."""

    def __init__(self, library):
        self.close()
        for name, symbol in PROBES.items():
            where = f"{library}:{file_offset(library, symbol):#x}"
            write(TRACING / "uprobe_events", f"p:{GROUP}/{name} {where}\n")
            write(TRACING / "uprobe_events", f"r:{GROUP}/{name}_done {where}\n")

    def close(self):
        for line in (TRACING / "uprobe_events").read_text().splitlines():
            if f":{GROUP}/" in line:
                write(TRACING / "uprobe_events", f"-:{line.split()[0].split(':')[1]}\n")


@contextmanager
def tracing(pids, port):
    """What two processes do, and when the client sends and is connected: a buffer of the kernel."""
    folder = TRACING / f"instances/{GROUP}"
    own = " || ".join(f"common_pid == {pid}" for pid in pids)
    events = {"syscalls": own, GROUP: own, "exceptions/page_fault_user": own,
              "sched/sched_waking": " || ".join(f"pid == {pid}" for pid in pids),
              "sched/sched_switch": " || ".join(f"next_pid == {pid} || prev_pid == {pid}"
                                                for pid in pids),
              "syscalls/sys_enter_sendto": f'{own} || COMM == "{CLIENT}"',
              "sock/inet_sock_set_state": f"newstate == {ESTABLISHED} && dport == {port}"}
    folder.mkdir()
    try:
        write(folder / "trace_clock", "mono")
        write(folder / "buffer_size_kb", "16384")
        for event, only in events.items():
            write(folder / "events" / event / "filter", only)
            write(folder / "events" / event / "enable", "1")
        yield folder / "trace"
    finally:
        for event in events:
            write(folder / "events" / event / "enable", "0")
        folder.rmdir()


LINE = re.compile(r"\s*(.+)-(\d+)\s+\[\d+\] \S+ +(\d+\.\d+): (\w+)(\(|:| ->)(.*)")
CALLS = {"(": "sys_enter_", " ->": "sys_exit_"}


def event_of(line, first, second):
    """Microseconds, who, and what; None for what is no event."""
    found = LINE.match(line)
    if not found:
        return None
    comm, pid, when, what, mark, rest = found.groups()
    names = {first: "first", second: "second"}
    who = names.get(int(pid), "client" if comm.strip() == CLIENT else "")
    if what == "sched_waking":
        who = "wakes " + names[int(re.search(r" pid=(\d+)", rest).group(1))]
    elif what == "sched_switch":
        before, after = (int(n) for n in re.findall(r"(?:prev|next)_pid=(\d+)", rest))
        who, what = (names[after], "runs") if after in names else (names[before], "rests")
    elif what == "inet_sock_set_state":
        who, what = "client", "connected"
    elif mark in CALLS:
        what = CALLS[mark] + what.removeprefix("sys_")
    return float(when) * 1e6, who, what


def samples_of(text, pids):
    """The events of each knock, from its sending on."""
    events = sorted(filter(None, (event_of(line, *pids) for line in text.splitlines())))
    found = []
    for event in events:
        if event[1:] == ("client", "sys_enter_sendto"):
            found.append([])
        if found:
            found[-1].append(event)
    return found


def measure_steps(events):
    """The length of each step; None where one was not seen."""
    times, at = [], 0
    for _, who, what in STEPS:
        before = events[at][0]
        while at < len(events) and not (events[at][1] == who and re.fullmatch(what, events[at][2])):
            at += 1
        if at == len(events):
            return None
        times.append(events[at][0] - before)
    return times


COUNTED = (("system calls of both, until then", "sys_enter_"),
           ("page faults", "page_fault_user"),
           ("times that one of both came to run", "runs"))


def until_connected(events):
    end = next(i for i, event in enumerate(events) if event[2] == "connected")
    return [event for event in events[:end] if event[1] in ("first", "second")]


def count(samples, what):
    return statistics.median(sum(re.match(what, event[2]) is not None
                                 for event in until_connected(events)) for events in samples)


def show_one(samples):
    """Every event of one of middling length."""
    events = sorted(samples, key=lambda e: sum(measure_steps(e)))[len(samples) // 2]
    for when, who, what in events:
        print(f"    {when - events[0][0]:8.0f} us  {who:<13} {what}")


class Steps(Pair):
    """Both, watched."""

    def latency(self, pids, udp, tcp, packets, patience=0):
        roles = roles_of(pids)
        if "keeper" in roles:
            two = roles["doorman"][0], roles["keeper"][0]
        else:
            two = pids[0], children_of(pids[0])[0]
        with tracing(two, tcp) as trace:
            super().latency(pids, udp, tcp, packets, patience)
            found = samples_of(trace.read_text(), two)
        return [events for events in found if measure_steps(events) is not None]


def report(ours, floor):
    print(f"  {'until the end of':<52} {'Postern':>8} {'floor':>8}   us, medians of "
          f"{len(ours)} and {len(floor)} knocks")
    rows = []
    for (name, _, _), *times in zip(STEPS, *(zip(*map(measure_steps, some))
                                             for some in (ours, floor))):
        rows.append((name, *map(statistics.median, times)))
    rows.append(("all of it", *(statistics.median(sum(measure_steps(events)) for events in some)
                                for some in (ours, floor))))
    rows += [(what, count(ours, kind), count(floor, kind)) for what, kind in COUNTED]
    for name, *both in rows:
        print(f"  {name:<52} {both[0]:8.0f} {both[1]:8.0f}", flush=True)
    return rows


def main():
    if not os.access(TRACING / "uprobe_events", os.W_OK) or not shutil.which("readelf"):
        sys.exit("steps.py: needs root, tracefs at /sys/kernel/tracing, a kernel with "
                 "CONFIG_UPROBE_EVENTS and CONFIG_FTRACE_SYSCALLS, and readelf (binutils)")
    hurry()
    sweep()
    net = Net()
    try:
        with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
            Path(folder).chmod(0o755)
            pair, ours, floor = Steps(net, folder), [], []
            probes = Probes(library_of(pair.floor.pid, "libsodium.so"))
            try:
                for _ in range(TURNS):
                    floor += pair.floor_us()
                    ours += pair.ours_us()
            finally:
                pair.close()
                probes.close()
    finally:
        net.close()
    rows = report(ours, floor)
    if OPTIONS.timeline:
        for name, samples in (("Postern", ours), ("the floor", floor)):
            print(f"\n  One knock of middling length, {name}:")
            show_one(samples)
    if OPTIONS.json:
        Path(OPTIONS.json).write_text(json.dumps({"steps": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
