"""What the daemon counts, and how it is told: to people, and to Prometheus."""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
from pathlib import Path

import control
import openme
from daemon import descriptors, program
from flood import Flood, Forger
from flood_world import junk, signature
from netns import eventually
from world import FAMILIES, KNOCK_PORT, LONG, WorldTest

MANUAL = Path(__file__).parents[2] / "man/posternd.8"
SERIES = re.compile(r'(postern_\w+)(?:\{((?:\w+="[^"\\]*",?)*)\})? (\d+(?:\.\d+)?)')
TARGETS = 40  # knocks beside what is asked
MANY = 200  # more datagrams than there is room for
PIDFD_GETFD = 438
libc = ctypes.CDLL(None)


def metrics(text):
    """Series to value, of what Prometheus would read."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = SERIES.fullmatch(line).groups()
            series = f"{name}{{{labels}}}" if labels else name
            assert series not in found, f"{series} stands twice"
            found[series] = float(value)
    return found


def take_room(pid):
    """Lets the kernel keep a few datagrams for the process, and no more."""
    pidfd = os.pidfd_open(pid)
    for number, goal in descriptors(pid).items():
        if goal.startswith("socket:"):
            copy = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
            assert copy >= 0, "no right to another's descriptors"
            with socket.socket(fileno=copy) as s:
                if s.family != socket.AF_UNIX:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    os.close(pidfd)


class StatsWorldTest(WorldTest):
    server_settings = {"knock_timeout": LONG, "client_quota": 1000}

    def stats(self):
        return control.stats(self.daemon.control)

    def told(self):
        """What Prometheus is told."""
        return metrics(self.postern("stats", "--prometheus"))

    def assert_counts(self, name, count):
        self.assertTrue(eventually(lambda: self.stats()[name] == count),
                        f"{name} is {self.stats()[name]}, not {count}")

    def serve(self, others=0, **settings):
        """With so many clients more."""
        self.start(self.configuration({f"c{i}": self.client_entry(openme.ClientKey())
                                       for i in range(others)}, **settings))


class StatsTest(StatsWorldTest):
    def refused(self):
        """Verdict to a datagram that gets it."""
        stranger = openme.ClientKey()
        return {"bad_size": b"\x01" * 164, "bad_version": b"\x02" + junk()[1:],
                "malformed": junk()[:-1] + b"\xff", "bad_seal": junk(),
                "unknown_signer": openme.knock(stranger, self.server_key.public)[:101] + signature(),
                "stale": openme.knock(self.alice, self.server_key.public,
                                      timestamp=openme.now_ns() - 10**12)}

    def test_each_refusal_and_grant(self):
        self.serve()
        sent = 0
        for turn, family in enumerate(FAMILIES, 1):
            for packet in self.refused().values():
                self.deliver(packet, family)
            packet = self.knock(self.alice, family, target=f"203.0.113.{family}")
            self.assert_counts("granted", turn)
            self.deliver(packet, family)
            sent += len(self.refused()) + 2
            for verdict in self.refused():
                self.assert_counts(verdict, turn)
            self.assert_counts("copies-dropped", turn)
            self.assert_counts("replayed", turn)
        told, stats = self.told(), self.stats()
        dropped = sum(count for name, count in stats.items() if name.startswith("shield-") and
                      name.rpartition("-")[2] not in ("tagged", "untagged", "keys"))
        self.assertEqual(stats["datagrams-received"] + dropped, sent)
        self.assertEqual(told["postern_up"], 1)
        self.assertEqual(told['postern_knocks_total{verdict="granted"}'], 2)
        self.assertEqual(told['postern_knocks_total{verdict="bad_seal"}'], 2)
        self.assertEqual((stats["grants"], stats["grants-opened"]), (2, 2))
        self.assertEqual(told["postern_grants"], 2)
        self.assertEqual(told["postern_knock_open_seconds_count"], 2)
        self.assertEqual(told['postern_knock_open_seconds_bucket{le="+Inf"}'], 2)
        self.assertGreater(told["postern_knock_open_seconds_sum"], 0)
        self.assertLess(told["postern_knock_open_seconds_sum"], 3600)
        self.assertEqual(told["postern_datagrams_lost_total"], 0)

    def test_what_ends_and_what_goes_on(self):
        self.serve(knock_timeout="1s")
        self.knock()
        self.assert_counts("grants", 1)
        self.assert_counts("grants", 0)
        self.assertEqual(self.stats()["grants-opened"], 1)
        self.serve()
        for count in (1, 2, 3):
            self.knock()
            self.assert_counts("granted", count)
        self.assertEqual((self.stats()["grants"], self.stats()["grants-opened"]), (1, 1))

    def test_clients_1_and_256_and_257(self):
        for others in (1, 256, 257):
            with self.subTest(others=others):
                self.serve(others)
                self.knock()
                self.assert_counts("granted", 1)
                self.assertEqual(self.told()["postern_clients"], others + 3)

    def test_health(self):
        self.serve()
        told = self.told()
        self.assertEqual(told["postern_firewall_in_force"], 1)
        self.assertEqual({s: v for s, v in told.items() if s.startswith("postern_role_up")},
                         {f'postern_role_up{{role="{role}"}}': 1 for role in self.daemon.roles()})
        self.assertEqual(sum(v for s, v in told.items() if s.startswith("postern_intake")), 1)
        self.assertEqual(told['postern_guard{state="none"}'], 1)
        self.assertLessEqual(abs(told["postern_start_time_seconds"] - openme.now_ns() / 1e9), 600)
        self.assertTrue(json.loads(self.postern("stats", "--json"))["healthy"])
        keeper = self.daemon.roles()["keeper"]
        os.kill(keeper, signal.SIGSTOP)
        try:
            self.assertTrue(eventually(lambda: self.stats()["up-keeper"] == 0), "nobody misses it")
            self.assertIn("NOT WELL: a process", self.postern("stats", "--over", "0s"))
            self.assertEqual(self.told()['postern_role_up{role="doorman"}'], 1)
        finally:
            os.kill(keeper, signal.SIGCONT)
        self.assert_counts("up-keeper", 1)

    def test_without_a_firewall(self):
        self.serve(firewall="none")
        self.assertNotIn("postern_firewall_in_force", self.told())
        self.assertTrue(json.loads(self.postern("stats", "--json"))["healthy"])

    def test_reloads(self):
        self.serve()
        good = self.daemon.file.read_text()
        self.assertEqual(self.told()["postern_last_reload_timestamp_seconds"], 0)
        self.postern("reload")
        self.daemon.file.write_text("nonsense: [")
        self.assertIn("posternd", self.postern("reload", check=False) or "posternd")
        told = self.told()
        self.assertEqual((told['postern_reloads_total{result="done"}'],
                          told['postern_reloads_total{result="refused"}']), (1, 1))
        self.assertEqual(told["postern_last_reload_successful"], 0)
        self.assertGreater(told["postern_last_reload_timestamp_seconds"], 0)
        self.assertIn("NOT WELL: the last reload was refused", self.postern("stats", "--over", "0s"))
        self.daemon.file.write_text(good)
        self.postern("reload")
        self.assertEqual(self.told()["postern_last_reload_successful"], 1)

    def test_log_lines_left_out(self):
        """All but the first burst of a kind."""
        self.serve()
        for i in range(100):
            self.deliver(self.refused()["stale"])
        # For one or the other there may be no time.
        judged = lambda: self.stats()["stale"] + self.stats()["busy"]
        self.assertTrue(eventually(lambda: judged() == 100), f"{judged()}, not 100")

        def left_out():
            if self.stats()["stale"] <= 50:
                self.deliver(self.refused()["stale"])
                return False
            return self.stats()["log-lines-left-out"] > 0
        self.assertTrue(eventually(left_out), self.stats())

    def test_what_the_daemon_did_not_read_in_time(self):
        """The kernel has dropped it, and says so with the next that is read."""
        for intake in ("socket", "capture"):
            for family in FAMILIES:
                with self.subTest(intake=intake, family=family):
                    self.serve(intake=intake, workers=1)
                    self.knock(family=family)
                    self.assert_counts("granted", 1)
                    doorman = self.daemon.roles()["doorman"]
                    take_room(doorman)
                    os.kill(doorman, signal.SIGSTOP)
                    for _ in range(MANY):
                        self.deliver(junk(), family)
                    os.kill(doorman, signal.SIGCONT)
                    knocks = self.knock_until_granted(family)
                    told = lambda: sum(self.stats()[what] for what in (
                        "datagrams-lost", "bad_seal", "granted"))
                    self.assertTrue(eventually(lambda: told() == 1 + MANY + knocks),
                                    f"{told()}, not {1 + MANY + knocks}")
                    self.assertGreater(self.stats()["datagrams-lost"], 0)

    def knock_until_granted(self, family):
        """How often, for there may be no room for the first."""
        before, knocks = self.stats()["granted"], 0
        while self.stats()["granted"] == before:
            self.knock(self.bob, family)
            knocks += 1
            self.assertLess(knocks, 100, "no knock is granted")
            eventually(lambda: self.stats()["granted"] > before, within=0.5)
        return knocks

    def test_who_does_not_ask_to_the_end(self):
        """Half a question, one that nobody reads the answer of, and none, as many as there is room
        for: nobody who knocks waits, and who asks in order is answered."""
        self.serve()
        half = [control.connect(self.daemon.control) for _ in range(15)]
        for i, s in enumerate(half):
            if i % 3 == 0:
                s.send(control.request(control.STATS)[:3])
            elif i % 3 == 1:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                s.send(control.request(control.STATS))
        for family in FAMILIES:
            self.knock(family=family)
            self.assert_opens(family)
        self.assertEqual(self.told()["postern_up"], 1)
        for s in half:
            s.close()

    def test_asked_in_a_loop(self):
        """Costs no knock."""
        self.serve()
        over = threading.Event()
        asked = []

        def ask():
            while not over.is_set():
                asked.append(control.stats(self.daemon.control)["granted"])
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            self.grant_all([f"203.0.113.{i}" for i in range(TARGETS)])
            self.assertTrue(eventually(lambda: len(asked) > TARGETS))
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(self.stats()["granted"], TARGETS)

    def test_nothing_of_anybody_is_told(self):
        self.serve()
        self.knock(target="203.0.113.1")
        self.assert_counts("granted", 1)
        for words in (["--prometheus"], ["--json"], ["--over", "0s"]):
            text = self.postern("stats", *words)
            for secret in ("alice", "203.0.113", self.address(4, self.client),
                           openme.text(self.alice.public)):
                self.assertNotIn(secret, text)


class ToldTest(StatsWorldTest):
    """The forms in which it is told."""

    def test_every_metric_is_in_the_manual_and_no_other(self):
        self.serve()
        told = re.findall(r"(?m)^# TYPE (\w+) ", self.postern("stats", "--prometheus"))
        if not any(name.startswith("shield-") for name in self.stats()):
            told.append("postern_shield_datagrams_total")  # no program counts here
        self.assertEqual(sorted(re.findall(r"(?m)^\.It (?:Va )?(postern_\w+)", MANUAL.read_text())),
                         sorted(told))
        self.assertEqual(len(told), len(set(told)))

    def test_promtool_has_no_complaint(self):
        promtool = shutil.which("promtool")
        if promtool is None:
            self.skipTest("no promtool here (Debian's package prometheus)")
        self.serve()
        self.knock()
        self.assert_counts("granted", 1)
        for text in (self.postern("stats", "--prometheus"), "# HELP postern_up Whether the daemon "
                     "has answered.\n# TYPE postern_up gauge\npostern_up 0\n"):
            done = subprocess.run([promtool, "check", "metrics"], input=text, text=True,
                                  capture_output=True)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_a_daemon_that_does_not_run(self):
        self.serve()
        self.daemon.stop()
        done = subprocess.run([program("postern"), "--control", self.daemon.control, "stats",
                               "--prometheus"], text=True, capture_output=True)
        self.assertEqual((done.returncode, metrics(done.stdout)), (1, {"postern_up": 0}))
        self.assertIn("posternd is not running", done.stderr)

    def test_a_file_for_node_exporter(self):
        self.serve()
        folder = self.daemon.folder / "textfile"
        folder.mkdir()
        file = folder / "postern.prom"
        for _ in range(2):
            old = os.umask(0o077)
            self.postern("stats", "--textfile", file)
            os.umask(old)
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o644)
            self.assertEqual(metrics(file.read_text())["postern_up"], 1)
            self.assertEqual(list(folder.iterdir()), [file])
        with open(file) as reading:  # who reads it meanwhile gets all of the old one
            before = file.read_text()
            self.knock()
            self.assert_counts("granted", 1)
            self.postern("stats", "--textfile", file)
            self.assertEqual(reading.read(), before)
        self.assertNotEqual(file.read_text(), before)
        self.daemon.stop()
        self.postern("stats", "--textfile", file, check=False)
        self.assertEqual(metrics(file.read_text()), {"postern_up": 0})
        victim = self.daemon.folder / "victim"
        victim.write_text("precious")
        file.unlink()
        file.symlink_to(victim)
        self.postern("stats", "--textfile", file, check=False)
        self.assertEqual(victim.read_text(), "precious")

    def test_for_people(self):
        self.serve()
        quiet = self.postern("stats")
        self.assertTrue(quiet.startswith("Quiet: nothing is refused.\nKnocks granted just now: 0;"), quiet)
        for family in FAMILIES:
            forger = Forger(self.client, self.address(family), KNOCK_PORT)
            self.addCleanup(forger.close)
            with Flood(forger, [b"\x01" * 164], [self.address(family, self.client)], 2000):
                attacked = self.postern("stats")
            self.assertRegex(attacked, r"^UNDER ATTACK: [\d,]+ datagrams a second are refused,\n"
                                       r"  most as bad_size \(datagram of the wrong size\)\.\n")
        self.assertRegex(self.postern("stats", "--over", "0s"),
                         r"^Since the start [\d,]+ datagrams were refused,\n  most as bad_size")
        for text in (quiet, attacked):
            self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def test_watching(self):
        self.serve()
        watching = self.server.popen(
            program("postern"), "--control", self.daemon.control, "stats", "--watch", "--over",
            "100ms", stdout=subprocess.PIPE, text=True)
        try:
            seen = [watching.stdout.readline() for _ in range(40)]
        finally:
            watching.send_signal(signal.SIGINT)
            watching.stdout.read()
            watching.stdout.close()
            self.assertEqual(watching.wait(), 0)
        self.assertGreaterEqual(sum(line.startswith("Quiet") for line in seen), 2)
