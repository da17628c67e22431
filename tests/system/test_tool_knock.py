"""The tool's commands on a client: knocks are taken from the wire and opened by other code."""

import base64
import json
import re
import signal
import socket
import struct
import subprocess

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import openme
from daemon import program
from memory import places
from netns import PATIENCE, eventually
from tool import CLOSED, CONFIG, HOST, USAGE, ToolTest


def opened(packet, server_secret, client_public):
    """Timestamp and target of a knock; raises when seal or signature do not fit."""
    assert len(packet) == openme.PACKET_BYTES and packet[0] == 1
    shared = X25519PrivateKey.from_private_bytes(server_secret).exchange(
        X25519PublicKey.from_public_bytes(packet[1:33]))
    key = HKDF(SHA256(), 32, salt=bytes(32), info=openme.INFO).derive(shared)
    Ed25519PublicKey.from_public_bytes(client_public).verify(packet[101:], packet[:101])
    plain = ChaCha20Poly1305(key).decrypt(packet[33:45], packet[45:101], None)
    return struct.unpack(">q", plain[:8])[0], plain[24:]


class KnockTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.server = openme.ServerKey()
        self.alice = openme.ClientKey()
        self.wire = self.listen(socket.AF_INET, "127.0.0.1")
        self.port = self.wire.getsockname()[1]
        self.profile()

    def listen(self, family, address, port=0):
        wire = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(wire.close)
        wire.bind((address, port))
        wire.settimeout(PATIENCE)
        return wire

    def profile(self, **more):
        path = self.room / "client.yaml"
        path.touch(0o600)
        path.write_text(yaml.safe_dump({"profiles": {"default": {
            "server_host": "127.0.0.1", "server_udp_port": self.port,
            "server_pubkey": openme.text(self.server.public),
            "private_key": openme.text(self.alice.secret),
            "public_key": openme.text(self.alice.public), **more}}}))

    def received(self, wire=None):
        packet = (wire or self.wire).recv(2000)
        return opened(packet, self.server.secret, self.alice.public)

    def nothing_more(self, wire=None):
        (wire or self.wire).setblocking(False)
        self.assertRaises(BlockingIOError, (wire or self.wire).recv, 2000)

    def test_knock(self):
        for command in ("knock", "connect"):
            before = openme.now_ns()
            text = self.tool(command)
            timestamp, target = self.received()
            self.assertTrue(before <= timestamp <= openme.now_ns())
            self.assertEqual(target, openme.WILDCARD)
            self.assertEqual(text, f"Knocking 127.0.0.1:{self.port} ...\nKnock sent.\n")
        self.nothing_more()

    def test_every_knock_is_another(self):
        packets = set()
        for _ in range(3):
            self.tool("knock")
            packets.add(self.wire.recv(2000))
        self.assertEqual(len({p[1:33] for p in packets}), 3)

    def test_quiet_and_json(self):
        self.assertEqual(self.tool("--quiet", "knock"), "")
        shown = json.loads(self.tool("knock", "--json"))
        self.assertEqual((shown["profile"], shown["host"], shown["port"], shown["sent"]),
                         ("default", "127.0.0.1", self.port, True))
        self.assertEqual(shown["knocks"], [
            {"family": "ipv4", "server": "127.0.0.1", "target": "source", "sent": True}])

    def test_targets(self):
        for given, target in (("203.0.113.5", "203.0.113.5"), ("2001:db8::42", "2001:db8::42"),
                              ("0.0.0.0", openme.WILDCARD), ("::", openme.WILDCARD)):
            with self.subTest(given=given):
                self.tool("knock", "--ip", given)
                self.assertEqual(self.received()[1], openme.target_bytes(target))
        for bad in ("", "gate", "1.2.3", "127.0.0.1", "ff02::1", "10.0.0.0/8"):
            with self.subTest(given=bad):
                self.tool("knock", "--ip", bad, code=USAGE)
        self.nothing_more()

    def test_families(self):
        six = self.listen(socket.AF_INET6, "::1", self.port)
        self.profile(server_host="::1")
        self.tool("knock", "-6")
        self.received(six)
        self.tool("knock", "-4", code=1)
        self.nothing_more(six)
        self.profile()
        self.tool("knock", "-4")
        self.received()
        self.tool("knock", "-6", code=1)
        self.nothing_more()

    def test_bad_words(self):
        for words in (["--interval", "soon"], ["--interval", "10ms"], ["--timeout", "0s"],
                      ["--timeout", "-1s"], ["a", "b"], ["--chek"]):
            with self.subTest(words=words):
                self.tool("knock", *words, code=USAGE)
        self.nothing_more()

    def test_profiles_that_are_not_there(self):
        done = self.run_tool("knock", "defalt")
        self.assertEqual(done.returncode, 1)
        self.assertIn("default", done.stderr)
        self.tool("knock", "--client-config", self.room / "none.yaml", code=CONFIG)
        (self.room / "client.yaml").chmod(0o644)
        self.tool("knock", code=CONFIG)
        self.nothing_more()

    def test_a_name_that_does_not_resolve(self):
        self.profile(server_host="host.invalid")
        self.assertEqual(json.loads(self.tool("knock", "--json", code=1))["sent"], False)

    def test_post_knock(self):
        """It has our streams and its status is ours; no key is in its environment."""
        self.profile(post_knock="env; echo $0 $*; cat /proc/self/cmdline; exit 7")
        done = self.run_tool("--quiet", "knock")
        self.assertEqual(done.returncode, 7)
        self.assertIn("POSTERN_HOST=127.0.0.1\n", done.stdout)
        self.assertIn(f"POSTERN_PORT={self.port}\n", done.stdout)
        self.assertIn("POSTERN_IPV4=127.0.0.1\n", done.stdout)
        self.assertIn("POSTERN_IPV6=\n", done.stdout)
        self.assertNotIn(openme.text(self.alice.secret)[:40], done.stdout)

    def test_post_knock_only_after_a_knock(self):
        witness = self.room / "witness"
        self.profile(post_knock=f"touch {witness}", server_host="host.invalid")
        self.tool("knock", code=1)
        self.profile(post_knock=f"touch {witness}")
        self.tool("knock", "--check", "--timeout", "50ms", code=CLOSED)
        self.tool("status", "--knock", "--timeout", "50ms", code=CLOSED)
        self.assertFalse(witness.exists())
        self.tool("knock")
        self.assertTrue(witness.exists())

    def accept(self):
        door = socket.create_server(("127.0.0.1", self.port))
        self.addCleanup(door.close)
        return door

    def test_check(self):
        self.assertFalse(json.loads(
            self.run_tool("knock", "--check", "--timeout", "50ms", "--json").stdout)["open"])
        self.accept()
        self.assertIn("open", self.tool("knock", "--check"))
        self.assertTrue(json.loads(self.tool("knock", "--check", "--json"))["open"])

    def test_check_waits_for_the_door(self):
        tool = subprocess.Popen(
            [program("postern"), "--client-config", self.room / "client.yaml", "knock", "--check",
             "--timeout", "20s"], stdout=subprocess.PIPE, text=True)
        self.received()
        self.accept()
        self.assertIn("open", tool.communicate(timeout=PATIENCE)[0])
        self.assertEqual(tool.returncode, 0)

    def test_status(self):
        self.assertIn("closed", self.tool("status", code=CLOSED))
        self.assertEqual(self.tool("--quiet", "status", code=CLOSED), "")
        self.nothing_more()
        self.accept()
        self.assertIn("open", self.tool("status"))
        self.assertTrue(json.loads(self.tool("status", "--json"))["open"])
        self.nothing_more()
        self.wire.settimeout(PATIENCE)
        self.assertIn("open", self.tool("status", "--knock"))
        self.received()

    def test_continuous(self):
        tool = subprocess.Popen(
            [program("postern"), "--client-config", self.room / "client.yaml", "knock",
             "--continuous", "--interval", "1s", "--json"], stdout=subprocess.PIPE, text=True)
        first, second = self.received()[0], self.received()[0]
        self.assertGreater(second, first)
        tool.send_signal(signal.SIGTERM)
        lines = tool.communicate(timeout=PATIENCE)[0].splitlines()
        self.assertEqual(tool.returncode, 0)
        self.assertGreaterEqual(len(lines), 1)
        self.assertTrue(all(json.loads(line)["sent"] for line in lines))

    def test_the_key_lies_in_locked_memory(self):
        """While it waits for its next knock: nowhere else, nor is a copy of the file left behind."""
        tool = subprocess.Popen(
            [program("postern"), "--client-config", self.room / "client.yaml", "knock",
             "--continuous", "--interval", "1s"], stdout=subprocess.DEVNULL)
        seed = self.alice.secret[:32]

        def elsewhere():
            found = places(tool.pid, {"seed": seed, "in base64": openme.text(seed).encode()})
            self.assertIn("seed", [name for name, _ in found], "the search is blind")
            return [(name, place.head) for name, place in found if not place.locked]
        try:
            self.received()
            self.received()
            # It may not have come further than this knock.
            self.assertTrue(eventually(lambda: not elsewhere()), elsewhere())
        finally:
            tool.kill()
            tool.wait(PATIENCE)

    def test_profiles(self):
        self.profile(post_knock="ssh me@gate")
        secret = openme.text(self.alice.secret)
        for words in ([], ["default"], ["--json"], ["default", "--json"]):
            shown = self.tool("profiles", *words)
            self.assertIn("default", shown)
            self.assertIn("ssh me@gate", shown)
            self.assertNotIn(secret[:40], shown)
        self.assertIn("redacted", self.tool("profiles", "default"))
        self.tool("profiles", "none", code=1)

    def test_profiles_tell_of_the_shield_key_and_do_not_show_it(self):
        key = openme.text(bytes(range(32)))
        for more, text in (({"shield_key": key}, "(redacted)"), ({}, "(none)")):
            self.profile(**more)
            shown = self.tool("profiles", "default")
            self.assertRegex(shown, rf"(?m)^Shield key: +{re.escape(text)}$")
            as_json = self.tool("profiles", "default", "--json")
            self.assertEqual(json.loads(as_json)["shield_key"], bool(more))
            self.assertNotIn(key[:20], shown + as_json)

    def test_what_add_prints_knocks(self):
        self.init("--port", self.port)
        text = self.config.read_text()
        self.config.write_text(text.replace(f'"{HOST}"', '"127.0.0.1"'))
        (self.room / "client.yaml").write_text(self.tool("add", "alice"))
        self.tool("knock")
        server = yaml.safe_load(text)["server"]
        profile = yaml.safe_load((self.room / "client.yaml").read_text())["profiles"]["default"]
        opened(self.wire.recv(2000), base64.b64decode(server["private_key"]),
               base64.b64decode(profile["public_key"]))
