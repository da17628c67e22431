"""What must not open a port, and what must not be answered."""

import json
import os
import struct
from pathlib import Path

import openme
from capture import Outgoing
from netns import eventually
from openme import SECOND
from world import FAMILIES, LONG, WorldTest

WINDOW = 60 * SECOND
VECTORS = Path(__file__).parents[1] / "vectors"
UNUSABLE = (
    "127.0.0.1", "127.255.0.3", "::1", "169.254.1.2", "fe80::1", "224.0.0.1", "239.1.2.3",
    "ff02::1", "ff0e::7", "255.255.255.255", "0.0.0.1", "0.255.255.255", "240.0.0.1", "254.1.1.1")


class RefuseTest(WorldTest):
    def setUp(self):
        super().setUp()
        self.start()

    def assert_all_refused(self, packets, verdict=None):
        """Sends every packet over both families: nothing opens, and the server says nothing."""
        for family in FAMILIES:
            # The doorman now expects the next knock from here to be of the client `marker`.
            self.settle(family)
            with self.subTest(family=family), Outgoing(self.server) as outgoing:
                for packet in packets:
                    self.deliver(packet, family)
                self.assertEqual(self.settle(family), set())
                self.assertEqual(outgoing.frames, [], "the server answered")
        if verdict:
            self.assertTrue(eventually(lambda: self.verdicts(verdict)), f"no verdict {verdict}")

    def valid(self, key=None, **fields):
        return openme.knock(key or self.alice, self.server_key.public, **fields)

    def test_the_capture_sees_an_answer(self):
        """So that the silence below means something."""
        for family in FAMILIES:
            with Outgoing(self.server) as outgoing:
                self.server.send(b"here", self.address(family, self.client), 9)
                self.assertTrue(eventually(lambda: outgoing.frames))

    def test_every_size_from_0_to_1500(self):
        whole = self.valid()
        packets = [whole[:size] for size in range(openme.PACKET_BYTES)]
        packets += [whole + bytes(more) for more in range(1, 1501 - openme.PACKET_BYTES)]
        self.assert_all_refused(packets)

    def test_random_bytes_of_the_right_size(self):
        packets = [os.urandom(openme.PACKET_BYTES) for _ in range(500)]
        packets += [b"\x01" + os.urandom(openme.PACKET_BYTES - 1) for _ in range(500)]
        self.assert_all_refused(packets)

    def test_every_flipped_bit(self):
        packet = self.valid()
        packets = [openme.flipped(packet, bit) for bit in range(8 * openme.PACKET_BYTES)]
        self.assert_all_refused(packets)

    def test_wrong_version(self):
        packets = [self.valid(version=version) for version in (0, 2, 3, 16, 128, 255)]
        self.assert_all_refused(packets)

    def test_signed_by_a_stranger(self):
        self.assert_all_refused([self.valid(openme.ClientKey())], "unknown_signer")

    def test_sealed_for_another_server(self):
        other = openme.ServerKey()
        self.assert_all_refused([openme.knock(self.alice, other.public)])

    def test_signature_of_a_registered_client_on_the_body_of_another(self):
        one, two = self.valid(self.alice), self.valid(self.bob)
        self.assert_all_refused([one[:101] + two[101:], two[:101] + one[101:]])

    def test_ephemeral_keys_of_small_order(self):
        keys = [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f",
                bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
                bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")]
        packets = []
        for key in keys:
            body = b"\x01" + key + self.valid()[33:101]
            packets.append(body + self.alice.private.sign(body))
        self.assert_all_refused(packets)

    def test_stale_and_future(self):
        now = openme.now_ns()
        stamps = [now - WINDOW - 5 * SECOND, now + WINDOW + 30 * SECOND, now - 3600 * SECOND,
                  now + 3600 * SECOND, 0, 1, -1, -now]
        self.assert_all_refused([self.valid(timestamp=t) for t in stamps], "stale")

    def test_other_units_of_time(self):
        now = openme.now_ns()
        stamps = [now // 10**9, now // 10**6, now // 10**3]
        self.assert_all_refused([self.valid(timestamp=t) for t in stamps], "stale")

    def test_ends_of_the_number_range(self):
        stamps = [2**63 - 1, -(2**63), 2**63 - 2, -(2**63) + 1]
        self.assert_all_refused([self.valid(timestamp=t) for t in stamps], "stale")

    def test_little_endian_timestamp(self):
        swapped = struct.unpack(">q", struct.pack("<q", openme.now_ns()))[0]
        self.assert_all_refused([self.valid(timestamp=swapped)], "stale")

    def test_inside_the_window(self):
        """The other side of the edge: a knock close to it is granted."""
        for offset in (-WINDOW + 5 * SECOND, WINDOW - 5 * SECOND):
            with self.subTest(offset=offset):
                self.knock(timestamp=openme.now_ns() + offset)
                self.assert_opens()
                self.assert_shuts()

    def test_unusable_targets(self):
        own = (self.address(4), self.address(6))
        packets = [self.valid(target=target) for target in UNUSABLE + own]
        self.assert_all_refused(packets, "target_refused")
        self.assertGreaterEqual(len(self.verdicts("target_refused")), 1)


class PolicyTest(WorldTest):
    """Refusals that the configuration asks for."""

    def refuse(self, verdict, key=None, **fields):
        for family in FAMILIES:
            self.knock(key, family, **fields)
            self.assertEqual(self.settle(family), set())
        self.assertTrue(eventually(lambda: self.verdicts(verdict)), f"no verdict {verdict}")

    def test_expired_client(self):
        self.start(self.configuration({"alice": {"expires": '"2020-01-01T00:00:00Z"'},
                                       "bob": {"expires": '"2120-01-01T00:00:00Z"'}}))
        self.refuse("expired")
        self.knock(self.bob)
        self.assert_opens()

    def test_revoked_client(self):
        self.start(self.configuration({"alice": {"revoked": True}}))
        self.refuse("revoked")

    def test_keys_are_not_tried(self):
        """Of whom only knocks with a hint count, with the server's word for those who have none."""
        self.start(self.configuration({"bob": {"legacy": "no"}}, legacy="yes"))
        self.knock()
        self.assert_opens()
        self.knock(self.bob, family=6)
        self.assertTrue(eventually(lambda: self.verdicts("unknown_signer")))
        self.assert_shut(6)
        self.daemon.stop()
        self.server.flush_rules()
        self.start(self.configuration({"marker": {"legacy": "yes"}}, legacy="no"))
        self.refuse("unknown_signer")
        # Nor when there is but one client.
        self.start(self.configuration({"bob": None, "marker": None}, legacy="no"))
        self.knock()
        self.assertTrue(eventually(lambda: self.verdicts("unknown_signer")))
        self.assert_shut()

    def test_wildcard_refused(self):
        self.start(self.configuration({"alice": {"wildcard": False}}))
        self.refuse("wildcard_refused")
        self.knock(target=self.address(4, self.client))
        self.assert_opens()

    def test_only_the_source_as_target(self):
        self.start(self.configuration({"alice": {"targets": ["source"]}}))
        self.refuse("target_refused", target="203.0.113.9")
        self.knock()
        self.assert_opens()

    def test_only_listed_networks_as_target(self):
        networks = ["203.0.113.0/24", "2001:db8::/32"]
        self.start(self.configuration({"alice": {"targets": networks}}, knock_timeout=LONG))
        self.refuse("target_refused", target="203.0.114.1")
        self.refuse("target_refused", target="2001:db9::1")
        self.refuse("target_refused")
        self.knock(target="203.0.113.200")
        self.knock(target="2001:db8:77::1")
        self.assertEqual(self.settle(), {"203.0.113.200", "2001:db8:77::1"})

    def test_quota(self):
        self.start(self.configuration(client_quota=4, knock_timeout=LONG))
        self.grant_all(["203.0.113.1"])  # so that the others are judged as they come
        for last in range(2, 7):
            self.knock(target=f"203.0.113.{last}")
        self.assertEqual(self.settle(), {f"203.0.113.{last}" for last in range(1, 5)})
        self.assertTrue(self.verdicts("over_quota"))


class VectorTest(WorldTest):
    """Knocks of the original client, served with the original's configuration file."""

    def judged(self):
        return self.counted("granted") + self.counted("target_refused")

    def test_captured_knocks(self):
        vectors = json.loads((VECTORS / "openme-v1.json").read_text())["vectors"]
        configuration = (VECTORS / "openme-server.yaml").read_text()
        configuration = configuration.replace("replay_window: 1m0s", "replay_window: 876000h")
        configuration = configuration.replace("knock_timeout: 30s", f"knock_timeout: {LONG}")
        self.start(configuration)
        self.assertIn("876000h", configuration)
        self.assertIn(LONG, configuration)
        expected = set()
        for vector in vectors:
            flag = vector["ip_flag"]
            before = self.judged()
            self.client.send(bytes.fromhex(vector["packet"]), self.address(4), 39353)
            self.assertTrue(eventually(lambda b=before: self.judged() > b))
            if flag in ("0.0.0.0", "::"):
                expected.add(self.address(4, self.client))
            elif flag not in ("255.255.255.255", "fe80::1"):
                expected.add(flag.removeprefix("::ffff:"))
        self.assertTrue(eventually(lambda: self.granted() == expected),
                        f"{self.granted()} instead of {expected}")
        refused = {"255.255.255.255", "fe80::1"} & {v["ip_flag"] for v in vectors}
        self.assertEqual(len(refused), 2)
        self.assertTrue(eventually(lambda: len(self.verdicts("target_refused")) >= 1))

    def test_flipped_captures_are_refused(self):
        vectors = json.loads((VECTORS / "openme-v1.json").read_text())["vectors"]
        text = (VECTORS / "openme-server.yaml").read_text()
        self.start(text.replace("1m0s", "876000h").replace("30s", LONG))
        address = self.address(4)
        for vector in vectors:
            packet = bytes.fromhex(vector["packet"])
            for bit in range(0, 8 * len(packet), 7):
                self.client.send(openme.flipped(packet, bit), address, 39353)
        whole = bytes.fromhex(vectors[1]["packet"])

        def sent_and_granted():
            # The sender of so many bad ones may have to knock again.
            self.client.send(whole, address, 39353)
            return self.granted()
        self.assertTrue(eventually(sent_and_granted))
        self.assertEqual(self.granted(), {vectors[1]["ip_flag"]})
