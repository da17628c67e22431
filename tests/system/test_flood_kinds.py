"""Floods of one kind: copies of a knock, what anybody can seal, valid knocks of one client, OpenSPA
beside openme. Counts say what became of them; how fast the machine is plays no part."""

import time

import control
import openme
import openspa
from flood import Flood, Forger, Starving, hurry
from flood_world import (CROWD, HOME, KNOCKS, PAUSE, RATE, TRUSTED, FloodWorldTest, host, junk,
                         signature)
from netns import eventually
from spa_world import PORT as SPA_PORT
from spa_world import SpaWorldTest
from world import KNOCK_PORT, LONG

NETWORKS = [f"2001:db8:{i:x}::1" for i in range(1, 5000)]  # each in a /48 of its own
UNSIGNED_RATE = 200  # a second, each from another network
PREFIX_BYTES = 45  # what a shield's tag covers
VALID = 4000  # knocks of one client
LINES_A_SECOND = 50
LINES_AT_ONCE = 500
SPARE_KIB = 256
REQUESTS = 40


class CopiesTest(FloodWorldTest):
    def flood_with_copies(self, captured, sources, ours):
        """Those that come before the first one was found are looked at, and one again each second."""
        before = self.counted("handed_on")
        sent = self.assert_served([captured], sources, ours)
        handed_on = self.counted("handed_on") - before - KNOCKS
        self.assertLess(handed_on, sent // 50, f"of {sent} copies")

    def newcomers(self):
        return [(host(100 + i), self.crowd[i * 2]) for i in range(KNOCKS)]

    def test_from_its_own_address(self):
        self.serve()
        self.flood_with_copies(self.introduce(HOME, self.alice), [HOME], self.newcomers())

    def test_from_everywhere(self):
        """The client that it is of stands last, and is known at none of these addresses."""
        self.serve()
        captured = self.introduce(HOME, self.crowd[-1])
        self.flood_with_copies(captured, [host(i) for i in range(3, 90)], self.newcomers())


class UnsignedTest(FloodWorldTest):
    """From ever new networks: each costs a search of all keys, in what is left for strangers."""

    def setUp(self):
        super().setUp()
        self.forge(6)

    def begin(self):
        """The server, and a first knock from a true address: a cable of IPv6 is slow to begin with."""
        self.serve()
        self.introduce("fd77:1::2", self.alice)

    def ours(self, i):
        return f"2001:db9:{i:x}::1", self.crowd[i * 2 % CROWD]

    def test_with_hint(self):
        self.begin()
        self.assert_served(self.sealed(400), NETWORKS,
                           [(*self.ours(i), True) for i in range(KNOCKS)], UNSIGNED_RATE)

    def test_known_at_the_address(self):
        self.begin()
        homes = [self.ours(i) for i in range(KNOCKS // 2)]
        for home in homes:
            self.introduce(*home)
        self.assert_served(self.sealed(400), NETWORKS, homes, UNSIGNED_RATE)

    def test_with_hint_and_junk_of_every_kind(self):
        """The seals of a captured knock, its beginning, junk, and what nobody has signed."""
        self.begin()
        captured = self.introduce(*self.ours(0))
        beginnings = [captured[:PREFIX_BYTES] + junk()[PREFIX_BYTES:] for _ in range(100)]
        seals = [captured[:101] + signature() for _ in range(100)]
        packets = [packet for some in zip(beginnings, seals, self.sealed(100),
                                          [junk() for _ in range(100)]) for packet in some]
        self.assert_served(packets, [self.ours(0)[0], *NETWORKS],
                           [(*self.ours(i), True) for i in range(KNOCKS)], RATE // 2)


class ValidTest(FloodWorldTest):
    """One client knocks as fast as it can, for the address that it comes from."""

    server_settings = {"knock_timeout": LONG, "client_quota": 300}

    def packets(self):
        return [openme.knock(self.bob, self.server_key.public) for _ in range(VALID)]

    def test_others_are_served_and_the_log_stays_short(self):
        self.serve()
        for i in range(KNOCKS // 2):
            self.introduce(host(100 + i), self.crowd[i])
        before, begin = len(self.daemon.lines()), time.monotonic()
        self.assert_served(self.packets(), [HOME],
                           [(host(100 + i), self.crowd[i]) for i in range(KNOCKS // 2)],
                           RATE // 3, beside=[HOME])
        self.assertGreater(self.counted("granted"), 2 * KNOCKS)
        lines = len(self.daemon.lines()) - before
        self.assertLess(lines, LINES_AT_ONCE + LINES_A_SECOND * (time.monotonic() - begin))
        self.assertLess(len(self.verdicts("granted", client="bob")), KNOCKS)


class MemoryTest(FloodWorldTest):
    def test_is_flat(self):
        """What a flood needs it has needed soon; a longer one needs no more."""
        self.serve()
        packets = [packet for pair in zip(self.sealed(200), (junk() for _ in range(200)))
                   for packet in pair]
        sources = [host(i) for i in range(3, 250)]
        sizes = []
        for _ in range(3):
            with Flood(self.forger, packets, sources, RATE) as flood:
                self.assertTrue(eventually(lambda f=flood: f.sent > RATE))
            self.settle()
            sizes.append(self.memory())
        self.assertLess(sizes[2] - sizes[1], SPARE_KIB, sizes)


class TwoProtocolsTest(SpaWorldTest, FloodWorldTest):
    """A flood of one is nothing to the other."""

    def setUp(self):
        super().setUp()
        self.serve(duration=LONG)
        hurry(self)

    def serve(self, **settings):
        SpaWorldTest.serve(self, server={"client_quota": 300}, **settings)

    def test_junk_for_openspa_beside_openme(self):
        """No datagram of ours is lost at a socket, and what is no request opens nothing."""
        requests = [b"\x10\x01" + junk() * 4 for _ in range(50)]
        packets = [packet[:openspa.REQUEST_BYTES].ljust(openspa.REQUEST_BYTES, b"\1")
                   for packet in requests]
        flooder = Forger(self.client, self.address(4), SPA_PORT)
        self.addCleanup(flooder.close)
        self.introduce(HOME, self.alice)
        before = self.refused()
        with Flood(flooder, packets, [host(i) for i in range(100, 200)], RATE) as flood:
            for _ in range(KNOCKS):
                self.knock_from(HOME, self.alice)
                time.sleep(PAUSE)
            self.assertTrue(eventually(lambda: self.expected <= self.granted()))
        self.assertEqual(self.granted(), self.expected)
        self.assertGreater(flood.sent, KNOCKS)
        self.assertTrue(eventually(lambda: self.refused() > before))

    def refused(self):
        counts = control.stats(self.daemon.control)
        return sum(counts[name] for name in ("bad_seal", "malformed", "bad_key", "busy"))

    def test_junk_for_openme_beside_openspa(self):
        starving = Starving([self.daemon.roles()[role] for role in TRUSTED],
                            lambda: self.unread(KNOCK_PORT))
        packets = self.sealed(100) + [junk() for _ in range(100)]
        with Flood(self.forger, packets, [HOME, *map(host, range(100, 200))], RATE, starving):
            for i in range(REQUESTS):
                target = f"203.0.113.{i}"
                self.expected.add(target)
                answer = self.ask(self.request(client=target))
                self.assertIsNotNone(answer, f"request {i} had no answer")
                time.sleep(PAUSE)
        self.assertEqual(self.granted(), self.expected)
