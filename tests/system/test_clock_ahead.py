"""A client whose clock was fast by up to the window, and is put right."""

import openme
from netns import eventually
from openme import SECOND
from world import AT_ONCE, WorldTest

REMEMBERED = 48  # knocks of one client, stamped ahead


class ClockAheadTest(WorldTest):
    def verdicts_so_far(self):
        return self.counted("granted") + self.counted("too_many_ahead")

    def knock_ahead(self, count, seconds):
        """That many, no faster than they are judged."""
        packets = []
        while len(packets) < count:
            some = min(AT_ONCE, count - len(packets))
            before = self.verdicts_so_far()
            packets += [self.knock(target="203.0.113.5",
                                   timestamp=openme.now_ns() + seconds * SECOND)
                        for _ in range(some)]
            self.assertTrue(eventually(lambda b=before, n=some: self.verdicts_so_far() == b + n),
                            "a knock was lost")
        return packets

    def assert_not_shut_out(self, count, seconds, **settings):
        self.start(self.configuration(**settings))
        self.knock(target="203.0.113.6")
        self.assertTrue(eventually(lambda: self.counted("granted") == 1))
        ahead = self.knock_ahead(count, seconds)
        self.assertEqual(self.counted("granted"), 1 + min(count, REMEMBERED))
        # Put right: each gets in, also after a restart and more of them than are remembered.
        for _ in range(2):
            self.knock()
            self.assert_opens()
            self.assert_shuts()
            self.daemon.kill()
            self.daemon.start()
        self.grant_all(["203.0.113.7"] * 70)
        granted = self.counted("granted")
        for packet in ahead[:REMEMBERED]:
            self.deliver(packet)
        # The marker of settle() is another one's.
        self.assertNotIn("203.0.113.5", self.settle())
        self.assert_markers_alone(granted)
        self.assertEqual(self.counted("not_remembered"), 0)

    def assert_markers_alone(self, before):
        """Were granted since: two at least, and of what was sent once more none need be."""
        self.assertTrue(eventually(lambda: self.counted("granted") >= before + 2))
        self.assertLessEqual(self.counted("granted"), before + self.markers)

    def test_65_within_a_minute(self):
        self.assert_not_shut_out(65, 50)

    def test_64_within_two_hours(self):
        self.assert_not_shut_out(64, 3600, replay_window="7200s")

    def test_65_within_two_hours(self):
        self.assert_not_shut_out(65, 3600, replay_window="7200s")

    def test_1000_within_two_hours(self):
        self.assert_not_shut_out(1000, 3600, replay_window="7200s")
