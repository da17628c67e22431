#!/usr/bin/python3
"""Knocks during floods: how many open, how much later than without one, and what it costs.

Each row is a daemon of its own with 100 clients. During the flood 300 knocks come, in turn a stock
one from an address and network that nobody has seen, a stock one from an address that its client
has knocked from before, and one of ours with lookup hint and shield tag. README.md says the rest."""

import ipaddress
import json
import tempfile
import time
from pathlib import Path

from measure import OPTIONS, hurry, program, row

import openme
from gate import CLIENTS, SPA_PORT, UDP_SERVICE, Gate, Net, known
from netns import sweep
from world import KNOCK_PORT

KINDS = ("new", "known", "ours")
STRIDE = 256  # each knock from a network of its own
FIRST = {4: "10.200.0.1", 6: "2001:db8:c000::1"}
FLOODER = {4: "10.160.0.1", 6: "2001:db8:a000::1"}
PAUSE_MS = 10
WARM = 0.5  # seconds of flood before the first knock
PATIENCE = 2  # seconds, that bench-probe waits for an opening; it says so there
MANY = 100_000  # forged sources

#        name                kind         rate     how
ROWS = (("none", None, 0, ()),
        ("random", "random", 50_000, ()),
        ("malformed", "malformed", 50_000, ()),
        ("malformed, most", "malformed", 0, ()),
        ("junk", "junk", 25_000, ()),
        ("junk", "junk", 50_000, ()),
        ("junk, most", "junk", 0, ()),
        ("junk, forged", "junk", 50_000, ("--sources", MANY)),
        ("unsigned", "unsigned", 20_000, ()),
        ("unsigned, most", "unsigned", 0, ()),
        ("unsigned, forged", "unsigned", 200, ("--sources", MANY)),
        ("unsigned, forged", "unsigned", 2000, ("--sources", MANY)),
        ("copy", "copy", 20_000, ()),
        ("copy, most", "copy", 0, ()),
        ("copy, forged", "copy", 20_000, ("--sources", MANY)),
        ("prefix", "prefix", 20_000, ()),
        ("valid, one client", "valid", 4000, ()),
        ("openspa", "openspa", 50_000, ()),
        ("openspa, most", "openspa", 0, ()))


SHORT_EACH = 30  # knocks of each kind in `make bench`
SHORT = ("none", "malformed, most", "junk, most", "junk, forged", "unsigned, forged", "copy, most",
         "prefix")
SHORT_SETTINGS = ({"shield": "prefer"}, {"shield": "require"},
                  {"intake": "capture", "shield": "prefer"}, {"intake": "xdp", "shield": "prefer"})


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


def source_text(family, number):
    """As bench-probe counts them."""
    address = ipaddress.ip_address(FIRST[family])
    return str(address + (number * STRIDE << (64 if family == 6 else 0)))


class Row:
    """One flood against a daemon, and the knocks beside it."""

    def __init__(self, net, folder, settings, each, family=4, spa=False):
        self.gate = Gate(net, folder, settings, family=family, spa=spa)
        self.each, self.family = each, family
        self.tagged = settings.get("shield", "off") != "off"
        self.stock = settings.get("shield") != "require"  # whether knocks without a tag are heard

    def prepare(self):
        gate = self.gate.start()
        gate.introduce((i // 3 % CLIENTS, source_text(self.family, i))
                       for i in range(3 * self.each) if KINDS[i % 3] == "known" and self.stock)
        tag = ("--shield-key", gate.shield_key) if self.tagged else ()
        extras = {"new": (), "known": (), "ours": ("--hint", *tag)}
        files = [gate.write(kind, "valid", "--clients", CLIENTS, "--count", self.each,
                            *extras[kind]).read_bytes() for kind in KINDS]
        size = openme.PACKET_BYTES
        self.packets = gate.folder / "knocks"
        self.packets.write_bytes(b"".join(data[at:at + size] for at in range(0, len(files[0]), size)
                                          for data in files))
        self.captured = gate.write("captured", "valid", "--clients", 1, "--first", gate.extra,
                                   "--count", 1, "--hint", *tag)

    def flood(self, kind, rate, how):
        gate = self.gate
        seconds = WARM + 3 * self.each * PAUSE_MS / 1000 + PATIENCE
        options = ["--source", FLOODER[self.family], "--packets", self.captured,
                   "--clients", 1, "--first", gate.extra, *how]
        if kind == "copy":  # of one that was handed on
            with gate.net.client.socket(2 if self.family == 4 else 10, 2) as s:
                s.sendto(self.captured.read_bytes(), (gate.address, KNOCK_PORT))
        return gate.load(kind, rate, seconds, *options,
                         port=SPA_PORT if kind == "openspa" else KNOCK_PORT)

    def run(self, kind, rate, how):
        gate = self.gate
        load = self.flood(kind, rate, how) if kind else None
        before = gate.memory_kib(), gate.cpu(), gate.drops(), gate.drops(SPA_PORT)
        stats = gate.stats()
        begin = time.monotonic()
        if load:
            load.begin()
            time.sleep(WARM)
        text = gate.net.client.run(
            program("bench-probe"), gate.address, KNOCK_PORT, UDP_SERVICE,
            f"/run/netns/{gate.net.server.name}", self.packets, FIRST[self.family], STRIDE,
            PAUSE_MS)
        sent = load.result() if load else {"sent": 0, "pps": 0}
        seconds = time.monotonic() - begin
        cpu, now = gate.cpu(), gate.stats()
        found = {"sent": sent["sent"], "pps": sent["pps"], "seconds": seconds,
                 "cpu": {role: (cpu[role] - before[1][role]) / seconds for role in cpu},
                 "dropped": gate.drops() - before[2] + gate.drops(SPA_PORT) - before[3],
                 "memory_kib": [before[0], gate.memory_kib()],
                 "verdicts": {name: n - stats.get(name, 0) for name, n in now.items()
                              if n > stats.get(name, 0)},
                 "wrongly_granted": len(self.wrong(kind)), "log_lines": len(gate.daemon.lines())}
        found.update(self.judged(json.loads(text.splitlines()[-1])["delays_ms"]))
        return found

    def wrong(self, kind):
        """What is open and should not be: nothing that the flooder has sent opens, unless he is a
        client himself."""
        network = FLOODER[self.family].rsplit(".", 3)[0] if self.family == 4 else "2001:db8:a"
        flooder = {a for a in self.gate.granted() if self.family == 4 and in_flood(a)
                   or self.family == 6 and a.startswith(network)}
        return set() if kind in ("valid", "copy") else flooder

    def judged(self, delays):
        found = {}
        for i, kind in enumerate(KINDS):
            mine = delays[i::3]
            opened = [delay for delay in mine if delay is not None]
            found[kind] = {"of": len(mine), "opened": len(opened),
                           "p50_ms": percentile(opened, 0.5), "p99_ms": percentile(opened, 0.99)}
        return found


def in_flood(address):
    words = address.split(".")
    return len(words) == 4 and words[0] == "10" and 160 <= int(words[1]) < 200


def shown(value):
    return "-" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def print_head(each):
    print(f"  {'':<26} {'sent':>9} | {'opened of ' + str(each):^15} | {'p50, p99 ms (ours)':^18} | "
          f"{'p99 (known)':>11} | {'lost':>8} {'door':>5} {'keep':>5} {'MB':>11} {'not his':>7}")
    print(f"  {'flood':<26} {'a second':>9} | {'new':>4} {'known':>5} {'ours':>4} |", flush=True)


def print_row(flood, found):
    new, known_ones, ours = (found[kind] for kind in KINDS)
    cpu, memory = found["cpu"], [kib / 1024 for kib in found["memory_kib"]]
    print(f"  {flood:<26} {found['pps']:>9,.0f} | {new['opened']:>4} {known_ones['opened']:>5} "
          f"{ours['opened']:>4} | {shown(ours['p50_ms']):>8} {shown(ours['p99_ms']):>9} | "
          f"{shown(known_ones['p99_ms']):>11} | {found['dropped']:>8,} "
          f"{cpu.get('doorman', 0):>5.2f} {cpu.get('keeper', 0):>5.2f} "
          f"{memory[0]:>5.1f} {memory[1]:>5.1f} {found['wrongly_granted']:>7}", flush=True)


def one(net, folder, settings, flood, each, family=4):
    name, kind, rate, how = flood
    spa = kind == "openspa"
    running = Row(net, Path(folder) / "gate", settings, each, family, spa)
    try:
        running.prepare()
        found = running.run(kind, rate, how)
    finally:
        running.gate.close()
    return {"flood": name, "kind": kind, "rate": rate, "settings": settings, "family": family,
            **found}


def settings_asked():
    words = [dict(word.split("=", 1) for word in text.split(",") if word)
             for text in OPTIONS.settings or [""]]
    return words or [{}]


def report(net, folder, settings, rows, each):
    """Prints the rows of one configuration and returns them."""
    title = text_of(settings)
    complaint = known(net, folder, settings)
    if complaint:
        print(f"\nFloods, {title}: skipped, this daemon does not know it: {complaint}")
        return []
    print(f"\nFloods, {title}; {CLIENTS} clients")
    print_head(each)
    found = []
    for flood in rows:
        found.append(one(net, folder, settings, flood, each, OPTIONS.family))
        print_row(flood[0], found[-1])
    return found


def report_short(net, folder):
    """All floods with the defaults, and some with each other setting."""
    found = report(net, folder, {}, ROWS, SHORT_EACH)
    some = [flood for flood in ROWS if flood[0] in SHORT]
    for settings in SHORT_SETTINGS:
        found += report(net, folder, settings, some, SHORT_EACH)
    judge(found)
    return found


def judge(found):
    """What is promised: our clients with tag and hint, and stock ones that are known."""
    print()
    base = {text_of(one["settings"]): one for one in found if one["kind"] is None}
    for settings, none in base.items():
        rows = [one for one in found if text_of(one["settings"]) == settings]
        for kind in ("ours", "known"):
            if kind == "ours" and "shield" not in none["settings"] or \
               kind == "known" and none["settings"].get("shield") == "require":
                continue
            worst = min(rows, key=lambda one: one[kind]["opened"] / one[kind]["of"])
            share = 100 * worst[kind]["opened"] / worst[kind]["of"]
            row(f"{settings}: {kind}, least opened ({worst['flood']})", f"{share:.0f} of 100",
                "at least 99", "", share >= 99)
            added = max((one[kind]["p99_ms"] or 1e9) for one in rows) - (none[kind]["p99_ms"] or 0)
            row("  p99 delay that is added", f"{added:.1f} ms" if added < 1e6 else "-",
                "under 20 ms", "", added < 20)
    wrong = sum(one["wrongly_granted"] for one in found)
    row("addresses of flooders that something is open for", str(wrong), "0", "", wrong == 0)


def text_of(settings):
    return ", ".join(f"{key}: {value}" for key, value in settings.items()) or "defaults"


def chosen():
    if OPTIONS.rates:
        return [ROWS[0]] + [("junk, forged", "junk", rate, ("--sources", MANY))
                            for rate in OPTIONS.rates]
    words = OPTIONS.rows
    return [flood for flood in ROWS if not words or flood[0] in words or flood[1] in words]


def main():
    hurry()
    sweep()
    net = Net()
    found = []
    try:
        with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
            Path(folder).chmod(0o755)
            for settings in settings_asked():
                found += report(net, folder, settings, chosen(), OPTIONS.each)
    finally:
        net.close()
    if OPTIONS.json:
        Path(OPTIONS.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
