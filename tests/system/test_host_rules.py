"""Hosts that have a firewall of their own: served, and left exactly as they were found."""

from netns import eventually
from world import FAMILIES, LONG, SERVICE_PORT, WorldTest

DEFAULT_DROP = """
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state established,related accept
		meta l4proto ipv6-icmp accept
		udp dport 54154 accept
	}
}
"""
TWO_CHAINS = """
table ip early {
	chain input {
		type filter hook input priority -5; policy drop;
		udp dport 54154 accept
		ct state established accept
	}
}
table ip6 late {
	chain input {
		type filter hook input priority 10; policy drop;
		meta l4proto ipv6-icmp accept
		udp dport 54154 accept
		ct state established accept
	}
}
"""
MARKS_ALL = """
table inet marks {
	chain before {
		type filter hook prerouting priority mangle;
		meta mark set 0xffffffff
	}
}
"""


class HostRulesTest(WorldTest):
    server_settings = {"shutdown": "remove"}

    def ruleset(self):
        return self.server.run("nft", "--stateless", "list", "ruleset")

    def served_and_left_alone(self, families=FAMILIES):
        before = self.ruleset()
        self.start()
        for family in families:
            with self.subTest(family=family):
                self.assert_shut(family)
                self.knock(family=family)
                self.assert_opens(family)
                self.assert_shuts(family)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.ruleset(), before)

    def test_nftables_default_drop(self):
        self.server.nft(DEFAULT_DROP)
        self.served_and_left_alone()

    def test_several_dropping_chains(self):
        self.server.nft(TWO_CHAINS)
        self.served_and_left_alone()

    def test_iptables_nft_policy_drop(self):
        for tool in ("iptables-nft", "ip6tables-nft"):
            self.server.run(tool, "-A", "INPUT", "-p", "udp", "--dport", 54154, "-j", "ACCEPT")
            self.server.run(tool, "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED",
                            "-j", "ACCEPT")
            self.server.run(tool, "-P", "INPUT", "DROP")
        self.server.run("ip6tables-nft", "-A", "INPUT", "-p", "ipv6-icmp", "-j", "ACCEPT")
        self.served_and_left_alone()

    def test_the_host_reloads_its_firewall_meanwhile(self):
        self.server.nft(DEFAULT_DROP)
        self.start(self.configuration(knock_timeout=LONG))
        self.knock()
        self.assert_opens()
        self.server.nft("flush ruleset\n" + DEFAULT_DROP)
        self.assert_opens()
        self.assert_shut(space=self.other)
        self.server.nft("flush table inet filter\n" + DEFAULT_DROP)
        self.assert_opens()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertNotIn("postern", self.ruleset())

    def test_marks_of_others_open_nothing(self):
        """With every bit, so ours among them; and what has a grant passes all the same."""
        self.server.nft(DEFAULT_DROP + MARKS_ALL)
        self.start(self.configuration(drop_ports=False))
        for family in FAMILIES:
            with self.subTest(family=family):
                self.assert_shut(family)
                self.knock(family=family)
                self.assert_opens(family)
                self.assert_shuts(family)

    def test_marks_of_others_open_nothing_at_other_interfaces(self):
        """Where our rules guard nothing, the host's chains alone decide."""
        self.server.nft(DEFAULT_DROP + MARKS_ALL)
        self.start(self.configuration(interface="wire"))
        for family in FAMILIES:
            with self.subTest(family=family):
                self.assert_shut(family, space=self.other)

    def test_kill_9_and_start_leave_one_rule(self):
        self.server.nft(DEFAULT_DROP)
        before = self.ruleset()
        self.start()
        once = self.ruleset().count("postern")
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.ruleset().count("postern"), once)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.ruleset(), before)

    def test_host_chains_none_leaves_the_host_alone(self):
        self.server.nft(DEFAULT_DROP)
        before = self.server.run("nft", "list", "table", "inet", "filter")
        self.start(self.configuration(host_chains="none"))
        self.assertEqual(self.server.run("nft", "list", "table", "inet", "filter"), before)
        self.knock()
        self.settle()
        self.assert_shut()

    def test_the_hosts_own_drops_for_open_ports_come_back(self):
        """A port that the host opened for everyone stays open when drop_ports does not ask."""
        self.start(self.configuration(drop_ports=False))
        self.assertTrue(self.reaches(port=SERVICE_PORT))
        self.knock()
        self.assertTrue(eventually(lambda: self.granted()))
        self.assertTrue(self.reaches(space=self.other))
