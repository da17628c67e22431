"""Clients that the server sees from another address than they know: carriers that use public space
of others inside, the client's side of a CLAT, NAT64. Each translation is a real one."""

import json

import nat
import openme
import test_client
from daemon import program
from netns import eventually
from tool import ToolTest
from world import SERVICE_PORT, WorldTest


class NatTest(nat.Translated, WorldTest):
    client_file = test_client.ClientTest.client_file

    def knock_from_inside(self, host, *words, **profile):
        return json.loads(self.inside.run(
            program("postern"), "--client-config", self.client_file(host, **profile), "--json",
            "knock", *words))

    def assert_gets_in(self, host, *words, **profile):
        self.assertFalse(self.inside.connects(host, SERVICE_PORT), "it was open before")
        told = self.knock_from_inside(host, *words, **profile)
        self.assertEqual([one["target"] for one in told["knocks"]], ["source"])
        self.assertTrue(eventually(lambda: self.inside.connects(host, SERVICE_PORT)), "still shut")
        self.assertEqual(self.granted(), {nat.OUTSIDE})

    def with_targets(self, targets):
        """A daemon that opens for any address, or only for the one that a knock comes from."""
        if self.daemon:
            self.daemon.close()
            self.server.flush_rules()
        self.start(self.configuration(targets=targets, knock_timeout="600s"))

    def test_squatted_public_space(self):
        self.inside_has(*nat.SQUATTED)
        for targets in ("any", "source"):
            self.with_targets(targets)
            self.assert_gets_in(nat.SERVER)

    def test_clat(self):
        self.inside_has(*nat.CLAT)
        for targets in ("any", "source"):
            self.with_targets(targets)
            self.assert_gets_in(nat.SERVER)

    def test_nat64(self):
        self.inside_has_ipv6_alone()
        for targets in ("any", "source"):
            self.with_targets(targets)
            self.assert_gets_in(nat.NAT64_SERVER)

    def test_who_names_an_address_that_nobody_sees(self):
        """As the user wants it: for an address that nobody has, or refused."""
        self.inside_has(*nat.SQUATTED)
        for words, profile in ((["--own-address"], {}), ([], {"own_address": "yes"})):
            for targets in ("any", "source"):
                self.with_targets(targets)
                told = self.knock_from_inside(nat.SERVER, *words, **profile)
                self.assertEqual(told["knocks"][0]["target"], nat.SQUATTED[0])
                if targets == "any":
                    self.assertTrue(eventually(lambda: self.granted() == {nat.SQUATTED[0]}))
                else:
                    self.assertTrue(eventually(lambda: self.counted("target_refused")))
                self.assertFalse(self.inside.connects(nat.SERVER, SERVICE_PORT))

    def test_own_address_of_a_clat_is_not_named(self):
        """None that is the CLAT's own business, even for who wants it."""
        self.inside_has(*nat.CLAT)
        self.start(self.configuration(knock_timeout="600s"))
        self.assert_gets_in(nat.SERVER, "--own-address")

    def test_a_knock_that_was_held_back(self):
        """What naming an address is for: whoever holds a knock back cannot use it from elsewhere,
        where the server wants it named."""
        self.start(self.configuration(targets="source", wildcard="no"))
        own = self.address(4, self.client)
        self.knock(space=self.other, target=own)
        self.assertTrue(eventually(lambda: self.counted("target_refused")))
        self.knock(space=self.other, target=openme.WILDCARD)
        self.assertTrue(eventually(lambda: self.counted("wildcard_refused")))
        self.assertEqual(self.settle_named(), {own})

    def settle_named(self):
        self.knock(target=self.address(4, self.client))
        self.assertTrue(eventually(self.granted))
        return self.granted()


class ProfileTest(ToolTest):
    """What a server that wants addresses named gives to a new client says so."""

    def test_profile_of_a_server_that_wants_the_address_named(self):
        self.init()
        self.assertNotIn("own_address", self.tool("add", "alice"))
        text = self.config.read_text()
        self.config.write_text(text.replace("server:\n", "server:\n  wildcard: no\n", 1))
        self.assertIn("    own_address: yes\n", self.tool("add", "bob"))


class SeveralAddressesTest(WorldTest):
    """A name with four addresses that are the server's, and one that no way leads to."""

    client_file = test_client.ClientTest.client_file
    MORE = ("10.77.1.11", "fd77:1::11")
    NOWHERE = "203.0.113.9"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for address, bits in zip(cls.MORE, (24, 64)):
            cls.server.ip("address", "add", f"{address}/{bits}", "dev", "wire", "nodad")

    # Of the client's network, which sorts them before the server's, and nobody's.
    SILENT = ("10.77.1.3", "fd77:1::3")

    def named(self, *words, check=True, others=(NOWHERE,)):
        """The tool in the client's namespace, where `gate` has all these addresses."""
        hosts, multi = self.folder / "hosts", self.folder / "host.conf"
        ours = (self.address(4), self.address(6), *self.MORE)
        hosts.write_text("".join(f"{a} gate\n" for a in (*ours, *others)))
        multi.write_text("multi on\n")
        return self.client.run(
            "unshare", "--mount", "sh", "-ec",
            f'mount --bind {hosts} /etc/hosts; test ! -e /etc/host.conf || mount --bind {multi} '
            '/etc/host.conf; exec "$@"', "-", program("postern"), "--client-config",
            self.client_file("gate"), *words, check=check)

    def test_each_gets_a_knock(self):
        self.start()
        told = json.loads(self.named("--json", "knock"))["knocks"]
        ours = {self.address(4), self.address(6), *self.MORE}
        self.assertEqual({one["server"] for one in told if one["sent"]}, ours)
        self.assertEqual(len(told), 5)
        lost = [one for one in told if not one["sent"]]
        self.assertEqual([(one["server"], one["error"]) for one in lost],
                         [(self.NOWHERE, "Network is unreachable")])
        self.assertTrue(eventually(lambda: self.counted("granted") == 4), self.counted("granted"))
        self.assert_opens(4)
        self.assert_opens(6)

    def test_what_a_person_is_told(self):
        self.start()
        told = self.named("knock")
        for address in (self.address(4), self.address(6), *self.MORE):
            self.assertIn(f"  to {address}\n", told)
        self.assertIn(f"  not to {self.NOWHERE}: Network is unreachable\n", told)
        self.assertIn("open", self.named("knock", "--check"))
        self.assertEqual(self.named("--quiet", "knock"), "")

    def test_status_asks_each(self):
        """Also where the first of both families is silent."""
        self.start()
        told = json.loads(self.named("--json", "knock", others=self.SILENT))["knocks"]
        first = [next(one["server"] for one in told if one["family"] == family)
                 for family in ("ipv4", "ipv6")]
        self.assertEqual(first, list(self.SILENT))
        self.assertTrue(eventually(lambda: self.counted("granted") == 4), self.counted("granted"))
        told = json.loads(self.named("--json", "status", others=self.SILENT))
        self.assertEqual((told["open"], told["answer"]), (True, "open"))
        self.assertNotIn(told["address"], self.SILENT)

    def test_of_one_family(self):
        self.start()
        told = json.loads(self.named("--json", "knock", "-6"))["knocks"]
        self.assertEqual({one["server"] for one in told}, {self.address(6), self.MORE[1]})
        self.assertTrue(eventually(lambda: self.counted("granted") == 2))
