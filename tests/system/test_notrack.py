"""Knocks and junk leave nothing in the kernel's table of connections, unless a rule of the host could
take them otherwise then: no rule of ours locks a knock out."""

import os
import shutil
from pathlib import Path

import openme
from netns import eventually
from spa_world import PORT as SPA_PORT
from spa_world import SpaWorldTest
from world import FAMILIES, KNOCK_PORT, LONG, WorldTest

JUNK = 1000
HEAD = "type filter hook input priority 0; policy drop; "
DISCOVERY = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; "
# Rules of a host that let knocks in, and whether they take what is not tracked alike.
ALIKE = (
    "",
    "ct state established,related accept",
    "ct state invalid drop",
    "ct state != invalid udp dport 54154 accept",
    "ct state established accept; ct state related accept; ct state invalid drop",
)
OTHERWISE = (
    "ct state new udp dport 54154 accept",
    "ct state new,related udp dport 54154 accept",
    "ct state { established, related } accept",
    "ct state untracked drop",
    "ct state != new drop",
    "ct state vmap { established : accept, invalid : drop }",
    "ct mark 7 accept",
    "ct direction original udp dport 54154 accept",
    "ct state . meta l4proto { new . udp } accept",
)


def table(rules, head=HEAD):
    lines = [head, DISCOVERY, *rules.split("; "), "udp dport 54154 accept"]
    body = "\n".join(line for line in lines if line)
    return "table inet host {\nchain in {\n" + body + "\n}\n}"


class Tracked:
    """Before a test class of the world."""

    def entries(self, port=KNOCK_PORT):
        """Of the server's table of connections, to or from that port by UDP."""
        rows = Path(f"/proc/{self.daemon.process.pid}/net/nf_conntrack").read_text().splitlines()
        return [row for row in rows if " udp " in row and f"port={port} " in row]

    def untracked(self):
        chain = self.server.run("nft", "list", "chain", "inet", "postern", "untracked", check=False)
        return "notrack" in chain

    def junk(self, family, port=KNOCK_PORT):
        """From as many ports, so each would be a connection."""
        packet = b"\x01" + os.urandom(164)
        for _ in range(JUNK // 2):
            self.client.send(packet, self.address(family), port)


class NotrackTest(Tracked, WorldTest):
    server_settings = {"knock_timeout": LONG}

    def assert_served(self):
        for family in FAMILIES:
            before = self.counted("granted")
            self.knock(family=family)
            self.assertTrue(eventually(lambda b=before: self.counted("granted") == b + 1))
            self.assert_opens(family)

    def test_junk_leaves_no_entry(self):
        for intake in ("socket", "capture"):
            for setting, kept in (("auto", False), ("yes", False), ("no", True)):
                with self.subTest(intake=intake, setting=setting):
                    self.start(self.configuration(notrack=setting, intake=intake))
                    self.server.run("conntrack", "-F", check=False)
                    before = len(self.entries())
                    for family in FAMILIES:
                        self.junk(family)
                    self.settle()
                    left = len(self.entries()) - before
                    self.assertTrue(left >= JUNK // 2 if kept else left == 0, left)
                    self.assert_served()

    def test_rules_that_take_it_alike(self):
        for rules in ALIKE:
            with self.subTest(rules=rules):
                self.server.flush_rules()
                self.server.nft(table(rules))
                self.start()
                self.assertTrue(self.untracked())
                self.assert_served()

    def test_rules_that_may_not(self):
        for rules in OTHERWISE:
            with self.subTest(rules=rules):
                self.server.flush_rules()
                self.server.nft(table(rules))
                self.start()
                self.assertFalse(self.untracked())
                self.assertEqual(
                    [e["table"] for e in self.daemon.events(message="knocks leave entries in the "
                     "table of connections, which a rule of the host may need")], ["host"])
                self.assert_served()

    def test_a_host_that_lets_in_new_connections_alone(self):
        """The rule that would lock knocks out, were they not tracked: with `yes` it does."""
        for open_knock_port in (True, False):
            self.server.flush_rules()
            self.server.nft("table inet host {\nchain in {\n" + HEAD + "\n" + DISCOVERY + "\n"
                            "ct state new udp dport 54154 accept\n}\n}")
            self.start(self.configuration(open_knock_port=open_knock_port))
            self.assert_served()
        self.start(self.configuration(open_knock_port=False, notrack="yes"))
        before = self.counted("granted")
        self.knock()
        self.assertFalse(eventually(lambda: self.counted("granted") > before, within=0.5))

    def test_translation_needs_it(self):
        self.server.nft("table ip t {\nchain pre {\ntype nat hook prerouting priority -100\n"
                        f"udp dport 53 redirect to :{KNOCK_PORT}\n}}\n}}")
        self.start()
        self.assertFalse(self.untracked())
        before = self.counted("granted")
        self.client.send(openme.knock(self.alice, self.server_key.public), self.address(4), 53)
        self.assertTrue(eventually(lambda: self.counted("granted") > before))

    def test_iptables(self):
        """Its own extension is understood where it looks at the state alone."""
        if not shutil.which("iptables-nft"):
            self.skipTest("no iptables-nft here")
        words = (("RELATED,ESTABLISHED", True), ("INVALID", True), ("NEW", False))
        for state, alike in words:
            with self.subTest(state=state):
                self.server.flush_rules()
                self.server.run("iptables-nft", "-A", "INPUT", "-m", "conntrack", "--ctstate", state,
                                "-j", "DROP" if state == "INVALID" else "ACCEPT")
                self.start()
                self.assertEqual(self.untracked(), alike)
                self.assert_served()

    def test_rules_that_come_and_go(self):
        self.start()
        for _ in range(3):
            self.assertTrue(eventually(self.untracked))
            self.assert_served()
            self.server.nft(table("ct state new udp dport 54154 accept"))
            self.assertTrue(eventually(lambda: not self.untracked()))
            self.assert_served()
            self.server.run("nft", "delete", "table", "inet", "host")
        self.daemon.reload()
        self.assertTrue(eventually(self.untracked))

    def test_knocks_of_other_hosts_are_followed(self):
        """A router translates those of the hosts behind it, and what is sent back to them comes for
        the router's own address, to the knock port where they sent from that."""
        self.start()
        self.server.run("sysctl", "-q", "net.ipv4.ip_forward=1")
        self.server.nft("table ip t {\nchain post {\ntype nat hook postrouting priority 100\n"
                        "oifname \"wire2\" masquerade\n}\n}")
        self.assertTrue(eventually(lambda: not self.untracked()))
        self.client.ip("route", "replace", "10.77.2.0/24", "via", "10.77.1.1")
        self.addCleanup(self.client.ip, "route", "del", "10.77.2.0/24")
        with self.other.socket(2, 2) as s:
            s.bind(("10.77.2.2", KNOCK_PORT))
            s.settimeout(5)
            with self.client.socket(2, 2) as client:
                client.bind(("10.77.1.2", KNOCK_PORT))
                client.settimeout(5)
                client.sendto(b"for another", ("10.77.2.2", KNOCK_PORT))
                came_from = s.recvfrom(100)[1]
                self.assertEqual(came_from, ("10.77.2.1", KNOCK_PORT))
                s.sendto(b"an answer", came_from)
                self.assertEqual(client.recv(100), b"an answer")


class SpaNotrackTest(Tracked, SpaWorldTest):
    def test_requests_and_their_answers(self):
        """Neither leaves an entry, and the answer arrives; a host whose output chain lets out
        nothing but answers keeps them tracked."""
        self.serve()
        for family in FAMILIES:
            self.junk(family, SPA_PORT)
            self.granted_for(self.request(family=family), family=family)
        self.assertEqual(self.entries(SPA_PORT), [])
        self.server.nft("table inet host {\nchain out {\ntype filter hook output priority 0; "
                        "policy drop\nct state established accept\nicmpv6 type { "
                        "nd-neighbor-solicit, nd-neighbor-advert } accept\n}\n}")
        for family in FAMILIES:
            self.assertTrue(eventually(
                lambda f=family: self.ask(self.request(family=f), f, wait=1)))
        self.assertTrue(self.untracked())
        self.assertTrue(self.entries(SPA_PORT))
