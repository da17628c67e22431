"""A captured knock is worth nothing, whatever becomes of the daemon and its file meanwhile."""

import os
import random
import shutil
import subprocess
import threading
import time

import openme
from netns import add_address, eventually
from openme import SECOND
from thorough import thorough
from world import FAMILIES, LONG, WorldTest

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
        self.start(self.configuration(knock_timeout="4s"))
        for family in FAMILIES:
            with self.subTest(family=family):
                first = SOURCES[family][0]
                packet = self.knock(family=family, source=first)
                self.assert_opens(family, source=first)
                for _ in range(100):
                    for source in SOURCES[family]:
                        self.deliver(packet, family, source=source)
                self.assertLessEqual(self.settle(family), {first})  # its time may be over
                self.assert_shuts(family, source=first)
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
        """The same for the whole life of a knock, with a window of two seconds, while its client
        knocks on: each of its knocks makes room in its guard."""
        self.start(self.configuration(replay_window="2s", knock_timeout="1s"))
        packet = self.knock(timestamp=openme.now_ns() + int(1.9 * SECOND))
        self.assert_opens()
        self.assert_shuts()
        sent = openme.now_ns()

        def stale_by_now():
            granted = self.counted("granted")
            self.knock(target="203.0.113.9")
            self.assertTrue(eventually(lambda: self.counted("granted") > granted))
            self.deliver(packet)
            self.assertLessEqual(self.settle(), {"203.0.113.9"})  # its time may be over
            time.sleep(0.1)
            return openme.now_ns() > sent + 5 * SECOND and self.verdicts("stale")
        self.assertTrue(eventually(stale_by_now))

    def test_more_knocks_than_the_guard_remembers(self):
        self.start()
        packets = self.grant_all([openme.WILDCARD] * 300)
        self.settle()
        self.assert_shuts()
        for packet in packets:
            self.deliver(packet)
        self.assertEqual(self.settle(), set())

    def test_a_replay_reveals_nothing_to_another_client(self):
        """bob signs alice's nonce: his own knock counts, and hers still does."""
        self.start(self.configuration(knock_timeout=LONG))
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

    def test_a_client_that_is_taken_out_and_put_back(self):
        """Neither do its knocks count again, nor those of others, who have other numbers meanwhile."""
        self.start()
        packets = [self.knock(self.alice, target="203.0.113.1"),
                   self.knock(self.bob, target="203.0.113.2")]
        self.assertEqual(self.settle(), {"203.0.113.1", "203.0.113.2"})
        self.assertTrue(eventually(lambda: not self.granted()))
        for clients in ({"alice": None}, {}):
            with self.subTest(clients=clients):
                self.daemon.configure(self.configuration(clients))
                self.daemon.reload()
                for packet in packets:
                    self.deliver(packet)
                self.assertEqual(self.settle(), set())
        for client in ("alice", "bob"):
            self.assertTrue(self.verdicts("replayed", client=client))


UNKNOWN = ("what was granted before this start is not known: whatever could have been is refused")
KILLS = thorough(40, 100)


class RestartTest(WorldTest):
    """Knocks have targets of their own here, so that each can be told from the others."""

    def setUp(self):
        super().setUp()
        self.count = 0

    def target(self):
        self.count += 1
        return f"203.0.{113 + self.count // 250}.{self.count % 250 + 1}"

    def forget_grants(self):
        """The daemon is down: nothing that it left in the kernel is to be taken for a grant."""
        self.server.run("nft", "delete", "table", "inet", "postern", check=False)

    def granted_knocks(self, count=10, ahead=0):
        """Knocks that were granted, by target, stamped now or up to `ahead` seconds later."""
        self.assert_honest_granted()  # a source that is known costs no search
        knocks = {}
        for i in range(count):
            target = self.target()

            def granted(target=target, ahead=ahead * i / count):
                # With a short window, a slow machine may have missed it.
                knocks[target] = self.knock(
                    target=target, timestamp=openme.now_ns() + int(ahead * SECOND))
                return eventually(lambda: target in self.granted(), within=5)
            self.assertTrue(eventually(granted), "not granted")
        return knocks

    def send_again(self, knocks):
        """From each of the client's addresses."""
        for packet in knocks.values():
            for family in FAMILIES:
                self.deliver(packet, family)
            self.deliver(packet, space=self.other)

    def assert_honest_granted(self, key=None):
        target = self.target()
        self.knock(key or self.alice, target=target)
        self.assertTrue(eventually(lambda: target in self.granted()), "a good knock was lost")

    def replay_after(self, meanwhile, knocks):
        """The daemon ends, `meanwhile` happens, and it starts again: no knock counts twice."""
        self.daemon.stop()
        self.forget_grants()
        meanwhile()
        self.daemon.start()
        self.send_again(knocks)

    def test_after_a_restart(self):
        self.start(self.configuration(knock_timeout="30s"))
        knocks = self.granted_knocks(ahead=50)
        for _ in range(10):
            self.replay_after(lambda: None, knocks)
            self.assertEqual(self.settle(), set())
            self.assert_honest_granted()
            self.send_again(knocks)
            self.assertFalse(self.settle() & set(knocks))
        self.assertTrue(self.verdicts("replayed", client="alice"))
        self.assertFalse(self.verdicts("not_remembered"))

    def test_knocks_that_were_on_their_way(self):
        """Stamped before the start, and by a clock that is behind: granted."""
        self.start(self.configuration(knock_timeout="30s"))
        self.granted_knocks()
        packets = {target: openme.knock(self.alice, self.server_key.public, target=target,
                                        timestamp=openme.now_ns() - int(offset * SECOND))
                   for target, offset in ((self.target(), offset) for offset in (0, 1, 20, 40))}
        self.replay_after(lambda: None, {})
        for packet in packets.values():
            self.deliver(packet)
        self.assertTrue(eventually(lambda: set(packets) <= self.granted()))

    def test_killed_at_random_instants(self):
        """A client knocks all the time; all processes are killed, and what was granted until then
        is sent again."""
        self.start(self.configuration(knock_timeout="30s"))
        chance = random.Random(7)
        sent, opened, kills = {}, set(), 0
        while kills < KILLS or KILLS >= len(opened) and kills < 10 * KILLS:
            kills += 1
            stop = threading.Event()

            def knocking():
                while not stop.is_set():
                    target = self.target()
                    packet = openme.knock(self.alice, self.server_key.public, target=target)
                    sent[target] = packet
                    self.deliver(packet)
                    stop.wait(0.003)
            knocker = threading.Thread(target=knocking)
            knocker.start()
            time.sleep(chance.uniform(0, 0.05))
            self.daemon.kill()
            stop.set()
            knocker.join()
            opened |= self.granted() & set(sent)
            self.forget_grants()
            self.daemon.start()
            # At once, and so that the doorman takes the others for alice's: they reach the guard.
            self.assert_honest_granted()
            for target in [t for t in sent if t in opened][-30:]:
                self.deliver(sent[target])
            self.assertFalse(self.settle() & opened)
        self.assertGreater(len(opened), KILLS)
        self.assertTrue(self.verdicts("replayed", client="alice"))

    # The file is damaged, or cannot be used

    def state_file(self):
        return self.daemon.state / "replay"

    def assert_closed_for_a_window(self, meanwhile, why, message=UNKNOWN):
        """Short enough to wait for its end."""
        self.start(self.configuration(knock_timeout="30s", replay_window="2s"))
        knocks = self.granted_knocks(ahead=1.5)
        self.replay_after(meanwhile, knocks)
        started = time.monotonic()
        self.assertEqual({a for a in self.granted() if a in knocks}, set())
        while time.monotonic() < started + 2.5:
            self.send_again(knocks)
            self.assertFalse(self.granted() & set(knocks))
            time.sleep(0.1)
        self.assert_honest_granted()
        self.assertFalse(self.settle() & set(knocks))
        self.assertTrue(self.verdicts("not_remembered"))
        self.assertTrue(any(why in event.get("why", "") for event in
                            self.daemon.events(message=message)), why)

    def test_deleted(self):
        self.assert_closed_for_a_window(lambda: self.state_file().unlink(),
                                        "there is none that can be used")

    def test_deleted_with_its_folder(self):
        self.assert_closed_for_a_window(lambda: shutil.rmtree(self.daemon.state),
                                        "there is none that can be used")

    def test_an_older_copy(self):
        self.start(self.configuration(knock_timeout="30s"))
        shutil.copy(self.state_file(), self.daemon.folder / "copy")

        def put_back():
            self.state_file().unlink()
            shutil.copy(self.daemon.folder / "copy", self.state_file())
        knocks = self.granted_knocks()
        self.replay_after(put_back, knocks)
        time.sleep(0.5)
        self.assertEqual(self.granted(), set())
        event, = self.daemon.events(message="the replay guard's file cannot be used")
        self.assertIn("not the one that was used last", event["why"])

    def test_truncated(self):
        for size, why in ((0, "too short"), (100, "too short"), (4096, "damaged or cut off")):
            with self.subTest(size=size):
                self.assert_closed_for_a_window(lambda: os.truncate(self.state_file(), size), why)

    def flip(self, offset):
        with open(self.state_file(), "r+b") as file:
            file.seek(offset)
            byte = file.read(1)
            file.seek(offset)
            file.write(bytes([byte[0] ^ 1]))

    def test_flipped(self):
        for offset, why in ((0, "damaged"), (8, "another version's"), (20, "damaged"),
                            (4096, "a part of the file is damaged")):
            with self.subTest(offset=offset):
                self.assert_closed_for_a_window(lambda: self.flip(offset), why)

    def test_one_set_flipped(self):
        """It closes its own client only."""
        self.start(self.configuration(knock_timeout="30s"))
        knocks = self.granted_knocks()
        self.replay_after(lambda: self.flip(4096 + 40), knocks)
        self.assertEqual(self.settle(), set())
        self.assert_honest_granted(self.bob)
        self.knock(target="203.0.113.254")
        self.assertEqual(self.settle() & {"203.0.113.254"}, set())
        self.assertTrue(self.verdicts("not_remembered", client="alice"))

    def test_of_others_or_no_file(self):
        def link():
            self.state_file().rename(self.daemon.state / "aside")
            self.state_file().symlink_to("aside")

        def folder():
            self.state_file().unlink()
            self.state_file().mkdir()
        cannot = "the replay guard's file cannot be used"
        for change, why in ((lambda: os.chown(self.state_file(), 12345, 12345), "user 12345"),
                            (lambda: self.state_file().chmod(0o644), "mode 0644"),
                            (link, "symbolic links"), (folder, "directory")):
            with self.subTest(why=why):
                self.assert_closed_for_a_window(change, why, cannot)

    def mounted(self, options):
        """The state directory becomes another file system, for as long as the test."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", self.daemon.state],
                       check=True)
        self.mounts.append(self.daemon.state)

    def tearDown(self):
        if self.mounts:
            self.daemon.close()
        for mount in self.mounts:
            subprocess.run(["umount", mount], check=True)
        super().tearDown()

    mounts = ()

    def test_a_full_disk(self):
        self.mounts = []

        def fill():
            self.mounted("size=64k,mode=700")
            with open(self.daemon.state / "big", "wb") as file:
                try:
                    file.write(bytes(1 << 20))
                except OSError:
                    pass
        self.assert_closed_for_a_window(
            fill, "No space left", "cannot use the file that the replay guard is kept in")

    def test_a_read_only_disk(self):
        self.mounts = []
        self.assert_closed_for_a_window(
            lambda: self.mounted("ro,mode=700"), "Read-only",
            "cannot use the file that the replay guard is kept in")

    def test_a_disk_that_was_read_only_meanwhile(self):
        """What was granted then stands in no file, and the file knows nothing of it."""
        self.mounts = []
        self.start(self.configuration(knock_timeout="30s", replay_window="2s"))
        before = self.granted_knocks()
        self.replay_after(lambda: self.mounted("ro,mode=700"), before)
        time.sleep(2.1)
        knocks = self.granted_knocks()
        self.replay_after(lambda: subprocess.run(["umount", self.mounts.pop()], check=True),
                          knocks)
        time.sleep(0.5)
        self.assertEqual(self.granted(), set())
        time.sleep(2)
        self.assert_honest_granted()

    # A client whose clock is fast

    def test_a_fast_clock_that_is_put_right(self):
        self.start()
        self.assert_honest_granted()  # a source that is known costs no search
        ahead = [self.knock(timestamp=openme.now_ns() + 40 * SECOND) for _ in range(65)]
        self.settle()
        self.assertTrue(self.verdicts("too_many_ahead", client="alice"))
        self.assert_shuts()
        self.knock()
        self.assert_opens()
        self.assert_shuts()
        for packet in ahead[:40]:
            self.deliver(packet)
        self.assertEqual(self.settle(), set())
