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
        self.assertRegex(line["remedy"], "restart postern(d|-guard)|posternd restart")

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

    def legacy(self, tool, *rules):
        """These alone; none at the end."""
        for words in ("-P INPUT ACCEPT", "-F"):
            self.server.run(f"{tool}-legacy", *words.split())
            self.addCleanup(self.server.run, f"{tool}-legacy", *words.split())
        for rule in rules:
            self.server.run("sh", "-ec", f"{tool}-legacy {rule}")

    def test_legacy_input(self):
        """It is asked as well: what it drops is dropped, and what it accepts is not opened by that."""
        self.start()
        port = f"-p tcp --dport {SERVICE_PORT}"
        mark = "-m mark --mark 0x40000000/0x40000000"
        answers = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        for number, (state, rules) in enumerate((
                ("ok", ["-A INPUT -j ACCEPT"]),
                ("ok", ["-P INPUT DROP", f"-A INPUT {port} -m conntrack --ctstate NEW -j ACCEPT"]),
                ("ok", ["-P INPUT DROP", f"-A INPUT {mark} -j ACCEPT"]),
                ("ok", [f"-A INPUT -p tcp -m multiport --dports 1,{SERVICE_PORT - 2}:{SERVICE_PORT} -j ACCEPT",
                        "-A INPUT -j REJECT"]),
                ("ok", [f"-A INPUT -p tcp ! --dport {SERVICE_PORT} -j DROP"]),
                ("problem", ["-P INPUT DROP", "-A INPUT -i lo -j ACCEPT", answers]),
                ("problem", [f"-A INPUT {port} -j DROP", f"-A INPUT {mark} -j ACCEPT"]),
                ("problem", ["-P INPUT DROP", f"-A INPUT -p tcp --dport {SERVICE_PORT + 1} -j ACCEPT",
                             f"-A INPUT -m comment --comment 'a \"b\" -j ACCEPT' -p udp -j ACCEPT"]),
                ("unknown", ["-P INPUT DROP", f"-A INPUT {port} -m limit --limit 1/s -j ACCEPT"]),
                ("unknown", ["-N others || true", f"-A INPUT {port} -j others", "-A INPUT -j DROP"]))):
            tool = ("iptables", "ip6tables")[number % 2]
            with self.subTest(tool=tool, rules=rules):
                self.legacy(tool, *rules)
                line = self.finding("firewall", state, f"legacy {tool}, chain INPUT",
                                    code=ILL if state == "problem" else WELL)
                if state == "problem":
                    self.assertIn(f"{SERVICE_PORT}/tcp", line["text"])
                    self.server.run("sh", "-ec", line["remedy"])
                    self.finding("firewall", "ok", f"legacy {tool}, chain INPUT", code=WELL)
                self.legacy(tool)

    def test_legacy_that_cannot_be_read(self):
        self.start()
        self.legacy("iptables")
        nowhere = self.daemon.folder / "nowhere"
        nowhere.mkdir()
        place = ("unshare", "--mount", "sh", "-ec", 'mount --bind "$0" /usr/sbin; exec "$@"', nowhere)
        line = self.finding("firewall", "unknown", "tables of legacy iptables,", code=WELL, place=place)
        self.assertEqual(line["remedy"], "iptables-legacy-save")

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
        rules = (("iptables-legacy", "DNAT --to-destination 192.0.2.9:80"),
                 ("ip6tables-legacy", "REDIRECT --to-ports 80"))
        for tool, to in (("iptables-nft", "192.0.2.9:80"), ("ip6tables-nft", "[2001:db8::9]:80")):
            for target in (f"DNAT --to-destination {to}", "REDIRECT --to-ports 80"):
                rules += ((tool, target),)
        for tool, target in rules:
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
        for chain, port in (("PREROUTING", SERVICE_PORT + 2), ("OUTPUT", SERVICE_PORT)):
            rule = [chain, "-p", "tcp", "--dport", port, "-j", "REDIRECT", "--to-ports", SERVICE_PORT]
            self.server.run("iptables-legacy", "-t", "nat", "-A", *rule)
            self.addCleanup(self.server.run, "iptables-legacy", "-t", "nat", "-D", *rule)
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
