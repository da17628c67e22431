"""postern doctor on firewalls: ours when it is not whole, and those of others beside it."""

import json
import re
import subprocess

from doctor import ILL, WELL, DoctorTest
from test_leftovers import NAMED
from world import SERVICE_PORT

DROPS = "type filter hook input priority {}; policy drop; ct state established accept"


class OwnTest(DoctorTest):
    def kill(self):
        """Its table stays, and may be changed by whoever likes."""
        self.start()
        self.daemon.kill()

    def test_whole(self):
        for guard in ("ports", "all"):
            self.start(self.configuration(guard=guard))
            self.finding("firewall", "ok", "all rules are in force", code=WELL)

    def test_openings_are_no_difference(self):
        self.start()
        self.knock()
        self.assert_opens()
        self.assert_well()

    def test_a_rule_is_gone(self):
        self.kill()
        self.server.run("nft", "flush", "chain", "inet", "postern", "granted")
        line = self.finding("firewall", "problem", "the rules are not those of the configuration",
                            code=ILL)
        self.assertRegex(line["text"], r"chain granted has 0 of \d")
        self.assertIn("systemctl restart", line["remedy"])

    def test_a_rule_more(self):
        self.kill()
        self.server.run("nft", "insert", "rule", "inet", "postern", "input", "accept")
        self.finding("firewall", "problem", "chain input has", code=ILL)

    def test_the_table_is_gone(self):
        self.kill()
        self.server.nft("flush ruleset")
        self.finding("firewall", "problem", "no port is shut", code=ILL)

    def test_of_another_boot(self):
        self.kill()
        text = self.server.run("nft", "list", "table", "inet", "postern")
        self.server.nft("flush ruleset")
        self.server.nft(re.sub(r"\tcomment .*|\tflags .*|\t# progname.*", "", text))
        self.finding("firewall", "problem", "is not of this boot", code=ILL)

    def test_a_configuration_that_is_not_in_force(self):
        self.start()
        self.daemon.configure(self.configuration(ports={"default": [f"{SERVICE_PORT}/tcp", "53/udp"]}))
        line = self.finding("firewall", "problem", "the rules are not those of the configuration",
                            code=ILL)
        self.assertEqual(line["remedy"], "postern reload")
        self.postern("reload")
        self.assert_well()

    def test_none(self):
        self.start(self.configuration(firewall="none"))
        self.finding("firewall", "warning", "nothing is opened or shut", code=WELL)

    def test_no_rights(self):
        self.start()
        self.finding("firewall", "unknown", "cannot be read", code=WELL,
                     place=("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"))


class HostTest(DoctorTest):
    def chain(self, family, priority, name="theirs", policy=DROPS):
        self.server.nft(f"table {family} {name} {{ chain in {{ {policy.format(priority)}; }}\n}}")

    def test_drops_before_us(self):
        self.start()
        for family in ("ip", "ip6", "inet"):
            self.chain(family, -50)
            line = self.finding("firewall", "problem", "before it gets to our chain", code=ILL)
            self.assertIn(f"{family} theirs in (priority -50)", line["text"])
            self.assertIn("server.priority", line["remedy"])
            self.server.run("nft", "delete", "table", family, "theirs")
        self.assert_well()

    def test_drops_after_us(self):
        """The daemon puts its rule in; where it may not, nobody does."""
        self.start()
        self.chain("inet", 0)
        self.assertTrue(self.postern("reload"))
        self.finding("firewall", "ok", "inet theirs in lets by what is granted", code=WELL)
        self.daemon.kill()
        self.chain("ip6", 5, "late")
        self.finding("firewall", "problem", "ip6 late in drops what is granted", code=ILL)

    def test_accepts(self):
        """Nobody lets in what we drop, whenever he is asked."""
        self.start()
        for priority in (-200, 200):
            self.chain("inet", priority, f"t{priority + 200}",
                       "type filter hook input priority {}; policy accept; accept")
        self.assert_well()

    def test_none_of_our_business(self):
        self.start(self.configuration(host_chains="none"))
        self.chain("ip", 0)
        line = self.finding("firewall", "warning", "leaves it to you", code=WELL)
        self.assertEqual(line["remedy"], "server.host_chains: auto")

    def test_legacy_tables(self):
        self.start()
        for tool in ("iptables", "ip6tables"):
            self.server.run(f"{tool}-legacy", "-A", "INPUT", "-j", "ACCEPT")
            self.addCleanup(self.server.run, f"{tool}-legacy", "-F")
            line = self.finding("firewall", "unknown", f"legacy {tool},", code=WELL)
            self.assertEqual(line["remedy"], f"{tool}-legacy-save")

    def test_names_that_are_no_text(self):
        """What another calls his chain does nothing to the terminal."""
        self.start()
        name = "x\x1b[31m\n!"
        self.server.run("nft", "-j", "-f", "-", text=json.dumps({"nftables": [
            {"add": {"table": {"family": "inet", "name": "theirs"}}},
            {"add": {"chain": {"family": "inet", "table": "theirs", "name": name, "type": "filter",
                               "hook": "input", "prio": -50, "policy": "drop"}}}]}))
        said = self.postern("doctor", "--state-dir", self.daemon.state, check=False)
        self.assertNotIn("\x1b", said)
        self.assertIn(r"x\x1b[31m\x0a!", said)
        self.finding("firewall", "problem", name, code=ILL)


class PublishedTest(DoctorTest):
    """Rules as container engines and routers have them."""

    def rules(self):
        """(command that adds it, command that removes it, whether the port is told apart)."""
        for family, to in (("ip", "192.0.2.9:80"), ("ip6", "[2001:db8::9]:80")):
            for match, clear in ((f"tcp dport {SERVICE_PORT}", True),
                                 (f"tcp dport {SERVICE_PORT - 1}-{SERVICE_PORT + 1}", True),
                                 (f"tcp dport {{ 1, {SERVICE_PORT} }}", False), ("", True)):
                tcp = match or "meta l4proto tcp"
                yield (f"nft add table {family} nat; nft add chain {family} nat pre "
                       "'{ type nat hook prerouting priority -100; }'; "
                       f"nft add rule {family} nat pre '{tcp} dnat to {to}'",
                       f"nft delete table {family} nat", clear)
        for tool, to in (("iptables-nft", "192.0.2.9:80"), ("ip6tables-nft", "[2001:db8::9]:80")):
            for target in (f"DNAT --to-destination {to}", "REDIRECT --to-ports 80"):
                rule = f"PREROUTING -p tcp --dport {SERVICE_PORT} -j {target}"
                yield f"{tool} -t nat -A {rule}", f"{tool} -t nat -D {rule}", True

    def test_not_guarded(self):
        self.start(self.configuration(hook="input"))
        for add, remove, clear in self.rules():
            with self.subTest(rule=add):
                self.server.run("sh", "-ec", add)
                line = self.finding("published ports", "problem" if clear else "warning",
                                    "is open without a knock", code=ILL if clear else WELL)
                self.assertIn("hook: prerouting", line["remedy"])
                self.server.run("sh", "-ec", remove)
                self.assert_well()

    def test_guarded(self):
        self.start()
        for add, remove, _ in self.rules():
            with self.subTest(rule=add):
                self.server.run("sh", "-ec", add)
                self.finding("published ports", "ok", "1 rules lead managed ports elsewhere",
                             code=WELL)
                self.server.run("sh", "-ec", remove)

    def test_other_ports(self):
        """And what this host itself sends."""
        self.start(self.configuration(hook="input"))
        self.server.nft("table ip nat { chain pre { type nat hook prerouting priority -100;"
                        f"tcp dport {SERVICE_PORT + 1} dnat to 192.0.2.9; udp dport {SERVICE_PORT} "
                        "dnat to 192.0.2.9; }; chain out { type nat hook output priority -100; "
                        f"tcp dport {SERVICE_PORT} dnat to 192.0.2.9; }}; chain post {{ type nat hook "
                        f"postrouting priority 100; tcp dport {SERVICE_PORT} masquerade; }}\n}}")
        self.server.run("iptables-nft", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport",
                        SERVICE_PORT + 2, "-j", "REDIRECT", "--to-ports", SERVICE_PORT)
        self.finding("published ports", "ok", "no rule leads managed ports elsewhere", code=WELL)


class LeftoversTest(DoctorTest):
    def test_rules_of_an_original(self):
        self.start()
        self.server.nft("table inet filter { chain openme { }; chain input { type filter hook input "
                        "priority 0; jump openme comment \"openme-jump\"; }\n}")
        line = self.finding("leftovers", "warning", NAMED["inet"], code=WELL)
        self.assertTrue(line["remedy"].startswith("nft "), line)
        self.server.run("sh", "-ec", line["remedy"])
        self.assert_well()
