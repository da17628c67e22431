"""The shield: who carries its tag, what becomes of those who do not, and how its key changes. Tags
are made by other code, or by `postern knock`."""

import json
import os
import signal
import subprocess
import unittest
from pathlib import Path

import openme
import shield
import yaml as yaml_reader
from capture import Outgoing
from daemon import program
from flood import Forger
from netns import PATIENCE, eventually
from openme import SECOND
from world import FAMILIES, KNOCK_PORT, LONG, WorldTest

JUNK = 3000  # more than may wait for the doorman
VECTORS = json.loads((Path(__file__).parents[1] / "vectors/postern-extras.json").read_text())


class TagTest(unittest.TestCase):
    def test_the_tags_of_these_tests_are_those_of_the_vectors(self):
        for v in VECTORS["vectors"]:
            made = bytes.fromhex(v["aead_nonce"])
            epoch = v["timestamp_ns"] // SECOND // shield.EPOCH_S
            self.assertEqual(epoch, v["shield_epoch"])
            self.assertEqual(made[:4].hex(), v["shield_random"])
            self.assertEqual(made[4:], shield.siphash_2_4(
                bytes.fromhex(v["shield_epoch_key"]),
                b"\x01" + bytes.fromhex(v["ephemeral_public_key"]) + made[:4]))


class ShieldTest(WorldTest):
    server_settings = {"knock_timeout": LONG}

    def setUp(self):
        super().setUp()
        self.key, self.other_key = os.urandom(32), os.urandom(32)
        self.number = 0

    def start_with(self, mode, key=None, **server):
        self.start(self.settings(mode, key, **server))

    def settings(self, mode, key=None, **server):
        return self.configuration(shield=mode, shield_key=openme.text(key or self.key), **server)

    def reconfigure(self, configuration):
        self.daemon.configure(configuration)
        self.daemon.reload()

    def target(self):
        self.number += 1
        return f"198.51.100.{self.number}"

    def gets_in(self, key=None, early_s=0, client=None, **fields):
        """Whether a knock with the tag of `key` (none: None) is granted. One that all get in by comes
        after it."""
        target, granted = self.target(), self.counted("granted")
        self.knock(client, target=target, tag=key and shield.tagging(key, early_s), **fields)
        self.pass_by()
        return target in self.granted()

    def pass_by(self):
        """Everything sent before has had its verdict."""
        def passed():
            target = self.target()
            self.knock(self.marker, target=target, tag=shield.tagging(self.in_force))
            return eventually(lambda: target in self.granted(), within=1)
        self.assertTrue(eventually(passed), "the tagged marker was not granted")

    @property
    def in_force(self):
        return self.newest if hasattr(self, "newest") else self.key

    def junk(self, packet):
        """The tag of a knock with something else behind it, which is well formed."""
        return packet[:45] + os.urandom(openme.PACKET_BYTES - 46) + b"\0"

    def test_prefer_serves_both(self):
        self.start_with("prefer")
        self.assertTrue(self.gets_in(self.key))
        self.assertTrue(self.gets_in(None))
        self.assertTrue(self.gets_in(self.other_key))
        self.assertEqual(self.counted("untagged"), 0)

    def test_a_server_without_a_shield_serves_both(self):
        for settings in ({}, {"shield": "prefer"},
                         {"shield": "off", "shield_key": openme.text(self.key)}):
            with self.subTest(settings):
                self.start(self.configuration(**settings))
                self.assertTrue(self.gets_in(self.key))
                self.assertTrue(self.gets_in(None))

    def test_require_drops_what_has_no_tag_and_says_nothing(self):
        self.start_with("require")
        for family in FAMILIES:
            with self.subTest(family), Outgoing(self.server) as outgoing:
                before = self.counted("untagged")
                self.assertFalse(self.gets_in(None, family=family))
                self.assertFalse(self.gets_in(self.other_key, family=family))
                self.assertEqual(self.counted("untagged"), before + 2)
                self.assertTrue(self.gets_in(self.key, family=family))
                self.assertEqual(outgoing.frames, [], "the server answered")
        self.assertEqual(self.counted("handed_on"), self.counted("granted"))

    def test_each_bit_under_the_tag_matters(self):
        """All but the top one of the ephemeral key, which no knock has."""
        self.start_with("require")
        whole = openme.knock(self.alice, self.server_key.public, target=self.target(),
                             tag=shield.tagging(self.key))
        flipped = 0
        for bit in range(8, 45 * 8):
            if bit == 32 * 8 + 7:
                continue
            packet = bytearray(whole)
            packet[bit // 8] ^= 1 << bit % 8
            self.deliver(bytes(packet))
            flipped += 1
        self.pass_by()
        self.assertEqual(self.counted("untagged"), flipped)
        self.assertEqual(self.counted("bad_seal"), 0)
        granted = self.counted("granted")
        self.deliver(whole)
        self.assertTrue(eventually(lambda: self.counted("granted") == granted + 1))

    def test_clocks_may_differ_by_a_minute(self):
        self.start_with("require")
        for apart in (-55, -30, 30, 55):
            self.assertTrue(
                self.gets_in(self.key, timestamp=openme.now_ns() + apart * SECOND), apart)
        for early in (3 * shield.EPOCH_S, -3 * shield.EPOCH_S):
            self.assertFalse(self.gets_in(self.key, early_s=early))

    def test_a_recorded_tag_does_not_shut_its_owner_out(self):
        """Junk behind it comes first, and often. The knock itself gets in, also where a tag is
        required: a tag that has come too often is not dropped."""
        self.start_with("require")
        target = self.target()
        whole = openme.knock(self.alice, self.server_key.public, target=target,
                             tag=shield.tagging(self.key))
        for _ in range(20):
            self.deliver(self.junk(whole))
        self.pass_by()
        self.deliver(whole)
        self.assertTrue(eventually(lambda: target in self.granted()))
        self.assertEqual(self.counted("untagged"), 0)

    def test_tagged_knocks_go_first(self):
        """Before them there is more well-formed junk in the socket than may wait, each from a sender of
        its own. Ours come from senders who are as new."""
        self.start_with("prefer", workers=1)  # the one that stands still
        forger = Forger(self.client, self.address(4), KNOCK_PORT)
        self.addCleanup(forger.close)
        doorman = self.daemon.roles()["doorman"]
        expected = set()
        os.kill(doorman, signal.SIGSTOP)
        try:
            for number in range(JUNK):
                forger.send(self.junk(b"\x01" + os.urandom(31) + b"\0" + os.urandom(12)),
                            f"10.77.{10 + number // 200}.{1 + number % 200}")
            for number in range(20):
                target = self.target()
                expected.add(target)
                forger.send(openme.knock(self.alice, self.server_key.public, target=target,
                                         tag=shield.tagging(self.key)), f"10.78.1.{1 + number}")
        finally:
            os.kill(doorman, signal.SIGCONT)
        self.assertTrue(eventually(lambda: expected <= self.granted()), "a tagged knock was lost")
        self.assertGreater(self.counted("busy"), 0)

    def client_file(self, key, name="client.yaml"):
        path = self.folder / name
        path.touch(0o600)
        path.write_text(yaml_reader.safe_dump({"profiles": {"default": {
            "server_host": self.address(4), "server_udp_port": KNOCK_PORT,
            "server_pubkey": openme.text(self.server_key.public),
            "private_key": openme.text(self.alice.secret),
            **({"shield_key": openme.text(key)} if key else {})}}}))
        return path

    def tool_gets_in(self, path):
        """Whether a knock of `postern knock` with that profile is granted."""
        target = self.target()
        self.client.run(program("postern"), "--client-config", path, "knock", "--ip", target)
        self.pass_by()
        return target in self.granted()

    def test_the_tool_carries_the_tag_of_its_profile(self):
        self.start_with("require")
        self.assertTrue(self.tool_gets_in(self.client_file(self.key)))
        self.assertFalse(self.tool_gets_in(self.client_file(self.other_key)))
        self.assertFalse(self.tool_gets_in(self.client_file(None)))

    def test_the_tool_carries_hint_and_tag(self):
        """Both in one knock: nobody is let in here without one of them."""
        self.start(self.configuration({"alice": {"legacy": "no"}}, shield="require",
                                      shield_key=openme.text(self.key)))
        self.assertTrue(eventually(lambda: self.daemon.events(
            message="ready for hints of 3 clients")))
        profile = self.client_file(self.key)
        self.assertTrue(self.tool_gets_in(profile))
        self.assertFalse(self.tool_gets_in(self.client_file(None, "untagged.yaml")))
        self.assertFalse(self.gets_in(self.key), "without a hint")
        self.assertTrue(self.tool_gets_in(profile))

    def test_the_key_changes_while_clients_have_either(self):
        """As the manual page describes it."""
        old, new = self.client_file(self.key, "old.yaml"), self.client_file(self.other_key, "new.yaml")
        self.start_with("require")
        self.assertTrue(self.tool_gets_in(old))
        self.assertFalse(self.tool_gets_in(new))
        self.newest = self.other_key
        self.reconfigure(self.settings(
            "require", self.other_key, shield_key_old=openme.text(self.key)))
        self.assertTrue(self.tool_gets_in(old))
        self.assertTrue(self.tool_gets_in(new))
        self.reconfigure(self.settings("require", self.other_key))
        self.assertFalse(self.tool_gets_in(old))
        self.assertTrue(self.tool_gets_in(new))
        self.reconfigure(self.settings("prefer", self.other_key))
        self.assertTrue(self.tool_gets_in(old))

    def added(self, *words):
        """What `postern add` prints, without what it warns of."""
        tool = self.server.popen(
            program("postern"), "--control", self.daemon.control, "--config", self.daemon.file,
            "add", *words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return tool.communicate(timeout=PATIENCE)[0]

    def test_what_add_prints_gets_in(self):
        """By its profile, and by the JSON that a QR code is."""
        self.start_with("require", host=self.address(4))
        path = self.folder / "added.yaml"
        for name, words in (("carol", ()), ("dave", ("--json",))):
            path.touch(0o600)
            path.write_text(self.added(name, *words))
            self.assertTrue(self.tool_gets_in(path), name)

    def explained(self, packet):
        """What posternd --explain says of a datagram: exit code, lines."""
        path = self.folder / "packet"
        path.write_bytes(packet)
        with self.server.popen(
                program("posternd"), "-c", self.daemon.file, "--explain", path, "--source",
                self.address(4, self.client), stdout=subprocess.PIPE, text=True) as tool:
            lines = tool.communicate(timeout=PATIENCE)[0].splitlines()
        return tool.returncode, [line.split(maxsplit=2) for line in lines]

    def test_explain_tells_the_tag(self):
        made = {name: openme.knock(self.alice, self.server_key.public, tag=key and shield.tagging(key))
                for name, key in (("new", self.key), ("old", self.other_key), ("none", None))}
        old = {"shield_key_old": openme.text(self.other_key)}
        self.start_with("require", **old)
        for name, line in (("new", ["passed", "tag", "of shield_key"]),
                           ("old", ["passed", "tag", "of shield_key_old"])):
            code, lines = self.explained(made[name])
            self.assertIn(line, lines)
            self.assertEqual(code, 0, lines)
            self.assertEqual([words[1] for words in lines[2:7]],
                             ["size", "version", "form", "tag", "key"])
        code, lines = self.explained(made["none"])
        self.assertEqual(code, 3)
        self.assertEqual(lines[-2], ["FAILED", "tag", "none of ours"])
        self.assertEqual(lines[-1][:2], ["refused:", "untagged:"])
        self.daemon.configure(self.settings("prefer", **old))
        code, lines = self.explained(made["none"])
        self.assertEqual(code, 0, lines)
        self.assertIn(["passed", "tag", "none of ours, so that others go first"], lines)
        self.daemon.configure(self.configuration())
        self.assertNotIn("tag", [words[1] for words in self.explained(made["new"])[1]])

    def test_a_check_says_whom_require_keeps_out(self):
        self.start_with("prefer")
        for mode, said in (("prefer", False), ("require", True)):
            self.daemon.configure(self.settings(mode))
            for words in ((program("posternd"), "-c", self.daemon.file, "--check"),
                          (program("postern"), "--config", self.daemon.file, "config", "check")):
                text = self.server.run(*words)
                self.assertEqual("none of openme's own programs" in text, said, text)
