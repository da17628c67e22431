"""The world of a flood: who may come in knocks while somebody else sends all he can."""

import os
import time

import hint
import openme
from daemon import own_memory
from flood import Flood, Forger, Starving, hurry
from netns import eventually
from world import KNOCK_PORT, LONG, WorldTest

RATE = 3000       # a second
CROWD = 200       # clients besides those of every test
KNOCKS = 100      # of ours, during a flood
PAUSE = 0.03      # between them
HOME = "10.77.1.2"
LOST_MOST = KNOCKS // 100
TRUSTED = "doorman", "keeper"


def host(number):
    return f"10.77.1.{number}"


def signature():
    """Well-formed: S is small."""
    return os.urandom(63) + b"\0"


def junk():
    return b"\x01" + os.urandom(31) + b"\0" + os.urandom(68) + signature()


class FloodWorldTest(WorldTest):
    server_settings = {"knock_timeout": LONG, "client_quota": 200}

    def setUp(self):
        super().setUp()
        self.forge(4)
        self.crowd = [openme.ClientKey() for _ in range(CROWD)]
        self.expected = set()

    def forge(self, family):
        self.forger = Forger(self.client, self.address(family), KNOCK_PORT)
        self.addCleanup(self.forger.close)

    def serve(self, **server):
        self.start(self.configuration({f"c{i:03}": self.client_entry(key)
                                       for i, key in enumerate(self.crowd)}, **server))
        hurry(self)

    def knock_from(self, source, key, hinted=False):
        """A knock that opens for an address of its own, by which it is told."""
        target = f"203.0.113.{len(self.expected)}"
        nonce = hint.maker(key, self.server_key.public) if hinted else None
        packet = openme.knock(key, self.server_key.public, target=target, nonce=nonce)
        self.expected.add(target)
        self.forger.send(packet, source)
        return packet

    def introduce(self, source, key):
        """Lets the server know whose address that is."""
        packet = self.knock_from(source, key)
        self.assertTrue(eventually(lambda: self.expected <= self.granted()))
        return packet

    def sealed(self, count):
        """For the server, signed by nobody."""
        stranger = openme.ClientKey()
        return [openme.knock(stranger, self.server_key.public)[:101] + signature()
                for _ in range(count)]

    def assert_served(self, packets, sources, ours, rate=RATE, beside=()):
        """`ours` are (source, key) of knocks, taken in turns during a flood, with True behind them
        where they have a lookup hint. 99 of 100 open, and nothing else does but what is `beside`."""
        before = len(self.expected)
        starving = Starving([self.daemon.roles()[role] for role in TRUSTED],
                            lambda: self.unread(KNOCK_PORT))
        with Flood(self.forger, packets, sources, rate, starving) as flood:
            time.sleep(0.5)
            for i in range(KNOCKS):
                self.knock_from(*ours[i % len(ours)])
                time.sleep(PAUSE)
            eventually(lambda: len(self.expected - self.granted()) <= LOST_MOST)
        granted = self.granted() - set(beside)
        missing = self.expected - granted
        self.assertEqual(before + KNOCKS, len(self.expected))
        self.assertLessEqual(len(missing), LOST_MOST, f"of {flood.sent} besides: {missing}")
        self.assertEqual(granted - self.expected, set(), "the flood opened something")
        return flood.sent

    def memory(self):
        """In KiB, of the processes that read packets."""
        roles = self.daemon.roles()
        return sum(own_memory(roles[role]) for role in TRUSTED)
