#!/usr/bin/python3
"""How fast and how small Postern is, beside the bare calls that no gate can do without.

Everything is measured in one run, so that the ratios hold on any machine."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/system"))

ORIGINAL_MS = 28.0  # openme's own server, knock to connect, measured once on another machine
SAMPLES = 200
KNOCKS = 5000
PER_SECOND = 1000
STARTS = 9
KNOCK_PORT, SERVICE_PORT = 54154, 2222


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    return parser.parse_args()


arguments = parse()
os.environ["POSTERN_BUILD"] = str(Path(arguments.build).resolve())

import openme  # noqa: E402  (it needs the path and the build folder set above)
from daemon import BUILD, Daemon  # noqa: E402
from netns import Namespace, add_address, eventually, link, sweep  # noqa: E402
from service import Echo  # noqa: E402
from world import granted_in  # noqa: E402


def cpu_ns(pid):
    """Processor time of all threads of a process so far."""
    return sum(int(file.read_text().split()[0])
               for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def proportional_kib(pids):
    sizes = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(re.search(r"^Pss: +(\d+)", text, re.M).group(1)) for text in sizes)


def row(what, measured, required="", ratio="", well=None):
    verdict = {None: "", True: "met", False: "MISSED"}[well]
    print(f"  {what:<46} {measured:>12} {ratio:>16}   {required:<22} {verdict}")


class Bench:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.chmod(0o755)
        self.server_key = openme.ServerKey()
        self.clients = [openme.ClientKey() for _ in range(3)]
        self.server = Namespace("server")
        self.client = Namespace("client")
        link(self.server, self.client, 1)
        self.server_address = self.server.addresses[1][4]
        self.sources = [f"10.77.1.{10 + i}" for i in range(SAMPLES)]
        for source in self.sources:
            add_address(self.client, "wire", source, 24)
        self.echo = Echo(self.server, (SERVICE_PORT,))
        self.daemon = Daemon(self.server, self.folder / "daemon", self.configuration())

    def configuration(self):
        return {
            "server": {"udp_port": KNOCK_PORT, "firewall": "nft", "knock_timeout": "5m",
                       "drop_ports": True,
                       "private_key": openme.text(self.server_key.secret)},
            "ports": {"default": [f"{SERVICE_PORT}/tcp"]},
            "clients": {f"client{i}": {"ed25519_pubkey": openme.text(key.public),
                                       "allowed_ports": ["default"]}
                        for i, key in enumerate(self.clients)}}

    def close(self):
        self.daemon.close()
        self.echo.close()
        self.server.close()
        self.client.close()

    def knocks(self, key, count):
        return [openme.knock(key, self.server_key.public) for _ in range(count)]

    def floor(self):
        """Microseconds of each bare call."""
        text = self.server.run(BUILD / "bench/bench-floor")
        return {name: float(value) for name, value in map(str.split, text.splitlines())}

    def start_ms(self):
        """From the exec of posternd to its word that it is ready."""
        times = []
        for i in range(STARTS):
            if i:
                self.daemon.stop()
            with self.server.entered():  # so that no `ip netns exec` is measured
                begin = time.monotonic()
                self.daemon.space = Here
                self.daemon.start()
                times.append((time.monotonic() - begin) * 1000)
        return statistics.median(times)

    def latency_us(self):
        sources, packets = self.folder / "sources", self.folder / "packets"
        sources.write_text("\n".join(self.sources) + "\n")
        packets.write_bytes(b"".join(self.knocks(self.clients[0], SAMPLES)))
        text = self.client.run(BUILD / "bench/bench-latency", self.server_address, KNOCK_PORT,
                               SERVICE_PORT, sources, packets)
        return sorted(map(float, text.split()))

    def cpu_us(self):
        """Processor time of each role for one knock, of knocks that come one by one."""
        roles = self.daemon.roles()
        packets = self.knocks(self.clients[1], KNOCKS)
        last = openme.knock(self.clients[1], self.server_key.public, target="203.0.113.1")
        address = (self.server_address, KNOCK_PORT)
        with self.client.socket(2, 2) as s:
            before = {role: cpu_ns(pid) for role, pid in roles.items()}
            begin = time.monotonic()
            for i, packet in enumerate(packets):
                s.sendto(packet, address)
                wait = begin + (i + 1) / PER_SECOND - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
            spent = {role: cpu_ns(pid) - before[role] for role, pid in roles.items()}
            s.sendto(last, address)
        assert eventually(lambda: "203.0.113.1" in self.granted()), "the last knock was lost"
        return {role: ns / 1000 / KNOCKS for role, ns in spent.items()}

    def granted(self):

        text = self.server.run("nft", "-j", "list", "table", "inet", "postern")
        return granted_in(json.loads(text)["nftables"])


class Here:
    """Starts a program where this thread is."""

    @staticmethod
    def popen(*command, **options):
        return subprocess.Popen(list(map(str, command)), **options)


def report(bench):
    floor = bench.floor()
    work = floor["crypto"] + floor["netlink"]
    way = work + 3 * floor["hop"] + floor["connect"]
    print("\nThe floor: what no gate can do without")
    row("X25519, HKDF, AEAD open, Ed25519 verify", f"{floor['crypto']:.0f} us")
    row("netlink: refresh one element of a hash set", f"{floor['netlink']:.1f} us")
    row("processor time, together", f"{work:.0f} us")
    row("with three wake-ups and a TCP handshake", f"{way:.0f} us")

    start = bench.start_ms()
    idle = proportional_kib(bench.daemon.pids)
    times = bench.latency_us()
    shares = bench.cpu_us()
    cpu = sum(shares.values())
    busy = proportional_kib(bench.daemon.pids)
    median = statistics.median(times)
    print(f"\nPostern, {len(bench.daemon.pids)} processes, 3 clients")
    row("knock to first accepted connect, median", f"{median / 1000:.3f} ms",
        "under 0.6 ms", f"{median / way:.2f} x floor", median < 600)
    row("  the slowest of twenty", f"{times[len(times) * 95 // 100] / 1000:.3f} ms")
    row("  the original takes 28 ms", "", "40 times faster",
        f"{ORIGINAL_MS * 1000 / median:.0f} x faster", ORIGINAL_MS * 1000 / median >= 40)
    row("processor time per valid knock", f"{cpu:.0f} us", "at most 1.5 x floor",
        f"{cpu / work:.2f} x floor", cpu / work <= 1.5)
    row("  " + ", ".join(f"{role} {us:.0f} us" for role, us in shares.items()), "")
    row("memory (PSS) of all processes, at rest", f"{idle / 1024:.1f} MB", "under 12 MB", "",
        idle < 12 * 1024)
    row(f"  after {KNOCKS + SAMPLES} knocks", f"{busy / 1024:.1f} MB", "under 12 MB", "",
        busy < 12 * 1024)
    row("start to ready, median", f"{start:.0f} ms", "under 100 ms", "", start < 100)


def main():
    sweep()
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        bench = Bench(folder)
        try:
            report(bench)
        finally:
            bench.close()


if __name__ == "__main__":
    main()
