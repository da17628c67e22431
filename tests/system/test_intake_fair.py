"""More arrives at once than may wait for its turn: who gets it all the same.

The doorman stands still while a burst is sent, so that no test depends on how fast the machine is:
the kernel has all of it, and then it is read at once. Knocks stand in the middle of it. Served in
the order of arrival they would be lost: so many come behind them."""

import contextlib
import os
import signal

import openme
import shield
from flood import Forger
from netns import eventually
from openspa import REQUEST_BYTES
from spa_world import PORT, SpaWorldTest
from world import KNOCK_PORT, LONG

BURST = 1500   # before the knocks, and after them
KNOCKS = 20
WAITING = 1024  # of those whom nobody knows (src/doorman/arrival.c)
SPA_BURST = 250
MANY = 300      # more than the keeper's channel and the doorman's hands hold
WAITED = 40     # behind them
FLOODER = "10.77.1.9"


def junk():
    """What passes all checks that cost nothing."""
    return b"\x01" + os.urandom(31) + b"\0" + os.urandom(68) + os.urandom(63) + b"\0"


def spa_junk():
    return b"\x10\x01\0" + os.urandom(REQUEST_BYTES - 3)


def host(number):
    return f"10.77.{10 + number // 250}.{number % 250 + 1}"


class FairTest(SpaWorldTest):
    # One that receives, which stands still: how several share is in test_workers.py.
    server_settings = {"knock_timeout": LONG, "client_quota": 2000, "workers": 1}

    def setUp(self):
        super().setUp()
        self.knocks, self.requests = (Forger(self.client, self.address(4), port)
                                      for port in (KNOCK_PORT, PORT))
        for forger in (self.knocks, self.requests):
            self.addCleanup(forger.close)
        # The answers to forged sources are for nobody.
        self.server.run("ip", "route", "replace", "10.77.0.0/16", "dev", "wire")
        self.expected = set()

    @contextlib.contextmanager
    def doorman_stands_still(self):
        pid = self.daemon.roles()["doorman"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def knock_from(self, source, key=None, net="203.0.113", **fields):
        target = f"{net}.{len(self.expected) + 1}"
        packet = openme.knock(key or self.alice, self.server_key.public, target=target, **fields)
        self.expected.add(target)
        self.knocks.send(packet, source)
        return packet

    def introduce(self, sources):
        """They are known from then on."""
        for source in sources:
            self.knock_from(source)
            self.assert_all_open()

    def assert_all_open(self):
        self.assertTrue(eventually(lambda: self.expected <= self.granted()),
                        f"lost: {self.expected - self.granted()}")
        self.assertEqual(self.granted(), self.expected)

    def in_a_burst(self, flooders, knock, burst=BURST):
        """Both halves are from `flooders` in turn, with as many knocks in between."""
        with self.doorman_stands_still():
            for half in range(2):
                for i in range(burst):
                    self.knocks.send(junk(), flooders[(half * burst + i) % len(flooders)])
                for i in range(KNOCKS if half == 0 else 0):
                    knock(i)
        self.assert_all_open()
        self.assertTrue(eventually(lambda: self.counted("busy") > 2 * burst - 2 * WAITING),
                        "there was room for all, which proves nothing")

    def test_newcomers_beside_one_who_floods(self):
        self.serve()
        self.in_a_burst([FLOODER], lambda i: self.knock_from(host(i)))

    def test_newcomers_beside_some_who_flood(self):
        self.serve()
        self.in_a_burst([f"10.77.1.{i}" for i in range(10, 40)], lambda i: self.knock_from(host(i)))

    def test_known_ones_while_all_others_flood(self):
        """Where everybody sends one datagram, newcomers are not told from flooders."""
        self.serve()
        homes = [host(i) for i in range(KNOCKS)]
        self.introduce(homes)
        self.in_a_burst([host(1000 + i) for i in range(2 * BURST)],
                        lambda i: self.knock_from(homes[i]))

    def test_tagged_ones_while_all_others_flood(self):
        """From new addresses."""
        key = os.urandom(32)
        self.serve(server={"shield": "prefer", "shield_key": openme.text(key)})
        self.in_a_burst([host(1000 + i) for i in range(2 * BURST)],
                        lambda i: self.knock_from(host(i), tag=shield.tagging(key)))

    def test_a_tag_that_comes_with_everything(self):
        """One who has recorded a tagged knock has no better place by it than anybody else."""
        key = os.urandom(32)
        self.serve(server={"shield": "prefer", "shield_key": openme.text(key)})
        captured = self.knock_from(host(1), tag=shield.tagging(key))
        self.assert_all_open()
        with self.doorman_stands_still():
            for half in range(2):
                for i in range(BURST):
                    self.knocks.send(captured[:45] + junk()[45:], FLOODER)
                for i in range(KNOCKS if half == 0 else 0):
                    self.knock_from(host(i), tag=shield.tagging(key))
        self.assert_all_open()

    def test_copies(self):
        """Those that wait together with the first, and those that come after it."""
        self.serve()
        captured = self.knock_from(host(1))
        self.assert_all_open()
        opened, handed = self.counted("handed_on"), 0
        for _ in range(2):
            with self.doorman_stands_still():
                for i in range(BURST):
                    self.knocks.send(captured, f"10.77.1.{10 + i % 200}")
            self.assertTrue(eventually(lambda: self.unread(KNOCK_PORT) == 0))
            self.knock_from(host(2))
            self.assert_all_open()
            handed = self.counted("handed_on") - opened
        # Once a second at most one is handed on, and refused by the keeper.
        self.assertLess(handed, 20)
        self.assertTrue(eventually(
            lambda: self.counted("replayed") + self.counted("busy") > 2 * BURST - 20))

    def test_openspa(self):
        """Its flood takes none of its own clients' turns, nor of openme's."""
        self.serve()
        with self.doorman_stands_still():
            for half in range(2):
                for i in range(SPA_BURST):
                    self.requests.send(spa_junk(), FLOODER)
                if half == 0:
                    self.requests.send(self.request(client="203.0.120.1"), "10.77.1.2")
                    self.expected.add("203.0.120.1")
                    self.knock_from(host(1))
        self.assertTrue(eventually(lambda: self.expected <= self.granted()))

    def test_killed_while_some_wait(self):
        """The keeper stands still, so that it has some of it, the doorman some, and the rest waits
        for its turn: that is served by the next ones. They know one client, as whose each knock is
        tried. Of so many of one client the replay guard may refuse older ones after newer ones."""
        self.start(self.configuration({"bob": None, "marker": None}))
        self.daemon.stop()
        self.daemon.notices.keeps = True
        self.daemon.start()
        home = host(1)
        self.introduce([home])
        os.kill(self.daemon.roles()["keeper"], signal.SIGSTOP)
        for _ in range(MANY):
            self.knocks.send(openme.knock(self.alice, self.server_key.public), home)
        self.expected = set()
        for _ in range(WAITED):
            self.knock_from(home, net="203.0.114")
        self.assertTrue(eventually(lambda: self.unread(KNOCK_PORT) == 0))
        self.daemon.kill()
        self.daemon.notices.drop()
        self.daemon.start()
        self.assertTrue(eventually(lambda: self.expected <= self.granted()))
