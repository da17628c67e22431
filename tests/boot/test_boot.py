"""From power-on to the daemon: shut before the network is up."""

from booted_world import UNITS, BootedTest, Stranger
from machine import PATIENCE
from netns import eventually, run

PLAIN = """[Service]
ExecStart=/usr/bin/python3 -m http.server --bind :: 22
ExecStop=/usr/bin/sleep 2
[Install]
WantedBy=multi-user.target
"""


class BootTest(BootedTest):
    def boot(self, service="ssh"):
        """A stranger tries from before the power comes; the one who asks stops him."""
        self.machine.power_off()
        self.plug_in()
        stranger = Stranger(self)
        self.addCleanup(stranger.stop)
        self.machine.power_on()
        self.machine.wait_until_up()
        self.assertEqual(self.machine.state(service), "active")
        return stranger

    def setUp(self):
        self.configure(self.good)
        self.machine.run("systemctl", "enable", *UNITS)

    def when(self, unit, name):
        return int(self.machine.show(unit, f"{name}TimestampMonotonic"))

    def test_shut_from_the_start(self):
        stranger = self.boot()
        self.assert_ready()
        self.assert_nobody_got_in(stranger)
        self.knock()
        self.assert_open()
        guard = self.when("postern-guard", "ActiveEnter")
        self.assertGreater(guard, 0)
        for unit, name in (("network-pre.target", "ActiveEnter"),
                           ("systemd-networkd", "InactiveExit"), ("ssh", "InactiveExit")):
            self.assertLess(guard, self.when(unit, name), unit)
        self.assertIn("network-pre.target", self.machine.show("postern-guard", "Before"))
        # Nothing of ours that the service manager had to say something about.
        said = self.machine.run("journalctl", "--boot", "--priority=warning", "--no-pager",
                                "--output=short")
        self.assertEqual([line for line in said.splitlines() if "postern" in line], [])

    def test_with_a_mistake_in_the_file(self):
        """By the last rules that were accepted."""
        self.machine.restart(*UNITS)
        self.assert_ready()
        self.configure(self.good + "nonsense: 1\n")
        stranger = self.boot()
        self.assertTrue(eventually(lambda: self.machine.restarts() > 1, PATIENCE))
        self.assert_shut()
        self.configure(self.good)
        self.assert_ready()
        self.knock()
        self.assert_open()
        self.assert_nobody_got_in(stranger)

    def test_shut_to_the_end(self):
        """A service that knows nothing of a network is among the last to stop."""
        self.machine.write("/etc/systemd/system/plain.service", PLAIN)
        self.machine.run("systemctl", "disable", "ssh")
        self.machine.run("systemctl", "enable", "plain")
        self.boot("plain").stop()
        self.assert_ready()
        with Stranger(self) as stranger:
            self.machine.shut_down()
            self.assert_nobody_got_in(stranger)
        run("chroot", self.machine.root, "systemctl", "enable", "ssh")
        run("chroot", self.machine.root, "systemctl", "disable", "plain")
        self.boot().stop()

    def test_without_our_units(self):
        """Or the others would pass without a reason."""
        self.machine.run("systemctl", "disable", *UNITS)
        stranger = self.boot()
        self.assert_open(self.stranger)
        stranger.stop()
        self.assertGreater(stranger.connections, 0)
