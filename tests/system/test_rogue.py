"""A doorman that has been taken over faces the real keeper: see rogue_doorman.c. Nothing may be
open but what a client has freshly signed, and a rule of the message table that is broken ends the
keeper, with the ports shut."""

import ipaddress
import struct
import time

import openme
from netns import eventually
from openme import SECOND
from rogue import LONG, SOURCE, RogueWorld



def head_of(number, names=0):
    """In front of every message: its number, and the names of its descriptors as bits."""
    return struct.pack("=II", number, names)


class RogueTest(RogueWorld):
    def test_a_fresh_signature_opens(self):
        """Or all the others would pass without a reason."""
        rogue = self.configured()
        self.expect(rogue)
        self.assert_shut()
        self.say(rogue, self.fresh())
        self.expect(rogue, SOURCE)
        self.assertTrue(self.reaches())

    def assert_still_opens(self, rogue, *before):
        self.say(rogue, self.fresh(target="203.0.113.9"))
        self.expect(rogue, "203.0.113.9", *before)

    def test_noise(self):
        rogue = self.configured()
        for _ in range(4):
            self.assertEqual(rogue("noise", 10_000), ["sent"])
            self.expect(rogue)
        self.assert_still_opens(rogue)

    def test_strangers_and_wrong_clients(self):
        rogue = self.configured()
        stranger = openme.ClientKey()
        numbers = [*range(len(self.clients) + 2), 2**16, 2**31, 2**32 - 1]
        for guessed in (0, 1, 2, 255):
            for number in numbers:
                self.say(rogue, self.fresh(stranger), number, guessed=guessed)
                if number != self.index("alice"):
                    self.say(rogue, self.fresh(), number, guessed=guessed)
        self.expect(rogue)
        self.assert_still_opens(rogue)

    def test_a_body_with_the_signature_of_another(self):
        rogue = self.configured()
        hers, his = self.fresh(), self.fresh(self.bob)
        for packet in (hers[:101] + his[101:], his[:101] + hers[101:]):
            for client in ("alice", "bob"):
                self.say(rogue, packet, client)
        self.expect(rogue)
        self.assert_still_opens(rogue)

    def test_every_flipped_bit(self):
        rogue = self.configured()
        packet = self.fresh()
        key = self.key_of(packet)
        for bit in range(8 * len(packet)):
            self.say(rogue, openme.flipped(packet, bit), key=key)
        for bit in range(8 * len(key)):
            self.say(rogue, packet, key=openme.flipped(key, bit))
        self.say(rogue, packet, key=self.key_of(self.fresh()))
        self.expect(rogue)
        self.say(rogue, packet)
        self.expect(rogue, SOURCE)

    def test_every_size(self):
        rogue = self.configured()
        packet = self.fresh()
        for size in [*range(165), *range(166, 1000), *range(1000, 65536, 511), 65535]:
            self.say(rogue, packet, size=size)
        self.expect(rogue)
        self.say(rogue, packet)
        self.expect(rogue, SOURCE)

    def test_stamps(self):
        rogue = self.configured()
        now = openme.now_ns()
        for stamp in (0, 1, -1, 2**63 - 1, -2**63, now - 61 * SECOND, now + 90 * SECOND,
                      now - 3600 * SECOND, now + 3600 * SECOND):
            self.say(rogue, self.fresh(timestamp=stamp))
        self.expect(rogue)
        self.say(rogue, self.fresh(timestamp=now - 3600 * SECOND), times=30_000)
        self.expect(rogue)
        self.assert_still_opens(rogue)

    def test_generations(self):
        """A knock counts under the configuration that it was opened for, and under no other."""
        rogue = self.configured()
        for generation in (0, 2, 3, 2**32 + 1, 2**63, 2**64 - 1):
            self.say(rogue, self.fresh(), generation=generation)
        self.expect(rogue)
        packet = self.fresh()
        self.assertEqual(rogue("configure", self.daemon.file)[:2], ["configured", "0"])
        self.say(rogue, packet)
        self.expect(rogue)
        self.generation = 2
        self.say(rogue, packet)
        self.expect(rogue, SOURCE)

    def test_replays(self):
        """Used once, whatever is said of its source; a named address is what is opened."""
        rogue = self.configured()
        named = self.fresh(target="203.0.113.1")
        self.say(rogue, named, source="203.0.113.77", times=1000)
        for last in range(100):
            self.say(rogue, named, source=f"198.51.100.{last}", guessed=last % 2)
        self.expect(rogue, "203.0.113.1")
        # The doorman can lie once about where a knock came from that left its address open.
        wildcard = self.fresh()
        self.say(rogue, wildcard, source="203.0.113.2")
        for last in range(1000):
            self.say(rogue, wildcard, source=str(ipaddress.ip_address("198.51.96.0") + last))
        self.say(rogue, wildcard, source="203.0.113.2", times=1000)
        self.assertEqual(rogue("configure", self.daemon.file)[:2], ["configured", "0"])
        self.generation = 2
        self.say(rogue, wildcard, source="203.0.113.3", times=1000)
        self.say(rogue, named, source="203.0.113.3", times=1000)
        self.expect(rogue, "203.0.113.1", "203.0.113.2")
        self.assert_still_opens(rogue, "203.0.113.1", "203.0.113.2")

    def test_who_may_not(self):
        """Revoked, expired, no wildcard, other networks: signed or not."""
        self.daemon.configure(self.configuration({
            "alice": {"expires": "2020-01-01T00:00:00Z"}, "bob": {"wildcard": "no"},
            "marker": {"targets": ["198.51.100.0/24"]}}, knock_timeout=LONG))
        rogue = self.configured()
        for client, key in (("alice", self.alice), ("bob", self.bob), ("marker", self.marker)):
            self.say(rogue, self.fresh(key), client)
        self.say(rogue, self.fresh(self.marker, target="203.0.113.1"), "marker")
        for target in ("127.0.0.1", "224.0.0.1", "255.255.255.255", "::1", "ff02::1"):
            self.say(rogue, self.fresh(self.bob, target=target), "bob")
        self.expect(rogue)
        self.say(rogue, self.fresh(self.marker, target="198.51.100.1"), "marker")
        self.expect(rogue, "198.51.100.1")

    def test_what_comes_back_unread_stops_nobody(self):
        """The doorman reads nothing: the keeper does not wait for it."""
        rogue = self.configured()
        rogue("deaf")
        stranger = openme.knock(openme.ClientKey(), self.server_key.public)
        self.say(rogue, stranger, 0, guessed=1, times=5000)
        self.assert_still_opens(rogue)

    def test_a_desk_that_asks_and_does_not_listen_stops_nobody(self):
        rogue = self.configured()
        self.assertEqual(rogue("ask", 2000), ["sent"])
        time.sleep(1)  # more answers than the channel holds
        self.say(rogue, self.fresh())
        self.assertTrue(eventually(lambda: SOURCE in self.granted()))

    # The message table

    def assert_ends_shut(self, rogue, *ends):
        self.assertIn(" ".join(rogue("wait")), ends or ("exited 1",))
        self.assertEqual(self.granted(), set())
        if self.table():
            self.assert_shut(timeout=0.1)

    def forbidden(self, channel, body, descriptors=0, *start):
        with self.subTest(channel=channel, body=body[:8].hex(), size=len(body),
                          descriptors=descriptors):
            self.server.flush_rules()
            rogue = self.rogue(*start) if start else self.configured()
            rogue("raw", channel, descriptors, body.hex())
            self.assert_ends_shut(rogue)
            self.assertTrue(start or self.table(), "the gate fell with the keeper")
            rogue.close()

    def test_messages_that_are_not_for_the_keeper(self):
        table = self.rogue().table
        peers = {"main": "MAIN", "doorman": "DOORMAN", "desk": "DESK"}
        for name, (sender, receiver, number, size) in table.items():
            for channel, peer in peers.items():
                if (sender, receiver) != (peer, "KEEPER"):
                    self.forbidden(channel, head_of(number) + bytes(size))
        for channel in peers:
            for number in (len(table), 2**31, 2**32 - 1):
                self.forbidden(channel, head_of(number) + bytes(100))

    def test_messages_of_the_wrong_form(self):
        table = self.rogue().table
        for channel, name in (("doorman", "KNOCK"), ("desk", "SESSIONS_WANTED"),
                              ("main", "CONFIG_KEEPER"), ("main", "CHECK_KEEPER"),
                              ("main", "STOP_KEEPER")):
            number, size = table[name][2:]
            head = head_of(number)
            for body in (head, head[:4], head[:3], head + bytes(size - 1), head + bytes(size + 1),
                         head + bytes(8000)):
                if len(body) != len(head) + size:
                    self.forbidden(channel, body)
            most = 1 if name in ("CONFIG_KEEPER", "CHECK_KEEPER") else 0
            for descriptors in (most + 1, 5, 16):
                self.forbidden(channel, head + bytes(size), descriptors)  # that have no names
                self.forbidden(channel, head_of(number, (1 << descriptors) - 1) + bytes(size),
                               descriptors)

    def test_messages_before_their_time(self):
        table = self.rogue().table
        for name, (sender, receiver, number, size) in table.items():
            if name != "BEGIN_KEEPER":
                self.forbidden("main", head_of(number) + bytes(size), 0, "unbegun")
        number, size = table["BEGIN_KEEPER"][2:]
        self.forbidden("main", head_of(number) + bytes(size))
        self.forbidden("main", head_of(number) + bytes(size), 4, "unbegun")
        self.forbidden("main", head_of(number) + bytes(size), 0, "unbegun")  # no channels
        # Knocks before there is a configuration come back.
        rogue = self.rogue()
        self.generation, self.clients = 0, ["alice"]
        self.say(rogue, self.fresh(), times=10)
        self.assertEqual(rogue("settle"), ["settled", "0", "10", "0"])
        self.assertEqual(self.table(), [])

    def test_a_configuration_that_is_none(self):
        rogue = self.configured()
        number, size = rogue.table["CONFIG_KEEPER"][2:]
        for descriptors in (0, 1):
            snapshot = rogue.fds["SNAPSHOT"] if descriptors else 0
            rogue("raw", "main", descriptors, (head_of(number, snapshot) + bytes(size)).hex())
        self.say(rogue, self.fresh())
        self.expect(rogue, SOURCE)

    def test_channels_that_end(self):
        for channel in ("main", "doorman", "desk"):
            for how in (("close", channel), ("raw", channel, 0)):  # an empty message
                with self.subTest(channel=channel, how=how[0]):
                    self.server.flush_rules()
                    rogue = self.configured()
                    rogue(*how)
                    self.assert_ends_shut(rogue, "exited 0", "exited 1")
                    self.assertTrue(self.table(), "the gate fell with the keeper")
                    rogue.close()
