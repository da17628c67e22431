"""The host's own firewall beside ours, as Debian packages it: started before us and after, at a
boot, loaded anew and restarted under us, with the port open in it (then only ours stops the
stranger) and shut (then only our rule in its chains lets the client by). What we leave is what was
there."""

import os
import re
import unittest

from booted_world import UNITS, BootedTest, Stranger
from netns import eventually

OWNED = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 9)
FIREWALLD = "/etc/firewalld/firewalld.conf"
ZONE = "/etc/firewalld/zones/public.xml"
OPEN = '<port port="22" protocol="tcp"/><port port="54154" protocol="udp"/>'
REMEDY = "in firewalld.conf, set NftablesTableOwner=no"
DROPS = """flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		%s
	}
}
"""


class FirewallTest(BootedTest):
    """Each firewall says how it is restarted and loaded anew, and opens and shuts SSH in its
    configuration."""

    SERVICE = RESTART = RELOAD = None

    @classmethod
    def setUpClass(cls):
        if cls is FirewallTest:
            raise unittest.SkipTest("each firewall has its own")
        super().setUpClass()

    @classmethod
    def prepare_system(cls):
        super().prepare_system()
        cls.machine.write(f"/etc/systemd/system/{cls.SERVICE}.service.d/often.conf",
                          "[Unit]\nStartLimitIntervalSec=0\n")

    def setUp(self):
        self.machine.run("systemctl", "stop", *UNITS, self.SERVICE)  # with all grants
        self.machine.run("nft", "flush", "ruleset")
        self.assertEqual(self.rules(), "")

    def rules(self):
        """Of the host, ours left out, without counters."""
        listed = self.machine.run("nft", "--stateless", "list", "ruleset")
        return re.sub(r"(?ms)^table inet postern \{.*?^\}\n", "", listed)

    def start_postern(self):
        self.machine.run("systemctl", "start", *UNITS)
        self.assert_ready()

    def start_firewall(self):
        self.machine.shell(self.RESTART)

    def assert_passes(self):
        """By a knock; and by that alone."""
        self.assert_shut()
        self.knock()
        self.assert_open()

    def live_through_all(self):
        """Not one stranger's connection, and the grant goes on."""
        for command in self.RELOAD, self.RESTART:
            with self.subTest(command=command), Stranger(self) as stranger:
                self.machine.shell(command)
                self.assert_open()
                self.assert_nobody_got_in(stranger)

    def leave(self, rules):
        """With the word for it, and the host's rules are as they were."""
        self.machine.run("systemctl", "stop", "posternd")
        self.assert_shut(self.stranger)
        self.machine.run("postern", "release", "--yes")
        self.assertEqual(self.rules(), rules)

    def beside_an_open_port(self):
        """The firewall is there first."""
        self.open_port()
        self.start_firewall()
        self.assert_open(self.stranger)
        rules = self.rules()
        self.assertIn("hook input", rules)
        self.start_postern()
        self.assert_passes()
        self.live_through_all()
        self.leave(rules)
        self.assert_open(self.stranger)

    def beside_a_shut_port(self):
        """The firewall comes second."""
        self.shut_port()
        self.start_postern()
        with Stranger(self) as stranger:
            self.start_firewall()
            self.assert_passes()
            self.assert_nobody_got_in(stranger)
        self.live_through_all()
        self.machine.run("systemctl", "stop", "posternd")
        self.machine.run("postern", "release", "--yes")
        rules = self.rules()
        self.assertNotIn("postern", rules)
        self.assert_shut(self.stranger)
        self.start_firewall()
        self.assertEqual(self.rules(), rules)

    def through_a_boot(self):
        """Both come up by themselves; a stranger tries from before the power comes."""
        self.open_port()
        self.start_firewall()
        self.machine.run("systemctl", "enable", self.SERVICE, *UNITS)
        self.machine.power_off()
        self.plug_in()
        with Stranger(self) as stranger:
            self.machine.power_on()
            self.machine.wait_until_up()
            self.assert_ready()
            self.assertEqual(self.machine.state(self.SERVICE), "active")
            self.assertTrue(eventually(lambda: "hook input" in self.rules()))
            self.assert_passes()
            self.assert_nobody_got_in(stranger)


class FirewalldTest(FirewallTest):
    SERVICE = "firewalld"
    RELOAD = "firewall-cmd --reload"
    RESTART = "systemctl restart firewalld; firewall-cmd --state"  # when it is done, not before

    def open_port(self):
        """And ours: in an owned table there is no rule of ours to let knocks by."""
        self.machine.write(ZONE, f"<zone>{OPEN}</zone>")

    def shut_port(self):
        self.machine.write(ZONE, "<zone/>")

    def set_owner(self, word):
        """False when this firewalld has no such word, and owns no table (before 2.2)."""
        text = self.machine.read(FIREWALLD)
        changed, count = re.subn("(?m)^NftablesTableOwner=.*", f"NftablesTableOwner={word}", text)
        self.machine.write(FIREWALLD, changed)
        return count == 1

    def test_an_open_port(self):
        self.set_owner("no")
        self.beside_an_open_port()

    def test_a_shut_port(self):
        self.set_owner("no")
        self.beside_a_shut_port()

    def test_a_boot(self):
        self.set_owner("yes")  # where it can
        self.through_a_boot()

    def need_owner(self):
        if not OWNED or not self.set_owner("yes"):
            self.skipTest("no table here has an owner")

    def test_an_open_port_in_an_owned_table(self):
        self.need_owner()
        self.beside_an_open_port()

    def test_a_shut_port_in_an_owned_table(self):
        """Which of the two is first makes no difference: it says what to set, and that helps."""
        self.need_owner()
        self.shut_port()
        self.start_firewall()
        for start in self.start_postern, self.start_firewall:
            since = self.machine.cursor()
            start()
            self.assertTrue(self.machine.said(REMEDY, since))
            self.knock()
            self.assert_shut()
        with Stranger(self) as stranger:
            self.set_owner("no")
            self.start_firewall()
            self.knock()
            self.assert_open()
            self.assert_nobody_got_in(stranger)


class UfwTest(FirewallTest):
    SERVICE = "ufw"
    RELOAD, RESTART = "ufw reload", "systemctl restart ufw"

    def setUp(self):
        self.machine.run("ufw", "disable")
        super().setUp()

    def start_firewall(self):
        self.machine.run("ufw", "--force", "enable")
        super().start_firewall()

    def open_port(self):
        self.machine.run("ufw", "allow", "22")

    def shut_port(self):
        self.machine.run("ufw", "delete", "allow", "22", check=False)

    def test_a_boot(self):
        self.through_a_boot()

    def test_an_open_port(self):
        self.beside_an_open_port()

    def test_a_shut_port(self):
        self.beside_a_shut_port()


@unittest.skipUnless(OWNED, "tables have owners that they outlive since Linux 6.9")
class NftablesTest(FirewallTest):
    """Its file begins with `flush ruleset`, as the packaged one does."""

    SERVICE = "nftables"
    RELOAD, RESTART = "systemctl reload nftables", "systemctl restart nftables"

    def open_port(self):
        self.machine.write("/etc/nftables.conf", DROPS % "tcp dport 22 accept")

    def shut_port(self):
        self.machine.write("/etc/nftables.conf", DROPS % "")

    def test_a_boot(self):
        self.through_a_boot()
        for unit in UNITS:  # its file flushes what nobody owns yet
            self.assertIn("nftables.service", self.machine.show(unit, "After"))

    def test_an_open_port(self):
        self.beside_an_open_port()

    def test_a_shut_port(self):
        self.beside_a_shut_port()
