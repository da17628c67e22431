#!/usr/bin/python3
"""Knock to first accepted connect beside the cold floor: two bare processes that sleep and do the
same curve work. Turn by turn, on a machine at rest and beside another process."""

import json
import os
import statistics
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from measure import OPTIONS, RECORDED, apart, hurry, program, row

from gate import Gate, Net
from netns import add_address, sweep
from service import Echo
from world import KNOCK_PORT, SERVICE_PORT

FLOOR_PORTS = 40001, 40002  # UDP, TCP
SAMPLES = 60  # in each of
TURNS = 4
PATIENCE = 100  # with a floor that is slow to shut: another process may be in its way
MOST = 1.3  # times the cold floor


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Pair:
    """A daemon and the floor in the same namespaces."""

    def __init__(self, net, folder):
        self.net, self.folder = net, Path(folder)
        self.sources = [f"10.77.1.{10 + i}" for i in range(SAMPLES)]
        for source in self.sources:
            add_address(net.client, "wire", source, 24)
        (self.folder / "sources").write_text("\n".join(self.sources) + "\n")
        self.echo = Echo(net.server, (SERVICE_PORT,))
        self.floor = net.server.popen(program("bench-cold-floor"), *FLOOR_PORTS,
                                      stdout=subprocess.PIPE, text=True)
        assert self.floor.stdout.readline() == "ready\n"
        self.gates = 0

    def close(self):
        self.floor.kill()
        self.floor.communicate()
        self.echo.close()

    def floor_us(self):
        """A datagram like any other will do."""
        packets = self.folder / "packets"
        packets.write_bytes(bytes(165 * SAMPLES))
        return self.latency([self.floor.pid], *FLOOR_PORTS, packets, PATIENCE)

    def ours_us(self):
        """A daemon of its own, so that all ports are shut; its client is known at all addresses."""
        gate = Gate(self.net, self.folder / "gate", clients=2)
        try:
            gate.start()
            gate.introduce((0, source) for source in self.sources)
            packets = gate.write("packets", "valid", "--clients", 1, "--count", SAMPLES, "--hint")
            return self.latency(gate.daemon.living(), KNOCK_PORT, SERVICE_PORT, packets)
        finally:
            gate.close()

    def latency(self, pids, udp, tcp, packets, patience=0):
        with apart([*pids, *children_of(pids[0])]):
            text = self.net.client.run(program("bench-latency"), self.net.server.addresses[1][4],
                                       udp, tcp, self.folder / "sources", packets, 165, patience)
        return list(map(float, text.split()))


@contextmanager
def another_process(runs):
    """On every processor but the client's."""
    others = []
    if runs:
        everywhere = os.sched_getaffinity(0)
        for processor in sorted(everywhere)[1:] or everywhere:
            others.append(subprocess.Popen([program("bench-other")]))
            os.sched_setaffinity(others[-1].pid, {processor})
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measured(pair, beside):
    times = {"floor": [], "ours": []}
    for _ in range(TURNS):
        with another_process(beside):
            times["floor"] += pair.floor_us()
            times["ours"] += pair.ours_us()
    return {"beside_another": beside,
            **{f"{who}_us": statistics.median(some) for who, some in times.items()}}


def report(net, folder):
    print("\nKnock to first accepted connect beside the cold floor")
    pair, found = Pair(net, folder), []
    try:
        for beside in (False, True):
            one = measured(pair, beside)
            found.append(one)
            ratio = one["ours_us"] / one["floor_us"]
            where = "beside another process" if beside else "the machine at rest"
            row(f"two bare processes, {where}", f"{one['floor_us'] / 1000:.3f} ms")
            row("  Postern", f"{one['ours_us'] / 1000:.3f} ms", f"at most {MOST} x floor",
                f"{ratio:.2f} x floor", ratio <= MOST)
    finally:
        pair.close()
    return found


def main():
    hurry()
    sweep()
    net = Net()
    try:
        with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
            Path(folder).chmod(0o755)
            found = report(net, folder)
    finally:
        net.close()
    if OPTIONS.json:
        found = {"cold": found, "rows": RECORDED}
        Path(OPTIONS.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
