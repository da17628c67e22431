"""The log says what an administrator needs, once, and nothing that a stranger wrote."""

import collections
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import openme
from daemon import Daemon
from netns import eventually
from openme import SECOND
from world import FAMILIES, KNOCK_PORT, LONG, WorldTest

WINDOW = 60 * SECOND
BURST, RATE = 20, 5  # lines at once, and a second, of one refusal (REFUSED_BURST, REFUSED_RATE)

PAIR_BURST, PAIR_SECONDS = 4, 5  # of one client for one address (PAIR_BURST, PAIR_INTERVAL_NS)
RENEWALS, RENEWAL_RATE, CHUNK = 4000, 4000, 40


class LogTest(WorldTest):
    def warnings(self):
        return [line for line in self.daemon.lines() if line["level"] in ("warn", "error")]

    def test_no_line_for_noise(self):
        self.start()
        self.settle()
        before = self.warnings()
        for size in (0, 1, 100, 164, 166, 165, 1400):
            self.deliver(os.urandom(size))
        self.deliver(b"\x01" + os.urandom(164))
        self.deliver(openme.knock(self.alice, openme.ServerKey().public))
        self.settle()
        self.assertEqual(self.warnings(), before)
        self.assertNotIn("bad_", self.daemon.log_path.read_text())

    def test_a_grant_names_client_and_address(self):
        self.start()
        for family in FAMILIES:
            self.knock(family=family)
            source = self.address(family, self.client)
            self.assertTrue(eventually(lambda: [
                line for line in self.verdicts("granted")
                if "alice" in line.values() and source in line.values()]))

    def refusal(self, verdict):
        """One line with the source, however often it happens in a burst."""
        self.assertTrue(eventually(lambda: self.verdicts(verdict)), f"no line for {verdict}")
        self.settle()
        lines = self.verdicts(verdict)
        self.assertIn(self.address(4, self.client), lines[0].values())
        return lines

    def test_refusals_are_limited(self):
        self.start(self.configuration({"bob": {"expires": '"2020-01-01T00:00:00Z"'}}))
        stranger = openme.ClientKey()
        began = time.monotonic()
        packet = self.knock()
        for _ in range(300):
            self.deliver(packet)
            self.knock(self.bob)
            self.knock(timestamp=openme.now_ns() - 2 * WINDOW)
            self.knock(stranger)
        for verdict in ("replayed", "expired", "stale", "unknown_signer"):
            with self.subTest(verdict=verdict):
                lines = collections.Counter(line["role"] for line in self.refusal(verdict))
                most = BURST + RATE * (time.monotonic() - began) + 1
                self.assertLessEqual(max(lines.values()), most, "of one process")

    def test_a_client_that_renews_its_grant(self):
        """4,000 a second for one address: a line each few seconds tells all there is to tell."""
        self.start(self.configuration(knock_timeout=LONG))
        began = time.monotonic()
        packets = [openme.knock(self.alice, self.server_key.public) for _ in range(RENEWALS)]
        address = self.address(4)
        granted = self.counted("granted")
        self.deliver(packets[0])  # from now on its source is known
        self.assertTrue(eventually(lambda: self.counted("granted") > granted))
        for at in range(1, RENEWALS, CHUNK):
            due = time.monotonic() + CHUNK / RENEWAL_RATE
            for packet in packets[at:at + CHUNK]:
                self.client.send(packet, address, KNOCK_PORT)
            time.sleep(max(0, due - time.monotonic()))
        self.assertTrue(eventually(lambda: self.counted("granted") - granted >= RENEWALS))
        lines = self.verdicts("granted", client="alice")
        self.assertLessEqual(len(lines), PAIR_BURST + (time.monotonic() - began) / PAIR_SECONDS)
        self.assertGreaterEqual(len(lines), PAIR_BURST)
        self.assertTrue(eventually(self.told_of_again), "no line says how many were left out")

    def told_of_again(self):
        """The renewals that had no line, in the next one."""
        self.knock()
        return sum(int(line["suppressed"]) for line in self.verdicts("granted")) >= \
            RENEWALS - len(self.verdicts("granted"))

    def test_a_stale_knock_tells_the_offset(self):
        self.start()
        for hours in (-1, 1):
            self.knock(timestamp=openme.now_ns() + hours * 3600 * SECOND)
        self.settle()
        self.assertTrue(eventually(lambda: self.verdicts("stale")))
        self.assertRegex(json.dumps(self.verdicts("stale")), r"-?(1h|60m|3[56]\d\d)")

    def test_text_lines_are_one_line_each(self):
        """Nothing but printable ASCII, and each line starts as a line of ours."""
        self.start()
        self.daemon.stop()
        self.daemon.log_path.unlink()
        self.daemon.start(log_format="text")
        for _ in range(200):
            self.deliver(b"\n2026-01-01T00:00:00Z info keeper: knock accepted" + os.urandom(60))
            self.deliver(b"\x01" + b"\n" * 164)
        self.knock()
        self.knock(openme.ClientKey())
        self.settle()
        text = self.daemon.log_path.read_bytes()
        self.assertFalse([c for c in text if not (32 <= c < 127 or c == 10)])
        for line in text.decode().splitlines():
            self.assertRegex(line, r"^\S+Z (error|warn|info|debug) \w+: ")
        accepted = [line for line in text.decode().splitlines() if "knock accepted" in line]
        self.assertEqual(sum(" client=alice " in line for line in accepted), 1)
        self.assertEqual([line for line in accepted if " client=alice " not in line and
                          " client=marker " not in line], [])

    def test_hostile_client_names_make_no_lines(self):
        keys = {name: openme.ClientKey() for name in (
            '"a\\nb"', '"a b"', '"\\e[31m"', '"a=b"', '".."', '"a/b"', '"a\\"b"',
            '"' + "x" * 64 + '"', '""', "-x", '"\\u202e"', '"' + "y" * 300 + '"')}
        clients = {name: self.client_entry(key) for name, key in keys.items()}
        for name in keys:
            with self.subTest(name=name):
                code, output = self.check(self.configuration({name: clients[name]}))
                self.assertEqual(code, 0, output)
                self.assertLessEqual(len(output.strip().splitlines()), 2)
                self.assertTrue(output.isascii())
                self.assertNotIn("\x1b", output)
        self.start(self.configuration(clients))
        self.daemon.stop()
        self.daemon.log_path.unlink()
        self.daemon.start(log_format="text")
        for key in keys.values():
            self.knock(key)
        self.settle()
        text = self.daemon.log_path.read_bytes()
        self.assertFalse([c for c in text if not (32 <= c < 127 or c == 10)])
        self.assertNotIn(b" client=alice ", text)
        for line in text.decode().splitlines():
            self.assertRegex(line, r"^\S+Z (error|warn|info|debug) \w+: ")
            self.assertNotRegex(line, r"client=(?![\w.@%+-]+ )")

    def check(self, configuration):
        """Exit code and output of `posternd --check`."""
        daemon = Daemon(self.server, Path(tempfile.mkdtemp(dir=self.folder)), configuration)
        self.addCleanup(daemon.close)
        done = subprocess.run(list(map(str, daemon.command("--check"))), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout
