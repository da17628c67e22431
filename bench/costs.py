#!/usr/bin/python3
"""What a datagram costs that is refused, by the reason, and what valid knocks cost that come fast:
processor time beside one X25519 of the same run."""

import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from measure import OPTIONS, RECORDED, hurry, program, row, values

from floods import FLOODER, MANY
from gate import Gate, Net, known, roles_of
from netns import eventually, sweep
from world import KNOCK_PORT

SUSTAINED = 10_000  # valid knocks a second
SUSTAINED_SECONDS = 5
MANY_CLIENTS = 100

ROUNDS = 40
MANY_S = 0.02  # of datagrams as fast as they can be sent
FEW, FEW_S = 100_000, 0.002  # a second, of what costs arithmetic: no more than may wait
USER = {"shield_at": "user"}  # left out where the daemon does not know it

#         reason                           kind        rate settings              at most, x25519
REASONS = (("malformed", "malformed", 0, USER, None),
           ("copy", "copy", 0, USER, 0.1),
           ("well-formed junk", "junk", FEW, USER, None),
           ("captured prefix and junk", "prefix", FEW, USER, None),
           ("sealed, unsigned, all keys tried", "unsigned", FEW, USER, None),
           ("sealed, unsigned, legacy: no", "unsigned", FEW, {"legacy": False, **USER}, 1.15),
           ("junk, shield: prefer", "junk", FEW, {"shield": "prefer", **USER}, None),
           ("junk, shield: require", "junk", 0, {"shield": "require", **USER}, None))
MALFORMED_LEAST = 400_000  # a second and core
STOCK_CLIENTS, STOCK_COUNT, STOCK_RATE, STOCK_ROUNDS = 1000, 1000, 1000, 9
STOCK_MOST = 1.2  # of a hinted one
XDP_MOST = 1.6  # of junk, beside a program that only parses and drops


class Refused:
    """One daemon that refuses one kind of datagram."""

    def __init__(self, net, folder, settings):
        self.gate = Gate(net, folder, settings)
        self.tag = ("--shield-key", self.gate.shield_key) if "shield" in settings else ()
        if "legacy" in settings:
            self.tag += ("--hint",)

    def cost(self, kind, rate):
        """Microseconds of the doormen's processor time for each datagram that they have read."""
        gate = self.gate.start()
        time.sleep(0.5)  # for the keys of hints
        captured = gate.write("captured", "valid", "--clients", 1, "--first", gate.extra,
                              "--count", 1, *self.tag)
        with gate.net.client.socket(2, 2) as s:
            s.sendto(captured.read_bytes(), (gate.address, KNOCK_PORT))
        assert eventually(lambda: gate.stats()["granted"] == 1), "the first knock was lost"
        spent, drops = gate.cpu(), gate.drops()
        options = "--source", FLOODER[4], "--packets", captured
        sent = sum(self.burst(kind, rate, options) for _ in range(ROUNDS))
        spent = {role: seconds - spent[role] for role, seconds in gate.cpu().items()}
        read = max(sent - (gate.drops() - drops), 1)
        return {"sent": sent, "read": read, "doorman_us": spent["doorman"] / read * 1e6,
                "keeper_us": spent["keeper"] / read * 1e6}


    def burst(self, kind, rate, options):
        """As many as it has room for, while it stands still. So a core that has nothing else to do
        is measured, and not the wake-ups of one that waits for the generator."""
        doormen = roles_of(self.gate.daemon.living())["doorman"]
        load = self.gate.load(kind, rate, FEW_S if rate else MANY_S, *options)
        for pid in doormen:
            os.kill(pid, signal.SIGSTOP)
        try:
            load.begin()
            sent = load.result()["sent"]
        finally:
            for pid in doormen:
                os.kill(pid, signal.SIGCONT)
        assert eventually(lambda: self.gate.unread() == 0), "the daemon reads no more"
        time.sleep(0.05)  # for what waits in its memory
        return sent


def settings_known(net, folder, settings):
    """Those to use, or None, and what the daemon says of them."""
    complaint = known(net, folder, settings)
    if complaint and USER.items() <= settings.items():
        settings = {key: value for key, value in settings.items() if key not in USER}
        complaint = known(net, folder, settings)
    return (None if complaint else settings), complaint


def report_refused(net, folder, x25519):
    print(f"\nProcessor time of the doorman for each refused datagram; one X25519: {x25519:.1f} us")
    found = []
    for reason, kind, rate, settings, most in REASONS:
        settings, complaint = settings_known(net, folder, settings)
        if settings is None:
            row(reason, "skipped")
            print("      " + complaint)
            continue
        refused = Refused(net, Path(folder) / "refused", settings)
        try:
            cost = refused.cost(kind, rate)
        finally:
            refused.gate.close()
        ratio = cost["doorman_us"] / x25519
        found.append({"reason": reason, "x25519_us": x25519, **cost})
        row(reason, f"{cost['doorman_us']:.2f} us", f"at most {most} x" if most else "",
            f"{ratio:.3f} x X25519", None if most is None else ratio <= most)
        if kind == "malformed":
            each = 1e6 / cost["doorman_us"]
            row("  a second and core", f"{each:,.0f}", f"at least {MALFORMED_LEAST:,}", "",
                each >= MALFORMED_LEAST)
    return found


def sustained(net, folder, clients):
    """Valid knocks with a hint, each from an address of its own."""
    gate = Gate(net, Path(folder) / "sustained", clients=clients)
    try:
        gate.start()
        load = gate.load("valid", SUSTAINED, SUSTAINED_SECONDS, "--clients", clients, "--hint",
                         "--source", FLOODER[4], "--sources", SUSTAINED * SUSTAINED_SECONDS)
        cpu, drops = gate.cpu(), gate.drops()
        load.begin()
        sent = load.result()
        eventually(lambda: gate.stats()["granted"] >= sent["sent"], within=2)
        cpu = {role: seconds - cpu[role] for role, seconds in gate.cpu().items()}
        stats = gate.stats()
        granted = stats["granted"]
        return {"refused": {name: n for name, n in stats.items()
                            if n and name not in ("granted", "handed_on")},
                "clients": clients, "sent": sent["sent"], "pps": sent["pps"], "granted": granted,
                "dropped": gate.drops() - drops,
                "cpu_us": sum(cpu.values()) / max(granted, 1) * 1e6,
                "opened": sum(address.startswith("10.1") for address in gate.granted())}
    finally:
        gate.close()


def report_sustained(net, folder, work):
    print(f"\n{SUSTAINED:,} valid knocks a second with a lookup hint, from as many addresses")
    found = []
    for clients in (1, MANY_CLIENTS):
        one = sustained(net, folder, clients)
        found.append(one)
        row(f"opened, of {clients} clients", f"{one['opened']:,}", f"all {one['sent']:,}",
            f"{one['pps']:,.0f} a second", one["opened"] == one["sent"])
        if one["opened"] < one["sent"]:
            print(f"      lost at the socket: {one['dropped']:,}; "
                  f"refused: {one['refused'] or 'none'}")
        row("  processor time for each that was granted", f"{one['cpu_us']:.0f} us",
            "at most 1.4 x floor", f"{one['cpu_us'] / work:.2f} x floor",
            one["cpu_us"] <= 1.4 * work)
    return found


class Returning:
    """Clients that knock again from addresses that they have knocked from, with a hint or without:
    the same knocks for the firewall, which has all of these addresses already."""

    def __init__(self, net, folder):
        self.gate = Gate(net, Path(folder) / "returning", clients=STOCK_CLIENTS)

    def cost(self, *how):
        """Processor time of all processes for each, in microseconds."""
        gate = self.gate
        load = gate.load("valid", STOCK_RATE, STOCK_COUNT / STOCK_RATE, "--clients", STOCK_CLIENTS,
                         "--source", FLOODER[4], "--sources", STOCK_COUNT, *how)
        cpu, before = gate.cpu(), gate.stats()["granted"]
        load.begin()
        sent = load.result()["sent"]
        assert eventually(lambda: gate.stats()["granted"] >= before + sent, within=5), "some are lost"
        return sum(seconds - cpu[role] for role, seconds in gate.cpu().items()) / sent * 1e6

    def measured(self):
        self.gate.start()
        time.sleep(1)  # for the keys of hints
        self.cost("--hint")
        pairs = [(self.cost("--hint"), self.cost()) for _ in range(STOCK_ROUNDS)]
        hinted, stock = (statistics.median(one) for one in zip(*pairs))
        return {"clients": STOCK_CLIENTS, "hinted_us": hinted, "stock_us": stock,
                "ratio": statistics.median(b / a for a, b in pairs)}


def report_returning(net, folder):
    print(f"\nKnocks of {STOCK_CLIENTS:,} clients from addresses that they have knocked from")
    returning = Returning(net, folder)
    try:
        found = returning.measured()
    finally:
        returning.gate.close()
    row("processor time with a lookup hint", f"{found['hinted_us']:.0f} us")
    row("  stock", f"{found['stock_us']:.0f} us", f"at most {STOCK_MOST} x",
        f"{found['ratio']:.2f} x hinted", found["ratio"] <= STOCK_MOST)
    return found


def is_junk(kind):
    return not kind.startswith(("tagged", "for another host", "well-formed, no key"))


def report_xdp():
    """By the kernel's own test run."""
    print("\nA packet in the shield at the device, beside a program that parses to UDP and drops")
    if not program("bench-xdp").exists():
        row("the shield in the kernel", "skipped")
        print("      this build has none")
        return []
    done = subprocess.run([program("bench-xdp")], capture_output=True, text=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for one in found:
        junk = is_junk(one["what"])
        row(one["what"], f"{one['ns']:.0f} ns", f"at most {XDP_MOST} x floor" if junk else "",
            f"{one['ratio']:.2f} x floor", one["ratio"] <= XDP_MOST if junk else None)
    if done.returncode:
        row("the shield in the kernel", "skipped")
        print("      " + done.stderr.strip())
    return found


def report(net, folder, floor):
    return {"refused": report_refused(net, folder, floor["x25519"]), "xdp": report_xdp(),
            "sustained": report_sustained(net, folder, floor["crypto"] + floor["netlink"]),
            "returning": report_returning(net, folder)}


def main():
    hurry()
    sweep()
    net = Net()
    try:
        with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
            Path(folder).chmod(0o755)
            found = report(net, folder, values(net.server.run(program("bench-floor"))))
    finally:
        net.close()
    if OPTIONS.json:
        found = {"costs": found, "rows": RECORDED}
        Path(OPTIONS.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
