"""postern doctor --online: whether there is a NAT in front, as an Echo-IP service tells; nothing is
asked otherwise. The service runs in `other`."""

import subprocess
import unittest

from doctor import WELL, Doctor
from netns import eventually
from spa_world import SpaWorldTest
from test_public_address import ECHO_IP, ECHO_PORT, PUBLIC, SEEN_ELSEWHERE
from world import FAMILIES


@unittest.skipUnless(ECHO_IP.is_file(), "built without postern-echoip")
class OnlineTest(Doctor, SpaWorldTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.service = cls.other.popen(ECHO_IP, "--port", ECHO_PORT, "--https-port", 0,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for family in FAMILIES:
            cls.other.ip("route", "add", PUBLIC[family], "via", cls.server.addresses[2][family])
            assert eventually(lambda f=family: cls.server.connects(
                cls.other.addresses[2][f], ECHO_PORT)), "postern-echoip did not start"

    @classmethod
    def tearDownClass(cls):
        cls.service.kill()
        cls.service.wait()
        super().tearDownClass()

    def tearDown(self):
        super().tearDown()
        self.other.flush_rules()

    def start_asking(self, port=ECHO_PORT):
        four, six = (self.other.addresses[2][family] for family in FAMILIES)
        self.serve(echo_ipv4_server=f"http://{four}:{port}", echo_ipv6_server=f"http://[{six}]:{port}")

    def public(self, state, *words):
        return [line["text"] for line in self.of(self.doctor(*words, code=WELL), state,
                                                 "public address")]

    def test_no_nat(self):
        self.start_asking()
        own = [self.server.addresses[2][family] for family in FAMILIES]
        self.assertEqual(self.public("ok", "--online"), [f"{a} is this host's own" for a in own])

    def test_a_nat_in_front(self):
        self.start_asking()
        self.other.nft(SEEN_ELSEWHERE)
        said = self.public("warning", "--online")
        self.assertEqual(len(said), 2, said)
        for family, text in zip(FAMILIES, said):
            self.assertIn(f"others see this host as {PUBLIC[family]},", text)

    def test_no_answer(self):
        self.start_asking(port=ECHO_PORT + 1)
        said = self.public("unknown", "--online")
        self.assertEqual([text.startswith("no answer of http://") for text in said], [True, True])

    def test_only_when_asked_for(self):
        self.start_asking()
        for state in ("ok", "warning", "problem", "unknown"):
            self.assertEqual(self.public(state), [])

    def test_nobody_to_ask(self):
        self.serve()
        self.assertEqual(self.public("unknown", "--online"),
                         ["the configuration names no Echo-IP service to ask"])
