#!/usr/bin/python3
"""status-page.py BUILD: makes doc/status-page.png, the status page with an hour that never was.

Needs root, for a network namespace, and Chromium. The page is the one that postern-web serves; what
it is told is made up here, with addresses and names that are for examples."""

import os
import random
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = Path(sys.argv[1]).resolve()
os.environ["POSTERN_BUILD"] = str(BUILD)
sys.path.insert(0, str(HERE.parent / "tests/system"))

from chromium import Chromium  # noqa: E402
from netns import Namespace  # noqa: E402
from web import Web  # noqa: E402

NOW = int(time.time() * 1000)
MINUTE = 60_000
chance = random.Random(5)


def minutes():
    let_in = [chance.choice((0, 0, 1, 1, 2, 3)) for _ in range(60)]
    refused = [chance.choice((0, 0, 0, 0, 1)) for _ in range(60)]
    noise = [chance.randint(2, 9) for _ in range(60)]
    for at, much in ((33, 40), (34, 88), (35, 71), (36, 23)):  # somebody scans
        noise[at] += much
        refused[at] += much // 16
    return {"granted": let_in, "refused": refused, "noise": noise}


def grant(label, address, left, whole, *ports):
    return {"label": label, "address": address, "ports": [list(port) for port in ports],
            "more": False, "opened_ms": NOW - (whole - left) * 1000, "left_ms": left * 1000,
            "overdue": False}


def client(label, address, ago, is_open=False):
    return {"label": label, "address": address, "seen_ms": NOW - int(ago * MINUTE), "open": is_open}


SSH, WEB, VPN = (6, 22, 22), (6, 443, 443), (17, 51820, 51820)
HOUR = minutes()
SUMS = {kind: sum(counts) for kind, counts in HOUR.items()}
GRANTS = [grant("anna", "203.0.113.24", 48, 1800, SSH),
          grant("backup", "2001:db8:17::5", 402, 3600, SSH, (6, 8000, 8010)),
          grant("jonas", "198.51.100.77", 1290, 1800, SSH, WEB),
          grant("ci-runner-03", "203.0.113.140", 2210, 3600, SSH),
          grant("Zo%C3%AB%27s%20laptop", "2001:db8:42:1::c0de", 3105, 3600, VPN)]
CLIENTS = [client("Zo%C3%AB%27s%20laptop", "2001:db8:42:1::c0de", 8.2, True),
           client("jonas", "198.51.100.77", 8.5, True),
           client("ci-runner-03", "203.0.113.140", 23.1, True),
           client("anna", "203.0.113.24", 29.2, True),
           client("backup", "2001:db8:17::5", 53.4, True),
           client("office", "192.0.2.10", 131), client("mira", "198.51.100.3", 880),
           client("old-phone", "203.0.113.9", 23000)]
DATA = {
    "now_ms": NOW, "version": "0.1.0", "problem": None, "host": "gate.example.org",
    "healthy": True, "started_s": NOW // 1000 - 12 * 86400, "configured_clients": 11,
    "configured_devices": 0, "minutes": HOUR,
    "health": [{"what": what, "state": state, "say": say} for what, state, say in (
        ("Processes", "good", "all 4 answer"), ("Firewall", "good", "in force"),
        ("Guard", "good", "keeps ports shut while the daemon is down"),
        ("Intake", "good", "knocks come by a socket"),
        ("Shield", "good", "junk is dropped at the socket"),
        ("Queue", "good", "nothing was lost"), ("Sandbox", "good", "all layers closed"),
        ("Configuration", "good", "as at the start"))],
    "verdicts": [{"name": name, "kind": kind, "hour": hour, "all": count, "meaning": meaning}
                 for name, kind, hour, count, meaning in (
        ("granted", "granted", SUMS["granted"], 18204, "knock accepted"),
        ("bad_size", "noise", SUMS["noise"] - 61, 40117, "datagram of the wrong size"),
        ("bad_seal", "noise", 61, 2918, "not sealed for this server"),
        ("unknown_signer", "refused", SUMS["refused"] - 3, 311,
         "sealed for us, signed by nobody we know"),
        ("stale", "refused", 3, 46, "timestamp outside the window"))],
    "grants": {"all": 5, "kept": 5, "matching": 5, "rows": GRANTS},
    "clients": {"all": 8, "kept": 8, "matching": 8, "rows": CLIENTS},
}


def packed(picture):
    """The same picture, as small as zlib makes it."""
    out, pixels, at = picture[:8], b"", 8
    while at < len(picture):
        size, kind = struct.unpack(">I4s", picture[at:at + 8])
        body, at = picture[at + 8:at + 8 + size], at + 12 + size
        if kind == b"IDAT":
            pixels += body
            continue
        if kind == b"IEND":
            out += chunk(b"IDAT", zlib.compress(zlib.decompress(pixels), 9))
        out += chunk(kind, body)
    return out


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def main():
    space = Namespace("page")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with Web(space, BUILD / "postern-web", folder, Path(folder) / "control") as served, \
                Chromium(space) as page:
            page.tell(DATA)
            page.show(width=1120, height=700)
            page.open(served.url())
            page.wait_for("document.querySelectorAll('#open-rows tr').length == 5")
            page.show(width=1120, height=page.run("document.body.scrollHeight"))
            (HERE / "status-page.png").write_bytes(packed(page.picture()))
            if len(sys.argv) > 2:  # a folder for other ways to look at it
                for name, width, dark in (("dark", 1120, True), ("phone", 360, False),
                                          ("narrow", 320, True), ("tablet", 800, False)):
                    page.show(width=width, dark=dark, height=700)
                    page.show(width=width, dark=dark,
                              height=page.run("document.body.scrollHeight"))
                    Path(sys.argv[2], f"{name}.png").write_bytes(page.picture())
    space.close()


main()
