"""`--check=[HOST:]PORT`: the service itself is looked at, where the health port tells nothing, as on an
original openme server, which never listens there. Real sockets, both families."""

import json
import socket
import subprocess
import tempfile
from pathlib import Path

import yaml

import openme
from daemon import program
from tool import CLOSED, FAILED, USAGE
from world import FAMILIES, KNOCK_PORT, LONG, SERVICE_PORT, WorldTest

DEAF_PORT = 2223  # nobody listens there
DROPPED_PORT = 2224
DROPS = f"""
table inet filter {{
	chain input {{
		type filter hook input priority filter; policy accept;
		tcp dport {DROPPED_PORT} drop
	}}
}}
"""
NOTHING = "An original openme server never does"


class CheckPortTest(WorldTest):
    server_settings = {"knock_timeout": LONG}

    def profile(self, host):
        room = tempfile.TemporaryDirectory(prefix="postern-check-")
        self.addCleanup(room.cleanup)
        path = Path(room.name, "client.yaml")
        path.touch(0o600)
        path.write_text(yaml.safe_dump({"profiles": {"default": {
            "server_host": host, "server_udp_port": KNOCK_PORT,
            "server_pubkey": openme.text(self.server_key.public),
            "private_key": openme.text(self.alice.secret)}}}))
        return path

    def tool(self, *words, family=4, code=0):
        done = subprocess.run(
            ["ip", "netns", "exec", self.client.name, program("postern"), "--client-config",
             self.profile(self.address(family)), *words, "--timeout", "1s"],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def like_the_original(self):
        """It has opened the health port, where nobody listens: the kernel refuses."""
        for family, kind in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            wire = self.server.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            wire.bind((kind, KNOCK_PORT))
            self.addCleanup(wire.close)
        self.server.nft(DROPS)

    def test_the_health_port_of_an_original(self):
        self.like_the_original()
        for family in FAMILIES:
            for words in (["knock", "--check"], ["status"], ["status", "--knock"]):
                with self.subTest(family=family, words=words):
                    said, hint = self.tool(*words, family=family, code=CLOSED)
                    self.assertIn("Health port is closed.", said)
                    self.assertIn(NOTHING, hint)
                    self.assertIn("--check=22", hint)
            told = json.loads(self.tool("knock", "--check", "--json", family=family, code=CLOSED)[0])
            self.assertEqual((told["open"], told["answer"], told["checked_port"]),
                             (False, "refused", KNOCK_PORT))

    def test_the_service_of_an_original(self):
        self.like_the_original()
        for family in FAMILIES:
            host = self.address(family)
            places = ("{}", f"[{host}]:{{}}" if family == 6 else f"{host}:{{}}")
            for port, code, word, answer in (
                    (SERVICE_PORT, 0, "is open.", "open"),
                    (DEAF_PORT, CLOSED, "is closed: the connection was refused.", "refused"),
                    (DROPPED_PORT, CLOSED, "is filtered: no answer came.", "none")):
                for place in places:
                    for command in ("knock", "status"):
                        with self.subTest(place=place, port=port, command=command):
                            check = "--check=" + place.format(port)
                            said, hint = self.tool(command, check, family=family, code=code)
                            self.assertIn(f"Port {port} of {host} {word}", said)
                            self.assertNotIn(NOTHING, hint)
                            told = json.loads(self.tool(command, check, "--json", family=family,
                                                        code=code)[0])
                            self.assertEqual(
                                (told["open"], told["answer"], told["checked_host"], told["checked_port"]),
                                (answer == "open", answer, host, port))

    def test_behind_our_own_server(self):
        """It is knocked first, and then waited until the port is open; without a knock it is shut."""
        self.start()
        for family in FAMILIES:
            with self.subTest(family=family):
                check = f"--check={SERVICE_PORT}"
                said, _ = self.tool("status", check, family=family, code=CLOSED)
                self.assertIn("is filtered: no answer came.", said)
                self.assertIn("is open.", self.tool("knock", check, family=family)[0])
                self.assertIn("is open.", self.tool("status", "--knock", check, family=family)[0])
                self.assertIn("Health port is open.", self.tool("knock", "--check", family=family)[0])

    def test_refused_words(self):
        for word in ("x", "00", "65536", "host:", "host:0", "[::1", "a b:22", ":22", "22/tcp"):
            with self.subTest(word=word):
                why = self.tool("knock", f"--check={word}", code=USAGE)[1]
                self.assertIn(f'"{word}"', why)

    def test_in_two_words(self):
        """The second is a profile's name, as openme has it."""
        for command in ("knock", "status"):
            for place in ("gate:22", "22"):
                _, why = self.tool(command, "--check", place, code=FAILED)
                self.assertIn(f"--check={place}", why)

    def test_no_such_host(self):
        _, why = self.tool("knock", "--check=nowhere.invalid:22", code=FAILED)
        self.assertIn("cannot resolve nowhere.invalid", why)

    def test_as_openme_has_it(self):
        """A switch of its own, which may be given a value."""
        self.like_the_original()
        self.assertNotIn("ealth port", self.tool("knock", "--check=false")[0])
        self.assertIn("Health port is closed.", self.tool("knock", "--check=true", code=CLOSED)[0])
