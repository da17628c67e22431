"""What an original server leaves in the firewall is named, with the command that removes it, and
never touched. It is made by the commands that the originals call."""

import json
import re
import subprocess

from programs_world import ProgramsTest
from world import WorldTest

KNOCK = "54154"
NAMED = {"inet": 'openme server has left rules in the table "inet filter"',
         "iptables-nft": 'openme server has left rules in the table "ip filter"',
         "ip6tables-nft": 'openme server has left rules in the table "ip6 filter"',
         "iptables-legacy": 'openme server has left rules in the legacy table "ip filter"',
         "ip6tables-legacy": 'openme server has left rules in the legacy table "ip6 filter"'}


class FirewallTest(WorldTest):
    """With legacy tables cleared away, too."""

    def tearDown(self):
        super().tearDown()
        self.server.flush_rules()
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            for words in (["-F"], ["-X"]):
                self.server.run(tool, *words, check=False)

    def check(self):
        """What --check says of leftovers, a line each; it is never a failure."""
        done = subprocess.run(["ip", "netns", "exec", self.server.name, *map(str, self.daemon.command(
            "--check"))], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line for line in done.stderr.splitlines() if "has left rules" in line]

    def openspa(self):
        """The chains of its tutorial."""
        for tool in ("iptables-nft", "ip6tables-nft"):
            for chain, place in (("OPENSPA", "1"), ("OPENSPA-BLOCK", "2")):
                self.server.run(tool, "--new-chain", chain)
                self.server.run(tool, "--insert", "INPUT", place, "--jump", chain)


class LeftoversTest(FirewallTest):
    def openme_nft(self, interface=()):
        """Its nft back-end: set up, dropping 22/tcp, with one client let in."""
        for words in ("add table inet filter", "add chain inet filter openme"):
            self.server.run("nft", *words.split())
        self.server.nft("add chain inet filter input { type filter hook input priority 0; }")
        rule = ["add", "rule", "inet", "filter", "input", *interface]
        self.server.run("nft", *rule, "udp", "dport", KNOCK, "accept", "comment", "openme-knock")
        self.server.run("nft", *rule, "jump", "openme", "comment", "openme-jump")
        own = ["rule", "inet", "filter", "openme", *interface]
        self.server.run("nft", "add", *own, "tcp", "dport", "22", "drop", "comment", "openme-drop")
        self.server.run("nft", "insert", *own, "ip", "saddr", "192.0.2.7", "tcp", "dport", "22",
                        "accept", "comment", "openme")

    def openme_iptables(self, tool, interface=()):
        comment = ["-m", "comment", "--comment"]
        self.server.run(tool, "-N", "openme")
        self.server.run(tool, "-I", "INPUT", *interface, "-p", "udp", "--dport", KNOCK, "-j", "ACCEPT",
                        *comment, "openme-knock")
        self.server.run(tool, "-A", "INPUT", *interface, "-j", "openme", *comment, "openme-jump")
        self.server.run(tool, "-A", "openme", *interface, "-p", "tcp", "--dport", "22", "-j", "DROP",
                        *comment, "openme-drop")

    def make(self, kind, interface=None):
        if kind == "inet":
            self.openme_nft(["iifname", interface] if interface else [])
        else:
            self.openme_iptables(kind, ["-i", interface] if interface else [])

    def rules(self):
        return [self.server.run(*words) for words in (
            ["iptables-legacy", "-S"], ["ip6tables-legacy", "-S"], ["iptables-nft", "-S"],
            ["ip6tables-nft", "-S"], ["nft", "list", "ruleset"])]

    def remove(self, said):
        self.server.run("sh", "-ec", re.search("this removes them: (.*)", said).group(1))

    def test_named_and_removed(self):
        self.start()
        for interface in (None, "wire"):
            for kind, named in NAMED.items():
                with self.subTest(kind=kind, interface=interface):
                    self.assertEqual(self.check(), [])
                    self.make(kind, interface)
                    before = self.rules()
                    said = self.check()
                    self.assertEqual(len(said), 1, said)
                    self.assertIn(named, said[0])
                    self.assertEqual(self.rules(), before)
                    self.remove(said[0])
                    self.assertEqual(self.check(), [])
                    self.assertNotIn("openme", "".join(self.rules()))

    def test_all_of_them_at_once(self):
        self.start()
        for kind in NAMED:
            self.make(kind)
        said = self.check()
        self.assertEqual(len(said), len(NAMED))
        for line in said:
            self.remove(line)
        self.assertEqual(self.check(), [])

    def test_a_rule_without_its_chain(self):
        """Of a port that the original listened on once."""
        self.start()
        self.openme_nft()
        self.server.run("sh", "-c", "nft -a list chain inet filter input | sed -n "
                        "'/openme-jump/s/.*handle //p' | xargs nft delete rule inet filter input handle")
        self.server.run("nft", "delete", "chain", "inet", "filter", "openme")
        said = self.check()
        self.assertEqual(len(said), 1, said)
        self.assertIn("1 rule with the comment", said[0])
        self.remove(said[0])
        self.assertEqual(self.check(), [])

    def test_at_the_start(self):
        self.make("inet")
        before = self.server.run("nft", "list", "table", "inet", "filter")
        self.start()
        said = [e for e in self.daemon.events(level="warn") if "has left rules" in e["message"]]
        self.assertEqual(len(said), 1)
        self.assertIn(NAMED["inet"], said[0]["message"])
        self.daemon.reload()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(len([e for e in self.daemon.events(level="warn")
                              if "has left rules" in e["message"]]), 1)
        self.assertEqual(self.server.run("nft", "list", "table", "inet", "filter"), before)

    def test_others_of_that_name(self):
        """Only in the originals' own table."""
        self.start()
        self.server.nft("table ip nat {\nchain openme {\n}\nchain other {\n"
                        "counter comment \"openme-ish\"\n}\n}")
        self.assertEqual(self.check(), [])

    def test_what_is_no_comment_of_openmes(self):
        """A device, a prefix of the log and a comment of the operator's are not named, nor removed."""
        self.start()
        for family in ("ip", "inet"):
            self.server.nft(f"table {family} filter {{\nchain input {{\n"
                            'iifname "openme-br0" accept\nlog prefix "openme-drop "\n'
                            'ip saddr 192.0.2.1 accept comment "no openme-knock"\n}\n}')
        self.server.run("iptables-nft", "-A", "INPUT", "-i", "openme-br0", "-j", "ACCEPT")
        self.assertEqual(self.check(), [])
        self.openme_iptables("iptables-nft")
        said = self.check()
        self.assertEqual(len(said), 1, said)
        self.assertIn(" 2 rules with the comment", said[0])
        self.remove(said[0])
        self.assertEqual(self.check(), [])
        self.assertIn("-i openme-br0", self.server.run("iptables-nft", "-S", "INPUT"))

    def test_a_name_for_a_shell(self):
        """Chains may be called anything, and the remedy is a command that people copy."""
        self.start()
        self.server.nft('table inet filter {\nchain input {\naccept comment "openme-knock"\n}\n}')
        chain = {"family": "inet", "table": "filter", "name": "x'; touch /bad; '"}
        rule = {"family": "inet", "table": "filter", "chain": chain["name"],
                "expr": [{"accept": None}], "comment": "openme-jump"}
        self.server.run("nft", "-j", "-f", "-", text=json.dumps(
            {"nftables": [{"add": {"chain": chain}}, {"add": {"rule": rule}}]}))
        self.assertIn("touch /bad", self.server.run("nft", "-j", "list", "ruleset"))
        said, = self.check()
        self.assertNotIn("/bad", said)
        self.assertIn(" 1 rule with the comment", said)

    def test_openspa(self):
        self.start()
        self.openspa()
        said = self.check()
        self.assertEqual(len(said), 2, said)
        for line in said:
            self.assertIn("OpenSPA server has left rules", line)
            self.assertIn("chain OPENSPA, chain OPENSPA-BLOCK", line)
            self.remove(line)
        self.assertEqual(self.check(), [])
        self.assertNotIn("OPENSPA", "".join(self.rules()))

    def test_not_to_be_read(self):
        """Without rights nothing is said, and nothing fails."""
        self.make("inet")
        self.start()
        done = subprocess.run(
            ["ip", "netns", "exec", self.server.name, "setpriv", "--bounding-set=-net_admin",
             "--inh-caps=-net_admin", *map(str, self.daemon.command("--check"))],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, "has left rules" in done.stderr), (0, False), done.stderr)


class ScriptsTest(ProgramsTest, FirewallTest):
    def test_openspa_scripts_in_use(self):
        """What our own rule scripts go on using is no leftover."""
        self.openspa()
        self.make({"rule_add": "true", "rule_remove": "true"})
        self.assertEqual(self.check(), [])
        self.make({"server_start": "true"})
        self.assertEqual(len(self.check()), 2)
        self.daemon.log_path.touch()  # it was never started
