"""Restarts without end, a part of them by kill -9 at random instants, while a stranger tries to connect
without a pause, a client knocks ten times a second, and knocks that were captured are sent again.

tests/restarts runs it for longer."""

import ipaddress
import json
import os
import random
import signal
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import control
import openme
from daemon import descendants, program, state_of
from netns import eventually
from stranger import Stranger
from world import FAMILIES, WorldTest

ROUNDS = int(os.environ.get("RESTARTS", "100"))
CAPTURED = int(os.environ.get("CAPTURED", "2000"))
SEED = int(os.environ.get("SEED", "7"))
STEPS = min(ROUNDS, max(10, CAPTURED // 100))
EACH_KILLED = 5  # every fifth end is a kill -9, and half of these come while the daemon starts
PAUSE = 0.1  # between two knocks
GRANT = 6  # seconds
TOLERANCE = 1
OF_SOURCE = 8  # knocks that may wait in the doorman for one source at once
# Where the client's addresses come from, and those that send captured knocks.
NETWORKS = {4: "10.130.0.0/16", 6: "fd99::/64"}
ELSEWHERE = {4: "10.131.0.0/16", 6: "fd98::/64"}


class Knocker:
    """Knocks from a new address each time, and sees what becomes of it: it opens; it stays open for its
    time; it is shut after it."""

    def __init__(self, world):
        self.world = world
        self.count = 0
        self.lost, self.cut_short, self.too_long, self.faults = [], [], [], []
        self.captured = []  # (packet, when)
        self.ends = threading.Event()
        self.pool = ThreadPoolExecutor(160)
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ends.wait(PAUSE):
            self.count += 1
            family = FAMILIES[self.count % 2]
            source = str(ipaddress.ip_network(NETWORKS[family])[self.count])
            self.pool.submit(self.follow, family, source)

    def follow(self, family, source):
        try:
            self.knock(family, source)
        except Exception as fault:
            self.faults.append(f"{source}: {fault!r}")

    def knock(self, family, source):
        sent = time.monotonic()
        packet = self.world.knock(family=family, source=source)

        def opens(timeout=0.05):
            return self.world.reaches(family, source=source, timeout=timeout)
        if not eventually(opens):
            self.lost.append((source, sent))
            return
        opened = time.monotonic()
        self.captured.append((packet, opened))
        while time.monotonic() < sent + GRANT - 1:
            if not any(opens(0.4) for _ in range(2)) and time.monotonic() < sent + GRANT:
                self.cut_short.append(source)
                break
            time.sleep(0.9)
        time.sleep(max(0, opened + GRANT + TOLERANCE - time.monotonic()))
        if opens():
            self.too_long.append(source)

    def finish(self):
        self.ends.set()
        self.thread.join()
        self.pool.shutdown()


class RestartsTest(WorldTest):
    server_settings = {"knock_timeout": f"{GRANT}s"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client.run("sysctl", "-q", "-w", "net.ipv6.ip_nonlocal_bind=1")
        for networks in (NETWORKS, ELSEWHERE):
            for family, network in networks.items():
                words = [f"-{family}", "route", "add"]
                cls.client.ip(*words, "local", network, "dev", "lo")
                cls.server.ip(*words, network, "via", cls.client.addresses[1][family])
                # IPv6 takes a second for it.
                assert eventually(lambda f=family, n=network: " 0% packet loss" in cls.client.run(
                    "ping", "-c", "1", "-W", "0.2", "-I", str(ipaddress.ip_network(n)[-2]),
                    cls.server.addresses[1][f], check=False)), "no way back"

    # Ends and starts

    def start_anew(self):
        began = time.monotonic()
        self.daemon.start()
        self.ready.append(time.monotonic() - began)
        self.life.append((began + self.ready[-1], "ready"))

    def kill(self):
        self.life.append((time.monotonic(), "kill -9"))
        self.killed += 1
        self.daemon.kill()

    def kill_while_it_starts(self):
        self.kill()
        self.daemon.start(ready=False)
        time.sleep(self.chance.uniform(0, 0.15))
        pid = self.daemon.process.pid
        os.kill(pid, signal.SIGSTOP)  # or it starts one more while we look
        eventually(lambda: state_of(pid) in ("T", "Z", None))
        self.daemon.pids = [pid, *descendants(pid)]
        self.kill()

    def end(self, turn):
        if turn % EACH_KILLED:
            self.life.append((time.monotonic(), "SIGTERM"))
            self.daemon.stop()
        elif turn % (2 * EACH_KILLED):
            self.kill()
        else:
            self.kill_while_it_starts()

    # Captured knocks

    def send_again(self, captured, count):
        """Some that are young enough to be fresh and some that are not, from the address of one that
        knocks and from others, over both families."""
        for i in range(count):
            packet, _ = self.chance.choice(captured[-150:] if i % 4 else captured)
            family = FAMILIES[i % 2]
            place = 1 + self.chance.randrange(4)
            self.deliver(packet, family,
                         source=str(ipaddress.ip_network(ELSEWHERE[family])[place]))
            if i % OF_SOURCE == OF_SOURCE - 1:
                time.sleep(0.002)
        self.sent_again += count

    def accepted_again(self):
        networks = [ipaddress.ip_network(network) for network in ELSEWHERE.values()]
        return {address for address in self.granted()
                if any(ipaddress.ip_address(address) in network for network in networks)}

    def start_with_clock(self, step):
        """Set by `step` seconds before the start."""
        os.environ.update(LD_PRELOAD=str(program("tests/system/clock.so")), CLOCK_STEP_S=str(step))
        try:
            self.daemon.start()
        finally:
            del os.environ["LD_PRELOAD"], os.environ["CLOCK_STEP_S"]

    def judged(self):
        """How many knocks since the start."""
        return sum(count for verdict, count in control.verdicts(self.daemon.control).items()
                   if verdict not in ("handed_on", "wrong_signer"))

    def test_captured_knocks_over_clock_steps(self):
        """The clock goes forth and back between the daemons; each gives grants that the next must not
        give again, and all that was captured is sent again, by other sources."""
        self.chance = random.Random(SEED)
        self.sent_again, self.again, step, granted, captured = 0, set(), 0, 0, []
        self.start()
        for turn in range(1, STEPS + 1):
            self.daemon.kill() if turn % 2 else self.daemon.stop()
            step += self.chance.randrange(-25, 45)
            self.start_with_clock(step)
            fresh = []
            for i in range(10):
                # It opens for whoever sends it, so that another who could is seen.
                target = str(ipaddress.ip_network(NETWORKS[4])[10 * turn + i])
                packet = self.knock(source=target, timestamp=openme.now_ns() + self.chance.randrange(
                    (step - 20) * openme.SECOND, (step + 20) * openme.SECOND))
                fresh.append((packet, target))
            self.assertTrue(eventually(lambda: self.judged() >= len(fresh)))
            there = self.granted()
            captured += [(packet, target) for packet, target in fresh if target in there]
            granted += sum(target in there for _, target in fresh)
            if captured:
                self.send_again(captured, CAPTURED // STEPS)
            time.sleep(0.05)
            self.again |= self.accepted_again()
        self.daemon.stop()
        print(f"{STEPS} steps of the clock: {granted} of {10 * STEPS} granted, captured knocks sent "
              f"again: {self.sent_again}, accepted {len(self.again)}")
        self.assertEqual(self.again, set())
        self.assertGreater(granted, STEPS)
        for verdict in ("replayed", "not_remembered"):
            self.assertTrue(self.verdicts(verdict), verdict)

    def turns(self, knocker):
        # A grant is seen in a look each turn, for it lasts longer than one.
        each = CAPTURED // ROUNDS
        for turn in range(1, ROUNDS + 1):
            time.sleep(self.chance.uniform(0, 0.2))
            self.end(turn)
            self.start_anew()
            if knocker.captured:
                self.send_again(list(knocker.captured), each)
            self.again |= self.accepted_again()

    def report(self, knocker, strangers):
        verdicts = {}
        for text in self.daemon.log_path.read_text().splitlines():
            if not text.startswith("{"):  # of one that was killed before it knew how to write
                print(text)
                continue
            line = json.loads(text)
            if "verdict" in line:
                verdicts[line["verdict"]] = (verdicts.get(line["verdict"], 0) + 1 +
                                             int(line["suppressed"]))
        ready = [1000 * second for second in self.ready]
        print(f"{ROUNDS} restarts and {self.killed} kills -9 of them or besides; ready after "
              f"{statistics.median(ready):.0f} ms (median), {max(ready):.0f} ms (most)")
        print(f"strangers: {sum(s.tries for s in strangers)} tries, "
              f"{sum(s.connections for s in strangers)} connections")
        print(f"knocks: {knocker.count}, lost {len(knocker.lost)}; grants lost "
              f"{len(knocker.cut_short)}, too long {len(knocker.too_long)}")
        print(f"captured knocks sent again: {self.sent_again}, accepted {len(self.again)}")
        print(f"verdicts: {verdicts}")
        for source, sent in knocker.lost:
            near = [f"{what} {1000 * (when - sent):+.1f} ms" for when, what in self.life
                    if abs(when - sent) < 0.3]
            print(f"lost: {source}: {', '.join(near)}")
        for what, found in (("grant lost", knocker.cut_short),
                            ("too long", knocker.too_long), ("fault", knocker.faults)):
            for one in found:
                print(f"{what}: {one}")
        return verdicts

    def test_restarts(self):
        self.chance = random.Random(SEED)
        self.life = []  # when, what
        self.ready, self.killed, self.sent_again, self.again = [], 0, 0, set()
        self.start()
        self.daemon.stop()
        self.daemon.notices.keeps = True
        self.daemon.start()
        strangers = [Stranger(self.other, self.server.addresses[2][family]) for family in FAMILIES]
        knocker = Knocker(self)
        for thread in (*strangers, knocker.thread):
            thread.start()
        try:
            self.turns(knocker)
        finally:
            knocker.finish()
            found = [stranger.count() for stranger in strangers]
        self.again |= self.accepted_again()
        verdicts = self.report(knocker, strangers)
        self.assertEqual(found, [0, 0])
        self.assertEqual(knocker.faults, [])
        self.assertEqual(knocker.lost, [])
        self.assertEqual(knocker.cut_short, [])
        self.assertEqual(knocker.too_long, [])
        self.assertEqual(self.again, set())
        # That it was shown something.
        self.assertGreater(knocker.count, ROUNDS)
        self.assertGreater(verdicts.get("replayed", 0), CAPTURED / 10)
        self.assertTrue(all(stranger.tries > ROUNDS for stranger in strangers))
