"""A doorman that has been taken over hands the keeper OpenSPA requests. Nothing may be open but what
a device has freshly signed itself: for that address, that protocol and those ports."""

import os
import time

import openme
import openspa
from openspa import REQUEST_BYTES, TCP
from rogue import LONG, SOURCE, RogueWorld

HEADER = b"\x10\x01"
FAR = "203.0.113.9"
PORT = 4000
PAYLOAD_BYTES = openspa.REQUEST.size


class RogueOpenSpaTest(RogueWorld):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.spa_key = openspa.Key()
        cls.devices = sorted((openspa.Device() for _ in range(3)), key=lambda d: d.uuid.bytes)
        cls.phone, cls.laptop, cls.lost = cls.devices

    def setUp(self):
        super().setUp()
        self.place("server.key", self.spa_key.private_pem())
        for device in self.devices:
            self.place(f"devices.d/{device.uuid}.pub", device.key.public_pem())
        self.configure()

    def place(self, name, text):
        path = self.daemon.folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)

    def configure(self, **settings):
        people = {str(self.phone.uuid): {"name": "phone"}, str(self.laptop.uuid): {"name": "laptop"},
                  str(self.lost.uuid): {"name": "lost", "revoked": True}}
        configuration = self.configuration(knock_timeout=LONG)
        configuration["openspa"] = {"private_key": "server.key", "duration": LONG,
                                    "clients": people, **settings}
        self.daemon.configure(configuration)

    def request(self, device=None, first=PORT, **fields):
        fields.setdefault("client", SOURCE)
        return openspa.request(device or self.phone, self.spa_key.public, TCP, first, **fields)

    def holder(self, device):
        """Devices follow clients, in the order of their UUIDs."""
        return len(self.clients) + self.devices.index(device)

    def key_of(self, packet):
        return openspa.unwrap(packet, self.spa_key.private)[1]

    def ask(self, rogue, packet, holder=None, word="request", key=None, source=SOURCE, size=None,
            generation=None, guessed=0, times=1):
        number = self.holder(self.phone) if holder is None else holder
        self.assertEqual(rogue(
            word, self.generation if generation is None else generation, number, guessed,
            len(packet) if size is None else size, openme.target_bytes(source).hex(),
            (key or self.key_of(packet)).hex(), packet.hex(), times), ["sent"])

    def openings(self):
        """(address, protocol, port, owner) of all that is open."""
        found = set()
        for item in self.table():
            for element in item.get("set", {}).get("elem", []):
                element = element["elem"] if "elem" in element else {}
                if "expires" in element:
                    value = element["val"]
                    value = value["concat"] if isinstance(value, dict) else [value]
                    found.add((*value, element["comment"]))
        return found

    def expect_open(self, rogue, *openings, answers=None):
        """Only these are open, and so many requests are to be answered."""
        settled = rogue("settle")
        self.assertEqual(settled[0], "settled")
        self.assertEqual(self.openings(), set(openings))
        self.assertEqual(int(settled[3]), len(openings) if answers is None else answers)

    def assert_still_opens(self, rogue):
        self.ask(rogue, self.request(client=FAR))
        self.expect_open(rogue, (FAR, "tcp", PORT, "phone"))

    def all_holders(self):
        return [*range(len(self.clients) + len(self.devices) + 2), 2**16, 2**31, 2**32 - 1]

    def test_a_fresh_signature_opens(self):
        rogue = self.configured()
        self.expect_open(rogue)
        self.ask(rogue, self.request())
        self.expect_open(rogue, (SOURCE, "tcp", PORT, "phone"))

    def test_noise(self):
        rogue = self.configured()
        self.assertEqual(rogue("noise", 20_000), ["sent"])
        self.expect_open(rogue)
        self.assert_still_opens(rogue)

    def test_signed_by_somebody_else(self):
        """Whatever holder the doorman names."""
        rogue = self.configured()
        stranger = openspa.Device()
        forged = [self.request(stranger), self.request(signer=stranger.key),
                  self.request(signer=self.laptop.key), self.request(self.lost),
                  self.request(self.lost, signer=self.phone.key),
                  self.request(signer=self.spa_key)]
        for packet in forged:
            for holder in self.all_holders():
                for guessed in (0, 1, 255):
                    self.ask(rogue, packet, holder, guessed=guessed)
        self.expect_open(rogue)
        self.assert_still_opens(rogue)

    def test_a_holder_that_is_another(self):
        """A good request opens for the device that signed it, or not at all."""
        rogue = self.configured()
        packet = self.request()
        for holder in self.all_holders():
            if holder != self.holder(self.phone):
                self.ask(rogue, packet, holder)
        self.assertEqual(rogue("settle")[0], "settled")
        self.assertLessEqual(self.openings(), {(SOURCE, "tcp", PORT, "phone")})
        self.ask(rogue, packet)
        self.expect_open(rogue, (SOURCE, "tcp", PORT, "phone"))

    def test_wrong_keys_of_the_envelope(self):
        rogue = self.configured()
        packet = self.request()
        key = self.key_of(packet)
        for bit in range(8 * len(key)):
            self.ask(rogue, packet, key=openme.flipped(key, bit))
        for wrong in (bytes(32), os.urandom(32), self.key_of(self.request())):
            self.ask(rogue, packet, key=wrong)
        self.expect_open(rogue)
        self.assert_still_opens(rogue)

    def test_changed_after_the_signature(self):
        """Target, ports, device, time: every bit of what was signed, in a whole envelope."""
        rogue = self.configured()
        signed, _ = openspa.unwrap(self.request(), self.spa_key.private)
        for bit in range(8 * PAYLOAD_BYTES):
            self.ask(rogue, openspa.wrap(HEADER, openme.flipped(signed, bit),
                                         self.spa_key.public))
        other, _ = openspa.unwrap(self.request(first=PORT + 1), self.spa_key.private)
        for mixed in (signed[:PAYLOAD_BYTES] + other[PAYLOAD_BYTES:],
                      other[:PAYLOAD_BYTES] + signed[PAYLOAD_BYTES:],
                      signed[:PAYLOAD_BYTES] + bytes(256),
                      signed[:PAYLOAD_BYTES] + b"\xff" * 256):
            self.ask(rogue, openspa.wrap(HEADER, mixed, self.spa_key.public))
        self.expect_open(rogue)
        self.ask(rogue, openspa.wrap(HEADER, signed, self.spa_key.public))
        self.expect_open(rogue, (SOURCE, "tcp", PORT, "phone"))

    def test_every_bit_of_the_envelope(self):
        """With the right key at hand. What the key came in is not read again."""
        rogue = self.configured()
        packet = self.request()
        key = self.key_of(packet)
        for bit in [*range(16), *range(8 * 258, 8 * REQUEST_BYTES)]:
            self.ask(rogue, openme.flipped(packet, bit), key=key)
        self.expect_open(rogue)
        self.ask(rogue, packet)
        self.expect_open(rogue, (SOURCE, "tcp", PORT, "phone"))

    def test_every_size(self):
        rogue = self.configured()
        packet = self.request()
        for size in [*range(REQUEST_BYTES), *range(REQUEST_BYTES + 1, 1200),
                     *range(1200, 65536, 511), 65535]:
            self.ask(rogue, packet, size=size)
        self.expect_open(rogue)
        self.ask(rogue, packet)
        self.expect_open(rogue, (SOURCE, "tcp", PORT, "phone"))

    def test_under_the_name_of_the_other_protocol(self):
        rogue = self.configured()
        packet, knock = self.request(), self.fresh()
        for holder in self.all_holders():
            self.ask(rogue, packet, holder, "knock")
            self.ask(rogue, packet, holder, "knock", size=openme.PACKET_BYTES)
            self.ask(rogue, knock, holder, key=super().key_of(knock))
            self.ask(rogue, knock, holder, size=REQUEST_BYTES, key=super().key_of(knock))
            if holder != self.index("alice"):
                self.ask(rogue, knock, holder, "knock", key=super().key_of(knock))
        self.expect_open(rogue)
        self.assert_still_opens(rogue)

    def test_stamps(self):
        rogue = self.configured()
        now = int(time.time())
        for stamp in (0, 1, -1, 2**63 - 1, -2**63, now - 302, now + 390, now * 10**9):
            self.ask(rogue, self.request(timestamp=stamp))
        self.expect_open(rogue)
        self.assert_still_opens(rogue)

    def test_generations(self):
        rogue = self.configured()
        for generation in (0, 2, 2**32 + 1, 2**64 - 1):
            self.ask(rogue, self.request(), generation=generation)
        self.expect_open(rogue)
        self.assert_still_opens(rogue)

    def test_replays(self):
        """Used once, whatever is said of its source, in whatever envelope it comes."""
        rogue = self.configured()
        packet = self.request(client="0.0.0.0")
        signed, _ = openspa.unwrap(packet, self.spa_key.private)
        self.ask(rogue, packet, source="203.0.113.2", times=1000)
        for last in range(50):
            again = openspa.wrap(HEADER, signed, self.spa_key.public)
            self.ask(rogue, again, source=f"198.51.100.{last}")
            self.ask(rogue, packet, source=f"198.51.100.{last}")
        self.assertEqual(rogue("configure", self.daemon.file)[:2], ["configured", "0"])
        self.generation = 2
        self.ask(rogue, packet, source="198.51.100.99", times=100)
        self.expect_open(rogue, ("203.0.113.2", "tcp", PORT, "phone"))

    def test_what_a_device_may_not(self):
        """Signed, and refused by the configuration all the same."""
        self.configure(targets=["198.51.100.0/24"], clients={
            str(self.phone.uuid): {"name": "phone", "rules": [f"{PORT}/tcp 90s"]},
            str(self.laptop.uuid): {"name": "laptop", "expires": "2020-01-01T00:00:00Z"}})
        rogue = self.configured()
        self.ask(rogue, self.request(first=PORT + 1, client="198.51.100.1"))
        self.ask(rogue, self.request(last=PORT + 1, client="198.51.100.1"))
        self.ask(rogue, self.request())
        self.ask(rogue, self.request(client="127.0.0.1"))
        self.ask(rogue, self.request(self.laptop, client="198.51.100.1"),
                 self.holder(self.laptop))
        self.expect_open(rogue)
        self.ask(rogue, self.request(client="198.51.100.1"))
        self.expect_open(rogue, ("198.51.100.1", "tcp", PORT, "phone"))
