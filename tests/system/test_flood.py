"""Who may come in gets in while somebody who knows the server's public key floods it, from one
source or from many: their own, or those of clients."""

import os
import time

import control
import openme
from flood import Flood, Forger, Starving, hurry
from netns import eventually
from openme import SECOND
from world import KNOCK_PORT, LONG, WorldTest

RATE = 3000       # a second; all but one in eight pass the seal
CROWD = 200       # clients besides those of every test
KNOCKS = 100      # of ours, during a flood
PAUSE = 0.03      # between them
HOME = "10.77.1.2"
LOST_MOST = KNOCKS // 100


def host(number):
    return f"10.77.1.{number}"


class FloodTest(WorldTest):
    server_settings = {"knock_timeout": LONG, "client_quota": 200}

    def setUp(self):
        super().setUp()
        self.forge(4)
        self.crowd = [openme.ClientKey() for _ in range(CROWD)]
        self.expected = set()

    def forge(self, family):
        self.forger = Forger(self.client, self.address(family), KNOCK_PORT)
        self.addCleanup(self.forger.close)

    def serve(self):
        self.start(self.configuration({f"c{i:03}": self.client_entry(key)
                                       for i, key in enumerate(self.crowd)}))
        hurry(self)

    def knock_from(self, source, key):
        """A knock that opens for an address of its own, by which it is told."""
        target = f"203.0.113.{len(self.expected)}"
        packet = openme.knock(key, self.server_key.public, target=target)
        self.expected.add(target)
        self.forger.send(packet, source)
        return packet

    def introduce(self, source, key):
        """Lets the server know whose address that is."""
        packet = self.knock_from(source, key)
        self.assertTrue(eventually(lambda: self.expected <= self.granted()))
        return packet

    def ammunition(self, captured):
        """Sealed but signed by nobody, beginnings of a knock that was captured, and junk. All of
        it is well-formed: S is small."""
        def signature():
            return os.urandom(63) + b"\0"
        stranger = openme.ClientKey()
        sealed = [openme.knock(stranger, self.server_key.public)[:101] + signature()
                  for _ in range(200)]
        pieces = [captured[:101] + signature() for _ in range(len(sealed))]
        junk = [b"\x01" + os.urandom(31) + b"\0" + os.urandom(68) + signature()
                for _ in range(len(sealed) // 4)]
        quarter = len(junk)
        return [packet for i in range(quarter)
                for packet in sealed[4 * i:4 * i + 4] + pieces[4 * i:4 * i + 3] + junk[i:i + 1]]

    def assert_served(self, packets, sources, ours, rate=RATE):
        """`ours` are (source, key) of knocks, taken in turns during a flood. 99 of 100 open, and
        nothing else does."""
        before = len(self.expected)
        starving = Starving([self.daemon.roles()[role] for role in ("doorman", "keeper")],
                            lambda: self.unread(KNOCK_PORT))
        with Flood(self.forger, packets, sources, rate, starving) as flood:
            time.sleep(0.5)
            for i in range(KNOCKS):
                self.knock_from(*ours[i % len(ours)])
                time.sleep(PAUSE)
            eventually(lambda: len(self.expected - self.granted()) <= LOST_MOST)
        granted = self.granted()
        missing = self.expected - granted
        self.assertEqual(before + KNOCKS, len(self.expected))
        self.assertLessEqual(len(missing), LOST_MOST, f"of {flood.sent} besides: {missing}")
        self.assertEqual(granted - self.expected, set(), "the flood opened something")
        return flood.sent

    def assert_keeper_was_spared(self, sent):
        """Most of the flood did not reach it as wrong guesses. A few do in each pause's beginning,
        more of them where the keeper is slow to say so; without pauses seven of eight would."""
        self.assertLess(control.stats(self.daemon.control)["wrong_signer"], sent // 4)

    def replay_old_knocks(self, source, keys):
        """Knocks that somebody recorded yesterday say nothing about who is where today."""
        for key in keys:
            self.forger.send(openme.knock(key, self.server_key.public,
                                          timestamp=openme.now_ns() - 86400 * SECOND), source)
        self.assertTrue(eventually(lambda: len(self.verdicts("stale")) >= len(keys)))

    def test_from_the_address_of_a_client(self):
        """That client, those at other addresses, and those who knock from a new one."""
        self.serve()
        captured = self.introduce(HOME, self.alice)
        self.introduce(host(3), self.bob)
        self.replay_old_knocks(HOME, self.crowd[:5])
        newcomers = [(host(100 + i), self.crowd[i * 8]) for i in range(KNOCKS // 4)]
        ours = [knock for newcomer in newcomers
                for knock in ((HOME, self.alice), (host(3), self.bob), newcomer,
                              (HOME, self.alice))]
        sent = self.assert_served(self.ammunition(captured), [HOME], ours)
        self.assert_keeper_was_spared(sent)

    def test_from_an_address_that_several_clients_share(self):
        """Four signatures for each packet of the flood: fewer of them leave the processor free."""
        self.serve()
        people = [self.alice, self.bob, self.crowd[7], self.crowd[150]]
        captured = [self.introduce(HOME, key) for key in people][0]
        sent = self.assert_served(self.ammunition(captured), [HOME],
                                  [(HOME, key) for key in people], RATE // 2)
        self.assert_keeper_was_spared(sent)

    def test_from_the_addresses_of_all_clients(self):
        self.serve()
        homes = [(host(20 + i), self.crowd[i * 2]) for i in range(100)]
        captured = [self.introduce(*home) for home in homes][0]
        self.assert_served(self.ammunition(captured), [source for source, _ in homes], homes)

    def test_from_an_address_of_its_own(self):
        self.serve()
        captured = self.introduce(HOME, self.alice)
        newcomers = [(host(100 + i), self.crowd[i * 2]) for i in range(KNOCKS)]
        self.assert_served(self.ammunition(captured), [host(9)], newcomers)

    def test_from_a_whole_network_of_its_own(self):
        """Every address of an IPv6 /64, against newcomers from others."""
        self.forge(6)
        self.serve()
        captured = self.introduce("fd77:1::2", self.alice)
        newcomers = [(f"2001:db8:0:{i:x}::1", self.crowd[i * 2]) for i in range(KNOCKS)]
        addresses = [f"2001:db8:f::{i:x}" for i in range(1, 5000)]
        self.assert_served(self.ammunition(captured), addresses, newcomers)

    def test_from_everywhere_with_one_client(self):
        self.crowd = []
        people = {"bob": None, "marker": None}
        self.start(self.configuration(people))
        hurry(self)
        captured = self.introduce(HOME, self.alice)
        ours = [(host(100 + i), self.alice) for i in range(KNOCKS)]
        self.assert_served(self.ammunition(captured), [HOME, *map(host, range(10, 250))], ours)
