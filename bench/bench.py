#!/usr/bin/python3
"""How fast and how small Postern is, beside the bare calls that no gate can do without.

Everything is measured in one run, so that the ratios hold on any machine. README.md says what the
rows mean."""

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

# First: it sets the paths.
from measure import (OPTIONS, RECORDED, apart, cpu_ns, hurry, program, proportional_kib, row,
                     values)

import cold
import costs
import echo
import floods
import many
import openme
import spa
from daemon import Daemon
from netns import Namespace, add_address, eventually, link, sweep
from service import Echo
from world import KNOCK_PORT, SERVICE_PORT, granted_in

ORIGINAL_MS = 28.0  # openme's own server, knock to connect, measured once on another machine
SAMPLES = 200
KNOCKS = 5000
PER_SECOND = 1000
STARTS = 9


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
        self.sources_file = self.folder / "sources"
        self.sources_file.write_text("\n".join(self.sources) + "\n")
        self.echo = Echo(self.server, (SERVICE_PORT, spa.SERVICE_PORT))
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
        return values(self.server.run(program("bench-floor")))

    def start_ms(self):
        """From the exec of posternd to its word that it is ready."""
        times = []
        for i in range(STARTS):
            if i:
                self.daemon.stop()
            with self.server.entered():  # so that no `ip netns exec` is measured
                begin = time.monotonic()
                self.daemon.space = Here
                self.daemon.start(ready=False)
                self.daemon.wait_until_ready()
                times.append((time.monotonic() - begin) * 1000)
            self.daemon.note_processes()
        return statistics.median(times)

    def latency_us(self):
        packets = self.folder / "packets"
        packets.write_bytes(b"".join(self.knocks(self.clients[0], SAMPLES)))
        with apart(self.daemon.living()):
            text = self.client.run(program("bench-latency"), self.server_address, KNOCK_PORT,
                                   SERVICE_PORT, self.sources_file, packets, 165)
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


def report(bench, floor):
    work = floor["crypto"] + floor["netlink"]
    way = work + 3 * floor["hop"] + floor["connect"]
    print("\nThe floor: what no gate can do without")
    row("X25519, HKDF, AEAD open, Ed25519 verify", f"{floor['crypto']:.0f} us")
    row("netlink: refresh one element of a hash set", f"{floor['netlink']:.1f} us")
    row("processor time, together", f"{work:.0f} us")
    row("with three wake-ups and a TCP handshake", f"{way:.0f} us")

    start = bench.start_ms()
    idle = proportional_kib(bench.daemon.living())
    times = bench.latency_us()
    shares = bench.cpu_us()
    cpu = sum(shares.values())
    busy = proportional_kib(bench.daemon.living())
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


def report_all(bench):
    floor = bench.floor()
    report(bench, floor)
    bench.daemon.close()
    curve = many.report(bench, bench.folder / "many")
    if program("bench-openspa").exists():
        spa.report(bench, bench.folder / "openspa", floor)
    return {"floor": floor, "curve": curve}


def report_load(folder, floor):
    """What comes to an end of its own namespaces."""
    net = floods.Net()
    try:
        return {"cold": cold.report(net, folder), "costs": costs.report(net, folder, floor),
                "floods": floods.report_short(net, folder)}
    finally:
        net.close()


def machine():
    """What the figures were measured on."""
    models = [line.partition(":")[2].strip() for line in
              Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"processors": os.cpu_count(), "model": models[0] if models else platform.machine(),
            "kernel": platform.release(), "load": os.getloadavg()[0],
            "when": time.strftime("%Y-%m-%d %H:%M", time.gmtime())}


def measured(folder):
    bench = Bench(folder)
    try:
        if OPTIONS.sizes:
            return {"curve": many.report(bench, bench.folder / "many", OPTIONS.sizes)}
        found = report_all(bench)
    finally:
        bench.close()
    found.update(report_load(folder, found["floor"]))
    echo.report()
    return found


def main():
    hurry()
    sweep()
    found = {"machine": machine()}
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        found.update(measured(folder))
    found["rows"] = RECORDED
    if OPTIONS.json:
        Path(OPTIONS.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
