"""A captured knock is worth nothing."""

import time

import openme
from netns import add_address, eventually
from openme import SECOND
from world import FAMILIES, WorldTest

SOURCES = {4: [f"10.77.1.{host}" for host in range(100, 110)],
           6: [f"fd77:1::{host}" for host in range(100, 110)]}


class ReplayTest(WorldTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for family, bits in ((4, 24), (6, 64)):
            for source in SOURCES[family]:
                add_address(cls.client, "wire", source, bits)

    def test_a_thousand_replays_from_ten_sources_are_one_grant(self):
        self.start()
        for family in FAMILIES:
            with self.subTest(family=family):
                packet = openme.knock(self.alice, self.server_key.public)
                for _ in range(100):
                    for source in SOURCES[family]:
                        self.deliver(packet, family, source=source)
                self.assertEqual(self.settle(family), {SOURCES[family][0]})
                self.assert_shuts(family, source=SOURCES[family][0])
                self.deliver(packet, family)
                self.assertEqual(self.settle(family), set())
        self.assertTrue(self.verdicts("replayed"))

    def test_stamped_ahead_and_sent_again(self):
        """Stamped 59 s ahead, a knock stays in the window for two minutes: it counts once."""
        self.start()
        packet = self.knock(timestamp=openme.now_ns() + 59 * SECOND)
        self.assert_opens()
        self.assert_shuts()
        for _ in range(5):
            for source in SOURCES[4]:
                self.deliver(packet, source=source)
            self.assertEqual(self.settle(), set())
            time.sleep(0.2)

    def test_stamped_ahead_and_sent_again_until_it_is_stale(self):
        """The same for the whole life of a knock, with a window of two seconds."""
        self.start(self.configuration(replay_window="2s", knock_timeout="1s"))
        packet = self.knock(timestamp=openme.now_ns() + int(1.9 * SECOND))
        self.assert_opens()
        self.assert_shuts()
        sent = openme.now_ns()
        while openme.now_ns() < sent + 5 * SECOND:
            self.deliver(packet)
            self.assertEqual(self.settle(), set())
            time.sleep(0.1)
        self.assertTrue(self.verdicts("stale"))

    def test_more_knocks_than_the_guard_remembers(self):
        self.start()
        packets = [self.knock() for _ in range(300)]
        self.settle()
        self.assert_shuts()
        for packet in packets:
            self.deliver(packet)
        self.assertEqual(self.settle(), set())

    def test_a_replay_reveals_nothing_to_another_client(self):
        """bob signs alice's nonce: his own knock counts, and hers still does."""
        self.start()
        nonce = bytes(range(16))
        self.knock(self.bob, nonce=nonce, target="203.0.113.1")
        self.knock(self.alice, nonce=nonce, target="203.0.113.2")
        self.assertEqual(self.settle(), {"203.0.113.1", "203.0.113.2"})

    def test_refused_knocks_are_not_remembered(self):
        """A knock that policy refused counts once the configuration allows it."""
        self.start(self.configuration({"alice": {"targets": ["198.51.100.0/24"]}}))
        packet = self.knock(target="203.0.113.2")
        self.assertEqual(self.settle(), set())
        self.daemon.configure(self.configuration())
        self.daemon.reload()
        self.deliver(packet)
        self.assertTrue(eventually(lambda: "203.0.113.2" in self.granted()))

    def test_replay_after_a_reload(self):
        self.start()
        packet = self.knock()
        self.assert_opens()
        self.daemon.reload()
        self.assert_shuts()
        self.deliver(packet)
        self.assertEqual(self.settle(), set())
