"""Ports that lead elsewhere: published for a container, redirected, of a host behind this one.

    client ---- wire [ server ] wire3 ---- inside (10.77.3.2, fd77:3::2), a container or a host
"""

from netns import PATIENCE, eventually, link
from service import Echo
from world import FAMILIES, SERVICE_PORT, WorldTest

PUBLISHED = 8080  # at the server; the container has it at SERVICE_PORT
NFT = """
table inet containers {
	chain prerouting {
		type nat hook prerouting priority dstnat;
		tcp dport 8080 fib daddr type local dnat ip to 10.77.3.2:2222
		tcp dport 8080 fib daddr type local dnat ip6 to [fd77:3::2]:2222
	}
}
"""
# As early as the kernel lets translation be, and there first.
EARLIEST = NFT.replace("priority dstnat", "priority -199")
REDIRECT = """
table inet redirected {
	chain prerouting {
		type nat hook prerouting priority dstnat;
		tcp dport 8080 redirect to :2222
	}
}
"""
MASQUERADE = """
table inet out {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		iifname "wire3" oifname "wire" masquerade
	}
}
"""


class ForwardTest(WorldTest):
    tcp_ports = (SERVICE_PORT,)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.inside = cls.namespace("inside")
        link(cls.server, cls.inside, 3, left_device="wire3")
        cls.inner, cls.outer = Echo(cls.inside, (SERVICE_PORT,)), Echo(cls.client, (SERVICE_PORT,))
        for space, gateway in ((cls.inside, 3), (cls.client, 1), (cls.other, 2)):
            for family, address in cls.server.addresses[gateway].items():
                space.ip(f"-{family}", "route", "add", "default", "via", address)
        cls.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    @classmethod
    def tearDownClass(cls):
        cls.inner.close()
        cls.outer.close()
        super().tearDownClass()

    def tearDown(self):
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.server.run(tool, "-t", "nat", "-F", check=False)
        super().tearDown()

    def configuration(self, *arguments, **server):
        return super().configuration(
            *arguments, ports={"default": [f"{PUBLISHED}/tcp", "2223/tcp"]}, **server)

    def only_by_a_knock(self):
        for family in FAMILIES:
            with self.subTest(family=family):
                self.assert_shut(family, PUBLISHED)
                self.knock(family=family)
                self.assert_opens(family, PUBLISHED)
                self.assert_shut(family, PUBLISHED, space=self.other)
                self.assert_shuts(family, PUBLISHED)

    def publish_by(self, rules):
        self.start()
        self.server.nft(rules)  # later than ours, as a container is
        self.only_by_a_knock()

    def test_what_is_open_without_a_gate(self):
        """So that the tests below see a port that would be open."""
        self.server.nft(NFT)
        self.start(self.configuration(hook="input"))
        for family in FAMILIES:
            self.assert_opens(family, PUBLISHED)
        self.daemon.configure(self.configuration())
        self.daemon.reload()
        self.only_by_a_knock()

    def test_published_by_nftables(self):
        self.publish_by(NFT)

    def test_published_as_early_as_can_be(self):
        self.publish_by(EARLIEST)

    def test_redirected(self):
        self.publish_by(REDIRECT)

    def published_by_iptables(self, kind):
        self.start()
        for tool, inside in (("iptables", "10.77.3.2:2222"), ("ip6tables", "[fd77:3::2]:2222")):
            nat = f"{tool}-{kind}", "-t", "nat"
            self.server.run(*nat, "-N", "ENGINE")
            self.server.run(*nat, "-A", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL",
                            "-j", "ENGINE")
            self.server.run(*nat, "-A", "ENGINE", "!", "-i", "wire3", "-p", "tcp", "--dport",
                            PUBLISHED, "-j", "DNAT", "--to-destination", inside)
        self.only_by_a_knock()

    def test_published_by_iptables_nft(self):
        self.published_by_iptables("nft")

    def test_published_by_iptables_legacy(self):
        self.published_by_iptables("legacy")

    def test_published_while_the_whole_host_is_dark(self):
        self.server.nft(NFT)
        self.start(self.configuration(guard="all"))
        self.only_by_a_knock()

    def test_a_published_port_that_is_open_to_everyone(self):
        self.server.nft(NFT)
        self.start(self.configuration(guard="all", guard_allow=[f"{PUBLISHED}/tcp"]))
        for family in FAMILIES:
            self.assert_opens(family, PUBLISHED)

    def test_a_connection_ends_with_its_grant(self):
        self.server.nft(NFT)
        for how, lives in (("keep", True), ("cut", False)):
            self.start(self.configuration(established=how))
            for family in FAMILIES:
                with self.subTest(how=how, family=family):
                    self.knock(family=family)
                    session = self.connection(family, PUBLISHED)
                    self.assert_shuts(family, PUBLISHED)
                    session.settimeout(PATIENCE if lives else 1)
                    session.send(b"x")
                    try:
                        self.assertEqual(session.recv(1) == b"x", lives)
                    except TimeoutError:
                        self.assertFalse(lives)
                    session.close()

    def behind(self, family, space=None):
        return (space or self.client).connects(f"{self.inside.addresses[3][family]}", SERVICE_PORT)

    def test_ways_out_stay_open(self):
        """Also to a managed port of somebody else, translated or not, with every hook."""
        self.server.nft(MASQUERADE)
        managed = {"default": [f"{SERVICE_PORT}/tcp"]}
        for server in ({}, {"hook": "forward", "interface": "wire"}, {"guard": "all"},
                       {"hook": "forward", "interface": "wire", "guard": "all"}):
            self.start(WorldTest.configuration(self, ports=managed, **server))
            for family in FAMILIES:
                with self.subTest(family=family, **server):
                    there = self.client.addresses[1][family]
                    for space in (self.inside, self.server):
                        self.assertTrue(eventually(lambda s=space: s.connects(there, SERVICE_PORT)))

    def test_a_host_behind_this_one(self):
        managed = {"default": [f"{SERVICE_PORT}/tcp"]}
        self.start(WorldTest.configuration(self, ports=managed))
        self.assertTrue(eventually(lambda: self.behind(4)), "by default it is let be")
        for guard in ("ports", "all"):
            self.start(WorldTest.configuration(
                self, ports=managed, hook="forward", interface="wire", guard=guard,
                knock_timeout="4s"))
            for family in FAMILIES:
                with self.subTest(guard=guard, family=family):
                    self.assertFalse(self.behind(family))
                    self.knock(family=family)
                    self.assert_opens(family)
                    self.assertTrue(eventually(lambda: self.behind(family)))
                    self.assertTrue(eventually(lambda: self.behind(family, self.other)),
                                    "at another interface")
                    self.assert_shuts(family)
                    self.assertFalse(self.behind(family))

    def test_marks_of_routing_are_left_alone(self):
        """The bit of grants, set by others before our chain, is theirs while a packet is routed."""
        self.server.nft("""
table inet marks {
	chain early { type filter hook prerouting priority raw; meta mark set 0x40000007; }
	chain through { type filter hook forward priority 0; meta mark != 0x40000007 drop; }
}
""" + NFT)
        self.start()
        self.only_by_a_knock()
