"""What OpenSPA requests ask for: ports of protocols that have none, which the original's tutorial
sends, and contents that there are not."""

import secrets
import time

import openspa
from daemon import program
from netns import eventually
from programs_world import ProgramsTest
from spa_world import SpaWorldTest

PING = {4: openspa.ICMP, 6: openspa.ICMPV6}


class PortsThatMeanNothingTest(SpaWorldTest):
    def test_any_ports_are_served_and_answered_as_asked(self):
        self.serve()
        for family, first, last in ((4, 1, 1), (6, 1, 1), (4, 7, 9), (4, 0, 65535)):
            with self.subTest(family=family, first=first, last=last):
                self.assertFalse(self.pings(family))
                packet = self.request(protocol=PING[family], first=first, last=last, family=family)
                self.assertEqual(self.granted_for(packet, family=family)[1:],
                                 (PING[family], first, last, 2))
                self.assertTrue(self.pings(family))
                self.assertFalse(self.reaches(family), "ping opens no port")
                self.assertTrue(eventually(lambda f=family: not self.pings(f)))

    def test_ipv4_in_ip(self):
        self.serve()
        packet = self.request(protocol=openspa.IPV4, first=22)
        self.assertEqual(self.granted_for(packet)[1:], (openspa.IPV4, 22, 22, 2))
        self.assertIn(" ipv4", self.postern("sessions"))

    def test_they_are_one_grant_whatever_stands_there(self):
        self.serve(duration="60s")
        for first in (1, 0, 22):
            self.granted_for(self.request(protocol=openspa.ICMP, first=first))
        shown = [line for line in self.postern("sessions").splitlines() if "icmp" in line]
        self.assertEqual(len(shown), 1, shown)
        self.assertTrue(shown[0].endswith(" icmp"), shown)
        self.assertIn('"proto":"icmp"', self.postern("--json", "sessions"))
        protocols = self.server.run("nft", "list", "set", "inet", "postern", "opened_protocols_4")
        self.assertEqual(protocols.count("expires"), 1, protocols)

    def test_a_rule_for_the_protocol_covers_them(self):
        self.serve({str(self.phone.uuid): {"rules": ["icmp 5s"]}})
        self.assertEqual(self.granted_for(self.request(protocol=openspa.ICMP, first=1))[-1], 5)
        self.assert_silent(self.request(first=1), "no_ports")

    def test_sent_as_the_tutorial_says(self):
        """`--protocol icmp -p 1`, the tutorial's own command, by our client."""
        self.serve(duration="60s")
        keys = {"client.key": self.phone.key.private_pem(), "server.pub": self.spa_key.public_pem()}
        for name, text in keys.items():
            (self.daemon.folder / name).write_text(text)
            (self.daemon.folder / name).chmod(0o600)
        said = self.client.run(
            program("postern"), "request", "--server", self.address(4), "--client-device-id",
            self.phone.uuid, "--private-key", self.daemon.folder / "client.key",
            "--server-public-key", self.daemon.folder / "server.pub", "--protocol", "icmp", "-p",
            "1", "--client-ip", self.address(4, self.client))
        self.assertIn("ICMP granted to", said)
        self.assertTrue(self.pings(4))


class PortsForScriptsTest(ProgramsTest):
    def test_scripts_are_told_what_was_asked(self):
        self.run_with({"authorization": 'echo "$4 $5 $6" >> $OUT/asked; echo 1',
                       "rule_add": 'echo "$6 $7 $8" >> $OUT/added',
                       "rule_remove": 'echo "$6 $7 $8" >> $OUT/removed'})
        self.granted_for(self.request(protocol=openspa.ICMP, first=1))
        self.assertTrue(eventually(self.out("removed").exists))
        for name in ("asked", "added", "removed"):
            self.assertEqual(self.out(name).read_text(), "ICMP 1 1\n")


class BadContentsTest(SpaWorldTest):
    def odd(self, **fields):
        """A request that the phone has signed, with odd fields."""
        f = {"protocol": openspa.TCP, "first": 22, "last": 22, "method": 1, "flags": 0,
             "reserved": 0, "signer": self.phone, **fields}
        payload = openspa.REQUEST.pack(
            int(time.time()), self.phone.uuid.bytes, secrets.token_bytes(3), f["protocol"],
            f["first"], f["last"], f["method"], f["flags"], f["reserved"],
            openspa.address_bytes(self.address(4, self.client)), openspa.address_bytes("0.0.0.0"))
        return openspa.seal(b"\x10\x01", payload, f["signer"].key.private, self.spa_key.public)

    def test_they_have_a_verdict_of_their_own(self):
        """Logged at the default level, with the client's name, and not as a seal that fails."""
        self.serve({str(self.phone.uuid): {"name": "phone"}})
        cases = ({"first": 0, "last": 0}, {"first": 23}, {"protocol": 132}, {"protocol": 0},
                 {"protocol": 0, "first": 0, "last": 0}, {"protocol": 47, "first": 0, "last": 0},
                 {"method": 2}, {"flags": 0x40}, {"reserved": 1},
                 {"protocol": openspa.ICMP, "first": 5, "last": 1})
        for count, fields in enumerate(cases, 1):
            with self.subTest(**fields):
                self.assert_silent(self.odd(**fields))
                self.assertEqual(self.counted("bad_contents"), count)
        self.assertEqual(len(self.verdicts("bad_contents", client="phone")), len(cases))
        self.assertEqual(self.counted("bad_seal"), 0)
        self.assertIn("none", self.postern("sessions"))
        self.granted_for(self.odd())

    def test_of_a_stranger_they_are_a_strangers(self):
        self.serve()
        self.assert_silent(self.odd(protocol=132, signer=self.laptop), "unknown_signer")
        self.assertEqual(self.counted("bad_contents"), 0)

    def test_many_are_logged_as_other_refusals_are(self):
        self.serve()
        for _ in range(60):
            self.client.send(self.odd(protocol=132), self.address(4), 22211)
        self.assertTrue(eventually(lambda: self.counted("bad_contents") + self.counted("busy") >= 60))
        self.assertLess(len(self.verdicts("bad_contents")), 60)
