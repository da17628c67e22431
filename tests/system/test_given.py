"""Profiles, OSPA files and keys that come by standard input or a descriptor, and profiles that are
the JSON of a QR code. Knocks are taken from the wire and opened by other code."""

import base64
import json
import os
import socket

import openme
import spa_server
import yaml
from netns import PATIENCE
from spa_tool import DEVICE, SpaTest, need_openspa
from test_tool import decoded
from test_tool_knock import opened
from tool import CLOSED, CONFIG, ToolTest


class ProfileTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.server, self.alice = openme.ServerKey(), openme.ClientKey()
        self.wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.wire.close)
        self.wire.bind(("127.0.0.1", 0))
        self.wire.settimeout(PATIENCE)
        self.port = self.wire.getsockname()[1]
        self.text = yaml.safe_dump({"profiles": {"default": {
            "server_host": "127.0.0.1", "server_udp_port": self.port,
            "server_pubkey": openme.text(self.server.public),
            "private_key": openme.text(self.alice.secret)}}})

    def code(self, **more):
        """What the original's tool puts into a code."""
        return json.dumps({
            "profile": "home", "host": "127.0.0.1", "udp_port": self.port,
            "server_pubkey": openme.text(self.server.public),
            "client_privkey": openme.text(self.alice.secret),
            "client_pubkey": openme.text(self.alice.public), **more})

    def assert_knocked(self):
        opened(self.wire.recv(1000), self.server.secret, self.alice.public)

    def given(self, name, text, *words):
        return self.tool("--client-config", name, *words, input=text)

    def test_standard_input(self):
        for name in ("-", "/dev/stdin", "fd:0", "/dev/fd/0"):
            with self.subTest(name):
                self.assertIn("Knock sent.", self.given(name, self.text, "knock"))
                self.assert_knocked()

    def test_every_command_that_reads_profiles(self):
        self.given("-", self.text, "knock", "default", "--quiet")
        self.given("-", self.text, "connect", "--quiet")
        self.assertIn("127.0.0.1", self.given("-", self.text, "profiles"))
        self.assertIn("127.0.0.1", self.given("-", self.text, "profiles", "default"))
        self.tool("--client-config", "-", "status", "--timeout", "1s", input=self.text,
                  code=CLOSED)
        self.tool("--client-config", "-", "knock", "--check", "--timeout", "1s", input=self.text,
                  code=CLOSED)

    def test_another_descriptor(self):
        """A pipe, as a shell's <(...) is; it is not for the command after the knock."""
        text = self.text.replace("default:\n", "default:\n    post_knock: 'ls -l /proc/self/fd/'\n")
        read, write = os.pipe()
        os.write(write, text.encode())
        os.close(write)
        self.addCleanup(os.close, read)
        out = self.tool("--client-config", f"fd:{read}", "knock", pass_fds=[read])
        self.assert_knocked()
        self.assertNotIn(f" {read} -> pipe", out)
        self.assertIn(" 0 -> ", out)

    def test_a_file_that_others_read_is_for_descriptors_alone(self):
        path = self.room / "open.yaml"
        path.write_text(self.text)
        path.chmod(0o644)
        self.tool("--client-config", path, "knock", code=CONFIG)
        with open(path) as file:
            self.tool("--client-config", "-", "knock", stdin=file)
        self.assert_knocked()

    def test_what_is_wrong_is_said_with_its_name(self):
        for text, why in (("", 'standard input: expected the section "profiles"'),
                          ("profiles:\n  a:\n    host: b\n", "standard input:3:5: profiles.a: unknown"),
                          ('{"host": "a", "client_privkey": "b",\n"x": 1}', 'standard input:2:1: unknown key "x"')):
            with self.subTest(text):
                done = self.run_tool("--client-config", "-", "knock", input=text)
                self.assertEqual(done.returncode, CONFIG)
                self.assertIn(why, done.stderr)
        done = self.run_tool("--client-config", "fd:77", "knock")
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("fd:77: cannot read it: Bad file descriptor", done.stderr)

    def test_a_code(self):
        """By standard input, and as a file."""
        self.given("-", self.code(), "knock", "home")
        self.assert_knocked()
        path = self.room / "code.json"
        path.touch(0o600)
        path.write_text(self.code(profile=""))
        self.tool("--client-config", path, "knock")
        self.assert_knocked()
        self.assertIn("default", self.tool("--client-config", path, "profiles"))
        path.chmod(0o644)
        self.tool("--client-config", path, "knock", code=CONFIG)

    def test_our_own_code(self):
        """As it is drawn, but for the server, which is this test."""
        self.tool("init", "--server", "127.0.0.1", "--port", self.port)
        picture = self.room / "code.png"
        printed = yaml.safe_load(self.tool("add", "alice", "--qr-out", picture))["profiles"]
        text = json.dumps(decoded(picture))
        shown = json.loads(self.given("-", text, "profiles", "--json"))["profiles"]
        self.assertEqual([profile["name"] for profile in shown], list(printed))
        [profile] = printed.values()
        self.given("-", text, "knock")
        secret = yaml.safe_load(self.config.read_text())["server"]["private_key"]
        opened(self.wire.recv(1000), base64.b64decode(secret),
               base64.b64decode(profile["public_key"]))

    def test_a_code_without_the_private_key(self):
        text = self.code()
        without = json.loads(text)
        del without["client_privkey"]
        done = self.run_tool("--client-config", "-", "knock", input=json.dumps(without))
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("client_privkey: not given; this code was made for a device that has the "
                      "key itself", done.stderr)


class OspaTest(SpaTest):
    @classmethod
    def setUpClass(cls):
        need_openspa()
        super().setUpClass()

    def test_an_ospa_file_by_standard_input(self):
        server = self.serve()
        text = self.ospa.read_text()
        words = self.words(server, "-p", 22)
        words[words.index(self.ospa)] = "-"
        self.assertIn("TCP port 22 granted", self.tool(*words, input=text))
        self.assertEqual(server.requests[-1].device.hex(), DEVICE.replace("-", ""))
        done = self.run_tool(*words, input="name: 5\n")
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("standard input", done.stderr)

    def test_a_key_by_a_descriptor(self):
        server = self.serve()
        of_server = self.write(self.room / "srv", spa_server.public_pem(self.server_key), 0o644)
        self.tool("request", "-s", server.address, "--server-port", server.port, "-p", 22,
                  "--server-public-key", of_server, "--client-device-id", DEVICE,
                  "--private-key", "-", input=spa_server.private_pem(self.client_key))
        self.assertEqual(len(server.requests), 1)
