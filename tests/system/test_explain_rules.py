"""`postern explain`: what it says of a connection is what becomes of a real one, for rules of many
kinds and of many hands, and what --trace says is the kernel's own word.

    client ---- wire [ server ] wire3 ---- inside (10.77.3.2, fd77:3::2), a container or a host
"""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading

from daemon import program
from netns import PATIENCE, eventually, link
from service import Echo
from tool import CLOSED, FAILED, NO_ANSWER, PERMISSION, UNPRIVILEGED, USAGE
from world import FAMILIES, KNOCK_PORT, LONG, SERVICE_PORT, WorldTest

PASSES, DROPPED, UNSURE = 0, CLOSED, NO_ANSWER
SECOND, THIRD, FOURTH = 2223, 2224, 2225  # more ports where something listens

SETS = """
table inet filter {
	set networks {
		type ipv4_addr
		flags interval
		elements = { 10.77.1.0/24, 192.0.2.1-192.0.2.9, 198.51.100.0/24 }
	}
	set networks_6 {
		type ipv6_addr
		flags interval
		elements = { fd77:1::/64, 2001:db8::/32 }
	}
	set pairs {
		type ipv4_addr . inet_service
		flags interval
		elements = { 10.77.1.0/24 . 2220-2222, 192.0.2.0/24 . 2223 }
	}
	set exact {
		type ipv6_addr . inet_proto . inet_service
		flags timeout
		elements = { fd77:1::2 . tcp . 2222 timeout 1h, fd77:1::3 . tcp . 2223 timeout 1h }
	}
	chain input {
		type filter hook input priority filter; policy drop;
		meta l4proto ipv6-icmp accept
		ct state established,related accept
		ip saddr . tcp dport @pairs accept
		ip6 saddr . meta l4proto . tcp dport @exact accept
		ip saddr != @networks accept
		tcp dport 2224 ip saddr @networks accept
		tcp dport 2224 ip6 saddr @networks_6 accept
	}
}
"""
VERDICTS = """
table inet filter {
	map ports {
		type inet_service : verdict
		elements = { 2222 : accept, 2223 : jump refused, 2224 : goto late }
	}
	map marks {
		type inet_service : mark
		elements = { 2225 : 0x30 }
	}
	chain refused {
		reject with tcp reset
	}
	chain inner {
		tcp dport 2222 drop
		return
	}
	chain late {
		jump inner
		return
	}
	chain marked {
		type filter hook prerouting priority mangle;
		meta mark set tcp dport map @marks
		meta mark & 0x10 == 0x10 ct mark set meta mark or 0x100
	}
	chain input {
		type filter hook input priority filter; policy drop;
		meta l4proto ipv6-icmp accept
		ct state established,related accept
		tcp dport vmap @ports
		ct mark 0x130 meta mark & 0xf0 == 0x30 accept
	}
}
"""
# An accept ends one chain; a later one of the same hook drops all the same.
SEVERAL = """
table ip early {
	chain input {
		type filter hook input priority -10; policy accept;
		tcp dport 2222-2223 accept
	}
}
table inet late {
	chain input {
		type filter hook input priority 10; policy accept;
		iifname "wire" tcp dport { 2223, 2225 } counter drop
		iifname != "wire" drop
	}
}
table ip6 earliest {
	chain raw {
		type filter hook prerouting priority raw; policy accept;
		tcp dport 2224 counter drop
	}
}
table netdev at_device {
	chain ingress {
		type filter hook ingress device "wire" priority 0; policy accept;
		ip daddr 10.77.1.1 tcp dport 2224 drop
	}
}
table inet asleep {
	flags dormant
	chain input {
		type filter hook input priority 0; policy drop;
	}
}
"""
# As firewalld has it: the way back is looked up, zones are gone to.
ZONES = """
table inet firewalld {
	chain mangle_PREROUTING {
		type filter hook prerouting priority mangle + 10; policy accept;
		meta nfproto ipv6 fib saddr . mark . iif oif missing drop
	}
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state { established, related } accept
		ct status dnat accept
		iifname "lo" accept
		ct state invalid drop
		jump filter_INPUT_ZONES
		reject with icmpx admin-prohibited
	}
	chain filter_INPUT_ZONES {
		iifname "wire" goto filter_IN_public
		goto filter_IN_drop
	}
	chain filter_IN_drop {
		drop
	}
	chain filter_IN_public {
		meta l4proto { icmp, ipv6-icmp } accept
		tcp dport 2222 accept
		tcp dport 2224 ct state new,untracked accept
	}
}
"""
CONTAINERS = """
table ip nat {
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local counter jump DOCKER
	}
	chain DOCKER {
		iifname "docker0" counter return
		iifname != "docker0" tcp dport 2222 counter dnat to 10.77.3.2:2223
		tcp dport 2224 counter redirect to :2225
	}
}
table inet nat_6 {
	chain pre {
		type nat hook prerouting priority dstnat; policy accept;
		ip6 daddr fd77:1::1 tcp dport 2222 dnat ip6 to [fd77:3::2]:2223
	}
}
table inet filter {
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		meta l4proto ipv6-icmp accept
		oifname "wire3" tcp dport 2223 ct original proto-dst 2222 ct status dnat accept
	}
	chain INPUT {
		type filter hook input priority filter; policy accept;
		tcp dport 2225 meta nfproto ipv6 drop
	}
}
"""
UNTRACKED = """
table inet raw {
	chain pre {
		type filter hook prerouting priority raw;
		tcp dport { 2222, 2223 } notrack
	}
}
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		meta l4proto ipv6-icmp accept
		ct state untracked tcp dport 2222 accept
		ct state new tcp dport { 2223, 2224 } accept
		ct state established accept
	}
}
"""


class ExplainRulesTest(WorldTest):
    tcp_ports = (SERVICE_PORT, SECOND, THIRD, FOURTH)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.inside = cls.namespace("inside")
        link(cls.server, cls.inside, 3, left_device="wire3")
        cls.inner = Echo(cls.inside, (SERVICE_PORT, SECOND))
        for space, number in ((cls.inside, 3), (cls.client, 1)):
            for family, address in cls.server.addresses[number].items():
                space.ip(f"-{family}", "route", "add", "default", "via", address)
        cls.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    @classmethod
    def tearDownClass(cls):
        cls.inner.close()
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.legacy("-F", "-X")

    def legacy(self, *ends):
        """Each of `ends` is done in every table of iptables-legacy that there is."""
        for tool, names in (("iptables-legacy", "ip_tables_names"), ("ip6tables-legacy", "ip6_tables_names")):
            for table in self.server.run("cat", f"/proc/net/{names}", check=False).split():
                if table in ("filter", "nat", "mangle", "raw"):
                    for end in ends:
                        self.server.run(tool, "-w", "-t", table, end)

    def words(self, *words):
        where = []
        if self.daemon:
            where = ["--control", self.daemon.control, "--config", self.daemon.file]
        return ["ip", "netns", "exec", self.server.name, program("postern"), *where, "explain", *map(str, words)]

    def explain(self, *words):
        """The JSON, with the exit status in it."""
        done = subprocess.run(self.words("--json", *words), text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.stderr, "")
        return {**json.loads(done.stdout), "code": done.returncode}

    def agree(self, expected, family, port, *words, space=None):
        """It says what is expected, and that is what happens."""
        space = space or self.client
        told = self.explain(self.address_of(space, family), port, *words)
        with self.subTest(family=family, port=port, told=told):
            self.assertEqual(told["code"], expected)
            self.assertEqual(told["verdict"], {PASSES: "accept", DROPPED: "drop", UNSURE: "unknown"}[expected])
            if expected != UNSURE:
                server = self.server.addresses[2 if space is self.other else 1][family]
                if expected == PASSES:
                    self.assertTrue(eventually(lambda: space.connects(server, port)))
                else:
                    self.assertFalse(space.connects(server, port))
        return told

    def address_of(self, space, family):
        return space.addresses[2 if space is self.other else 1][family]

    def agree_all(self, rules, rows):
        """`rows`: family, port, expected."""
        if rules:
            self.server.nft(rules)
        return {row[:2]: self.agree(row[2], *row[:2]) for row in rows}

    # --- Rules of others

    def test_no_rules(self):
        self.agree_all(None, [(family, port, PASSES) for family in FAMILIES for port in self.tcp_ports])

    def test_sets(self):
        told = self.agree_all(SETS, [
            (4, 2222, PASSES), (4, 2223, DROPPED), (4, 2224, PASSES), (4, 2225, DROPPED),
            (6, 2222, PASSES), (6, 2223, DROPPED), (6, 2224, PASSES), (6, 2225, DROPPED)])
        self.assertTrue(told[4, 2223]["by"]["policy"])
        self.agree(PASSES, 4, 2223, space=self.other)
        self.agree(DROPPED, 6, 2224, space=self.other)

    def test_verdict_maps_and_marks(self):
        told = self.agree_all(VERDICTS, [(family, port, expected) for family in FAMILIES for port, expected in (
            (2222, PASSES), (2223, DROPPED), (2224, DROPPED), (2225, PASSES))])
        for family in FAMILIES:
            by = told[family, 2223]
            self.assertTrue(by["rejects"])
            self.assertEqual((by["by"]["chain"], by["by"]["rule"]), ("refused", "meta l4proto tcp reject with tcp reset"))
            self.assertEqual(told[family, 2224]["by"]["chain"], "input")

    def test_several_chains(self):
        told = self.agree_all(SEVERAL, [
            (4, 2222, PASSES), (4, 2223, DROPPED), (4, 2224, DROPPED), (4, 2225, DROPPED),
            (6, 2222, PASSES), (6, 2223, DROPPED), (6, 2224, DROPPED), (6, 2225, DROPPED)])
        self.assertEqual(told[4, 2223]["by"]["table"], "late")
        self.assertEqual((told[4, 2224]["by"]["family"], told[6, 2224]["by"]["family"]), ("netdev", "ip6"))
        self.agree(DROPPED, 4, 2222, space=self.other)
        # By another interface than that by which the sender is reached.
        self.assertEqual(self.explain("--interface", "wire2", self.address(4, self.client), 2222)["code"], DROPPED)
        self.assertEqual(self.explain("--interface", "wire", self.address_of(self.other, 6), 2222)["code"], PASSES)

    def test_firewalld(self):
        told = self.agree_all(ZONES, [(family, port, expected) for family in FAMILIES for port, expected in (
            (2222, PASSES), (2223, DROPPED), (2224, PASSES))])
        self.assertEqual(told[4, 2223]["by"]["owner"], "firewalld")
        self.assertIn("firewall-cmd --permanent --add-port=2223/tcp", told[6, 2223]["remedy"])
        self.agree(DROPPED, 4, 2222, space=self.other)

    def test_docker(self):
        told = self.agree_all(CONTAINERS, [
            (4, 2222, PASSES), (4, 2223, PASSES), (4, 2224, PASSES),
            (6, 2222, PASSES), (6, 2223, PASSES), (6, 2225, DROPPED)])
        for family in FAMILIES:
            way = told[family, 2222]
            self.assertEqual((way["way"], way["forwarded_by"]), ("forward", "wire3"))
            self.assertEqual((way["translated_to"], way["translated_port"]),
                             (self.inside.addresses[3][family], 2223))
        self.assertEqual(told[4, 2224]["translated_port"], 2225)
        self.server.nft("flush chain inet filter FORWARD")
        self.agree(DROPPED, 4, 2222)
        self.agree(DROPPED, 6, 2222)

    def test_untracked(self):
        self.agree_all(UNTRACKED, [(family, port, expected) for family in FAMILIES for port, expected in (
            (2222, PASSES), (2223, DROPPED), (2224, PASSES), (2225, DROPPED))])

    def test_forwarding(self):
        """To an address that is not this host's own."""
        for family in FAMILIES:
            inside, client = self.inside.addresses[3][family], self.client.addresses[1][family]
            told = self.explain(client, 2222, "--to", inside)
            self.assertEqual((told["code"], told["way"]), (PASSES, "forward"))
            self.assertTrue(eventually(lambda: self.client.connects(inside, 2222)))
        self.server.nft("table inet f { chain f { type filter hook forward priority 0; tcp dport 2222 drop; }; }")
        for family in FAMILIES:
            inside, client = self.inside.addresses[3][family], self.client.addresses[1][family]
            self.assertEqual(self.explain(client, 2222, "--to", inside)["code"], DROPPED)
            self.assertFalse(self.client.connects(inside, 2222))

    # --- iptables

    def iptables(self, kind, rules):
        for tool in (f"iptables-{kind}", f"ip6tables-{kind}"):
            for rule in rules:
                self.server.run(tool, "-w", *rule.split())

    def ufw(self, kind):
        """As ufw lays its chains out."""
        self.iptables(kind, [
            "-N ufw-before-input", "-N ufw-user-input", "-N ufw-not-local", "-N ufw-reject-input",
            "-A INPUT -j ufw-before-input", "-A INPUT -j ufw-reject-input",
            "-A ufw-before-input -i lo -j ACCEPT",
            "-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A ufw-before-input -m conntrack --ctstate INVALID -j DROP",
            "-A ufw-before-input -j ufw-not-local",
            "-A ufw-before-input -j ufw-user-input",
            "-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN",
            "-A ufw-not-local -j DROP",
            "-A ufw-user-input -p tcp -m tcp --dport 2222 -m comment --comment hello -j ACCEPT",
            "-A ufw-user-input -p tcp -m multiport --dports 2220:2221,2224 -m mark ! --mark 0x1/0x1 -j ACCEPT",
            "-A ufw-user-input -p tcp --dport 2225 --tcp-flags FIN,SYN,RST,ACK FIN -j ACCEPT",
            "-A ufw-reject-input -p tcp --dport 2223 -j REJECT --reject-with tcp-reset",
            "-P INPUT DROP"])
        self.server.run(f"ip6tables-{kind}", "-I", "INPUT", "-p", "ipv6-icmp", "-j", "ACCEPT")
        told = self.agree_all(None, [(family, port, expected) for family in FAMILIES for port, expected in (
            (2222, PASSES), (2223, DROPPED), (2224, PASSES), (2225, DROPPED))])
        for family in FAMILIES:
            self.assertEqual(told[family, 2223]["by"]["owner"], "ufw")
            self.assertTrue(told[family, 2223]["rejects"])
            self.assertEqual(told[family, 2223]["by"]["chain"], "ufw-reject-input")
            self.assertEqual(told[family, 2225]["by"]["chain"], "INPUT")
            self.assertTrue(told[family, 2225]["by"]["policy"])
            self.assertIn("ufw allow 2225/tcp", told[family, 2225]["remedy"])
        return told

    def test_iptables_nft(self):
        told = self.ufw("nft")
        self.assertIn("reject with tcp reset", told[4, 2223]["by"]["rule"])

    def test_iptables_legacy(self):
        told = self.ufw("legacy")
        try:
            self.assertIn("-j REJECT", told[4, 2223]["by"]["rule"])
            self.assertTrue(told[4, 2223]["by"]["legacy"])
        finally:
            self.iptables("legacy", ["-P INPUT ACCEPT"])

    def test_docker_by_iptables(self):
        for kind in ("nft", "legacy"):
            with self.subTest(kind=kind):
                self.iptables(kind, ["-t nat -N DOCKER",
                                     "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"])
                for tool, to in ((f"iptables-{kind}", "10.77.3.2:2223"), (f"ip6tables-{kind}", "[fd77:3::2]:2223")):
                    self.server.run(tool, "-w", "-t", "nat", "-A", "DOCKER", "-p", "tcp", "--dport", "2222",
                                    "-j", "DNAT", "--to-destination", to)
                    self.server.run(tool, "-w", "-t", "nat", "-A", "DOCKER", "-p", "tcp", "--dport", "2224",
                                    "-j", "REDIRECT", "--to-ports", "2225")
                told = self.agree_all(None, [(f, p, PASSES) for f in FAMILIES for p in (2222, 2223, 2224)])
                for family in FAMILIES:
                    self.assertEqual(told[family, 2222]["way"], "forward")
                    self.assertEqual(told[family, 2224]["translated_port"], 2225)
                self.server.flush_rules()
                self.legacy("-F", "-X")

    # --- What cannot be told

    def test_what_cannot_be_told(self):
        for rule, what in (("tcp dport 2222 limit rate 3/second accept", "limit"),
                           ("tcp dport 2222 tcp sport 1024-65535 accept", "payload"),
                           ("tcp dport 2222 numgen random mod 2 vmap { 0 : accept, 1 : drop }", "numgen"),
                           ("tcp dport 2222 tcp option maxseg size > 1000 accept", "exthdr")):
            with self.subTest(rule=rule):
                self.server.nft("flush ruleset\ntable inet filter { chain input { "
                                f"type filter hook input priority 0; policy drop; {rule}; }}; }}")
                for family in FAMILIES:
                    told = self.agree(UNSURE, family, 2222)
                    self.assertEqual(told["doubts"][0]["what"], what)
                    self.agree(DROPPED, family, 2223)

    def test_a_doubt_that_makes_no_difference(self):
        self.server.nft("table inet filter { chain input { type filter hook input priority 0; policy accept; "
                        "tcp dport 2222 limit rate 3/second accept; tcp dport 2223 limit rate 3/second drop; "
                        "tcp dport 2223 drop; }; }")
        for family in FAMILIES:
            self.agree(PASSES, family, 2222)
            self.agree(DROPPED, family, 2223)

    def test_from_port(self):
        self.server.nft("table inet filter { chain input { type filter hook input priority 0; policy drop; "
                        "tcp dport 2222 tcp sport 1000 accept; }; }")
        address = self.address(4, self.client)
        self.assertEqual(self.explain(address, 2222)["code"], UNSURE)
        self.assertEqual(self.explain(address, 2222, "--from-port", 1000)["code"], PASSES)
        self.assertEqual(self.explain(address, 2222, "--from-port", 1001)["code"], DROPPED)
        self.assertEqual(self.explain(address, "2222/udp", "--from-port", 1000)["code"], DROPPED)

    def test_hostile_names(self):
        """Whatever others have written stays text on one line, and no command of nft."""
        self.server.nft(f"""table inet filter {{
	chain input {{
		type filter hook input priority 0
		tcp dport 2222 drop comment "\\\u0007\u001b[31m; flush ruleset"
	}}
}}""")
        done = subprocess.run(self.words(self.address(4, self.client), 2222), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, DROPPED)
        self.assertNotRegex(done.stdout, rb"[\x00-\x09\x0b-\x1f\x7f]")
        self.assertIn(rb"\x1b[31m", done.stdout)
        self.assertIn("chain input", self.server.run("nft", "list", "ruleset"))

    def test_a_name_that_would_be_a_command(self):
        """nft makes one text of its words; the kernel takes any bytes for a name."""
        self.server.nft("table inet a { chain input { }; }")
        self.put_dropping_chain(b"a input; add table inet harmed; list chain inet a", b"input")
        told = self.explain(self.address(4, self.client), 2222)
        self.assertEqual((told["code"], told["by"]["chain"]), (DROPPED, "input"))
        self.assertNotIn("rule", told["by"])
        self.assertNotIn("table inet harmed\n", self.server.run("nft", "list", "tables") + "\n")

    def put_dropping_chain(self, table, chain):
        """By netlink, field by field."""
        def put(kind, value):
            return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

        def message(kind, *attributes, flags=0):
            body = struct.pack(">BBH", 0 if kind < 0x100 else 1, 0, 10 if kind < 0x100 else 0) + b"".join(attributes)
            return struct.pack("=IHHII", 16 + len(body), kind, 1 | flags, 1, 0) + body

        create = {"flags": 0x400}  # NLM_F_CREATE
        where = put(1, table + b"\0")
        hook = put(4 | 0x8000, put(1, struct.pack(">I", 1)) + put(2, struct.pack(">i", 5)))
        verdict = put(2 | 0x8000, put(2 | 0x8000, put(1, struct.pack(">I", 0))))
        drop = put(1 | 0x8000, put(1, b"immediate\0") + put(2 | 0x8000, put(1, struct.pack(">I", 0)) + verdict))
        batch = message(0x10) + message(0xa00, where, **create) + \
            message(0xa03, where, put(3, chain + b"\0"), hook, put(7, b"filter\0"), **create) + \
            message(0xa06, where, put(2, chain + b"\0"), put(4 | 0x8000, drop), **create) + message(0x11)
        with self.server.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:
            s.bind((0, 0))
            s.send(batch)
        self.assertIn(table.decode(), self.server.run("nft", "list", "tables"))

    def test_bad_questions(self):
        for words, code, message in (
                (["10.77.1.2"], USAGE, "say from which address"),
                (["gate.example.org", "22"], USAGE, "names are not looked up"),
                (["10.77.1.2", "ssh"], USAGE, "expected one port"),
                (["10.77.1.2", "22-23"], USAGE, "expected one port"),
                (["10.77.1.2", "0"], USAGE, "expected one port"),
                (["10.77.1.2", "22", "23"], USAGE, "unexpected word"),
                (["10.77.1.2", "22", "--to", "fd77:1::1"], FAILED, "one of the two addresses is IPv4"),
                (["10.77.1.2", "22", "--interface", "eth77"], FAILED, "no interface of that name"),
                (["203.0.113.7", "22"], FAILED, "no route to 203.0.113.7")):
            with self.subTest(words=words):
                done = subprocess.run(self.words(*words), text=True, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, timeout=PATIENCE)
                self.assertEqual(done.returncode, code)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_without_rights(self):
        words = self.words("10.77.1.2", "22")
        words[4:4] = ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups"]
        done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, PERMISSION)
        self.assertIn("only root", done.stderr)

    # --- With posternd

    def text(self, *words):
        return subprocess.run(self.words(*words), text=True, stdout=subprocess.PIPE, timeout=PATIENCE).stdout

    def test_a_managed_port(self):
        for family in FAMILIES:
            with self.subTest(family=family):
                self.start(self.configuration(knock_timeout=LONG))
                told = self.agree(DROPPED, family, SERVICE_PORT)
                self.assertEqual(told["by"]["owner"], "posternd")
                self.assertEqual(told["clients"], ["alice", "bob", "marker"])
                self.assertIn("no grant is open for this address", told["reason"])
                self.assertIn("as alice, bob or marker", told["remedy"])
                self.agree(PASSES, family, SECOND)
                self.knock(family=family)
                self.assert_opens(family)
                told = self.agree(PASSES, family, SERVICE_PORT)
                self.assertEqual(told["grants"][0]["client_name"], "alice")
                self.assertRegex(self.text(self.address(family, self.client), SERVICE_PORT),
                                 r"would be accepted until \S+Z \(alice\)")
                self.agree(DROPPED, family, SERVICE_PORT, space=self.other)

    def test_after_a_grant(self):
        self.start()
        self.knock()
        self.assert_opens()
        self.assert_shuts()
        told = self.agree(DROPPED, 4, SERVICE_PORT)
        self.assertTrue(eventually(lambda: re.search(
            r"alice's grant for 10\.77\.1\.2 ended \w+ ago",
            self.explain(self.address(4, self.client), SERVICE_PORT)["reason"])), told)

    def test_granted_and_dropped_by_others(self):
        self.server.nft("table inet filter { chain input { type filter hook input priority 10; policy accept; "
                        "tcp dport 2222 drop; }; }")
        self.start(self.configuration(knock_timeout=LONG, host_chains="none"))
        self.knock()
        self.assertTrue(eventually(lambda: self.granted()))
        told = self.agree(DROPPED, 4, SERVICE_PORT)
        self.assertEqual((told["by"]["table"], told["by"]["rule"]), ("filter", "tcp dport 2222 drop"))
        self.assertIn("meta mark &", told["remedy"])
        self.assertRegex(self.text(self.address(4, self.client), SERVICE_PORT),
                         r"would be accepted by us until \S+ \(alice\), then dropped by table inet filter, "
                         r"chain input, rule handle \d+: `tcp dport 2222 drop`")

    def test_granted_and_let_by_others(self):
        """Our rule at the head of the host's chain is seen for what it is."""
        self.server.nft("table inet filter { chain input { type filter hook input priority 10; policy drop; "
                        "meta l4proto ipv6-icmp accept; ct state established accept; udp dport 54154 accept; }; }")
        self.start(self.configuration(knock_timeout=LONG))
        for family in FAMILIES:
            self.agree(DROPPED, family, SERVICE_PORT)
            self.knock(family=family)
            self.assert_opens(family)
            self.agree(PASSES, family, SERVICE_PORT)
            self.assertEqual(self.explain(self.address(family, self.client), f"{KNOCK_PORT}/udp")["code"], PASSES)

    def test_guard_all(self):
        self.start(self.configuration(guard="all"))
        told = self.agree(DROPPED, 4, SECOND)
        self.assertIn("no client may open 2223/tcp", told["remedy"])
        self.agree(DROPPED, 6, SECOND)

    # --- The kernel's word

    def traced(self, family, port, *words, connect=True):
        """What --trace has said of a real connection."""
        tool = subprocess.Popen(self.words("--json", "--trace", *words, self.address(family, self.client), port),
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(tool.kill)
        if connect:
            self.assertTrue(eventually(self.tracing))
            self.client.connects(self.address(family), port)
        out, err = tool.communicate(timeout=PATIENCE)
        self.assertEqual(err, "")
        self.assertFalse(self.tracing())
        return {**json.loads(out), "code": tool.returncode}

    def tracing(self):
        return "postern_explain_" in self.server.run("nft", "list", "tables")

    def test_trace(self):
        self.server.nft(VERDICTS)
        for family in FAMILIES:
            with self.subTest(family=family):
                told = self.traced(family, 2223)
                self.assertEqual((told["code"], told["trace_verdict"]), (DROPPED, "drop"))
                self.assertEqual((told["trace"][-1]["chain"], told["trace"][-1]["rule"]),
                                 ("refused", "meta l4proto tcp reject with tcp reset"))
                told = self.traced(family, 2222)
                self.assertEqual((told["code"], told["trace_verdict"]), (PASSES, "accept"))
                self.assertEqual({event["table"] for event in told["trace"]}, {"filter"})

    def test_trace_of_nothing(self):
        told = self.traced(4, 2222, "--timeout", "100ms", connect=False)
        self.assertEqual((told["code"], told["trace_verdict"], told["trace"]), (NO_ANSWER, "nothing came", []))

    def test_trace_ends_with_its_process(self):
        for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number.name):
                tool = subprocess.Popen(self.words("--trace", self.address(4, self.client), 2222),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self.addCleanup(tool.kill)
                self.assertTrue(eventually(self.tracing))
                os.kill(tool.pid, number)
                tool.wait(PATIENCE)
                self.assertTrue(eventually(lambda: not self.tracing()))

    def test_trace_of_a_stream(self):
        """It ends though such packets do not: one more within each pause that would end it."""
        over = threading.Event()

        def send():
            with self.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                while not over.wait(0.01):
                    s.sendto(b"more", (self.address(4), SERVICE_PORT))
        sender = threading.Thread(target=send)
        tool = subprocess.Popen(self.words("--json", "--trace", self.address(4, self.client), f"{SERVICE_PORT}/udp"),
                                text=True, stdout=subprocess.PIPE)
        self.addCleanup(tool.kill)
        sender.start()
        try:
            out, _ = tool.communicate(timeout=PATIENCE)
        finally:
            over.set()
            sender.join()
        self.assertIn("trace_verdict", json.loads(out))
        self.assertFalse(self.tracing())
