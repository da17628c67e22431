"""The first activation of a host, by an operator who has nothing but ssh."""

import subprocess

from booted_world import FAMILIES, UNITS, BootedTest
from machine import PATIENCE
from netns import eventually

KEY = "/root/.ssh/id_ed25519"
SSH = ("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "ConnectTimeout=10")
SOON, LATE = "20s", "30m"


class LockoutTest(BootedTest):
    @classmethod
    def set_up_postern(cls):
        super().set_up_postern()
        cls.machine.shell(f"mkdir -p -m 700 /root/.ssh; rm -f {KEY}; ssh-keygen -q -t ed25519 -N '' -f {KEY}; "
                          f"cat {KEY}.pub >>/root/.ssh/authorized_keys; "
                          f"chmod 600 /root/.ssh/authorized_keys")

    def setUp(self):
        self.assert_open()
        self.before = self.rules()
        self.assertEqual([self.machine.state(unit) for unit in UNITS], ["inactive", "inactive"])

    def tearDown(self):
        super().tearDown()
        self.machine.run("postern", "rollback", check=False)
        self.machine.run("systemctl", "disable", "--now", *UNITS, check=False)
        self.machine.run("postern", "release", "--yes", check=False)

    def rules(self):
        return self.machine.run("nft", "list", "ruleset")

    def ssh(self, command, family=4):
        """From the client, at a terminal of its own there."""
        host = "10.77.1.1" if family == 4 else "fd77:1::1"
        return self.client.popen(
            "chroot", self.machine.root, "ssh", "-tt", *SSH, "-i", KEY, f"root@{host}", command,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def said(self, process):
        out, _ = process.communicate(timeout=2 * PATIENCE)
        return out

    def activate(self, family, *words):
        """Until it waits to be confirmed."""
        process = self.ssh(" ".join(("postern", "activate", *words)), family)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        said = ""
        while "postern confirm" not in said:
            line = process.stdout.readline()
            self.assertTrue(line, said)
            said += line
        self.assertIn("this login among them", said)
        return process

    def assert_taken_back(self):
        self.assertTrue(eventually(lambda: self.rules() == self.before, PATIENCE), self.rules())
        self.assert_open()
        self.assert_open(self.stranger)
        for unit in UNITS:
            self.assertTrue(eventually(lambda u=unit: self.machine.state(u) == "inactive", PATIENCE))
            self.assertEqual(self.machine.run("systemctl", "is-enabled", unit, check=False).strip(),
                             "disabled")
        self.assertIn("taken back", self.machine.run("postern", "confirm", check=False))

    def test_the_connection_is_lost(self):
        for family in FAMILIES:
            with self.subTest(family=family):
                process = self.activate(family, "--confirm-within", SOON)
                self.assert_shut()
                process.kill()
                self.assert_taken_back()

    def test_it_is_confirmed(self):
        process = self.activate(4, "--confirm-within", LATE)
        self.assert_shut()
        self.knock()
        self.assert_open()
        self.assertIn("was confirmed", self.said(self.ssh("postern confirm", 6)))
        self.assertIn("was confirmed", self.said(process))
        for unit in UNITS:
            self.assertEqual(self.machine.run("systemctl", "is-enabled", unit).strip(), "enabled")
        self.assert_shut(self.stranger)

    def test_the_same_login_confirms_nothing(self):
        said = self.said(self.ssh(
            f"postern activate --no-wait --confirm-within {LATE}; env -i postern confirm; echo exit $?"))
        self.assertIn("log in anew", said)
        self.assertIn("exit 1", said)
        self.machine.run("postern", "rollback")
        self.assert_taken_back()

    def test_what_takes_it_back_is_killed(self):
        self.activate(4, "--confirm-within", SOON).kill()
        self.machine.run("systemctl", "kill", "--signal=KILL", "postern-rollback-*.service")
        self.assert_taken_back()

    def test_the_machine_is_started_anew(self):
        self.activate(4, "--confirm-within", LATE)
        self.machine.power_off()
        self.plug_in()
        self.machine.power_on()
        self.machine.wait_until_up()
        self.assert_open()
        self.assert_open(self.stranger)
        self.assertIn("before the machine was started anew",
                      self.machine.run("postern", "confirm", check=False))
        self.assertEqual(self.rules(), self.before)
