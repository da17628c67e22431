"""Who may come in gets in while somebody who knows the server's public key floods it, from one
source or from many: their own, or those of clients."""

import control
import openme
from flood import hurry
from flood_world import HOME, KNOCKS, RATE, FloodWorldTest, host, junk, signature
from netns import eventually
from openme import SECOND


class FloodTest(FloodWorldTest):
    def ammunition(self, captured):
        """Sealed but signed by nobody, beginnings of a knock that was captured, and junk. All of
        it is well-formed: S is small."""
        sealed = self.sealed(200)
        pieces = [captured[:101] + signature() for _ in sealed]
        quarter = len(sealed) // 4
        other = [junk() for _ in range(quarter)]
        return [packet for i in range(quarter)
                for packet in sealed[4 * i:4 * i + 4] + pieces[4 * i:4 * i + 3] + other[i:i + 1]]

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
