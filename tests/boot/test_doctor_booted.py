"""postern doctor and postern status in a running machine, with the service manager."""

import json
import subprocess

from booted_world import UNITS, BootedTest
from netns import eventually

DROP_IN = "/etc/systemd/system/posternd.service.d/later.conf"


class DoctorBootedTest(BootedTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.run("systemctl", "enable", "--now", *UNITS)

    def setUp(self):
        self.configure(self.good)
        self.machine.run("systemctl", "reset-failed", *UNITS, check=False)
        self.machine.run("systemctl", "stop", *UNITS)
        self.machine.run("systemctl", "start", *UNITS)
        self.assert_ready()

    def doctor(self):
        """What it finds, but for the clock, which is the host's."""
        done = subprocess.run(self.machine.command("postern", "doctor", "--json"), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        found = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if found["healthy"] else 3, done.stderr)
        return [line for line in found["checks"] if line["check"] != "clock"]

    def ills(self):
        return [line for line in self.doctor() if line["state"] in ("warning", "problem")]

    def ill(self, check, text):
        found = eventually(lambda: [line for line in self.ills() if line["check"] == check and
                                    text in line["text"]])
        self.assertEqual(len(found), 1, self.doctor())
        return found[0]

    def test_nothing_is_wrong(self):
        self.assertEqual(self.ills(), [])
        ok = [line["text"] for line in self.doctor() if line["state"] == "ok"]
        for unit in UNITS:
            self.assertIn(f"{unit}.service is enabled", ok)
        self.assertIn("postern-guard stands by", ok)
        self.assertIn("the user postern is there", ok)

    def test_status(self):
        said = self.machine.run("postern", "status")
        self.assertRegex(said, r"^Postern \S+: healthy\n")
        told = json.loads(self.machine.run("postern", "status", "--json"))
        self.assertEqual((told["guard"], told["firewall"], str(told["pid"])),
                         ("there", "in-force", self.machine.show("posternd", "MainPID")))
        self.machine.run("systemctl", "stop", "posternd")
        self.assertIn("NOT HEALTHY", self.machine.run("postern", "status", "--server", check=False))

    def test_not_enabled(self):
        for unit in UNITS:
            self.machine.run("systemctl", "disable", unit)
            self.machine.shell(self.ill("units", f"{unit}.service is not enabled")["remedy"])
            self.assertEqual(self.ills(), [])

    def test_not_running(self):
        self.machine.run("systemctl", "stop", "posternd")
        self.machine.shell(self.ill("daemon", "posternd is not running")["remedy"])
        self.assert_ready()
        self.assertEqual(self.ills(), [])

    def test_started_again_by_itself(self):
        self.machine.signal("main", "KILL")
        self.assertTrue(eventually(lambda: self.machine.restarts() > 0 and self.is_ready()))
        self.assertIn("journalctl", self.ill("units", "was started again 1 times")["remedy"])

    def test_failed(self):
        """The guard, which has nothing to go by."""
        self.machine.run("systemctl", "stop", *UNITS)
        self.machine.run("rm", "-f", "/var/lib/postern/accepted")
        self.configure("server: [\n")
        self.machine.run("systemctl", "start", "postern-guard", check=False)
        self.ill("units", "postern-guard.service has failed")

    def test_another_than_the_units(self):
        self.machine.run("systemctl", "stop", "posternd")
        self.machine.run("systemd-run", "--unit=by-hand", "posternd")
        try:
            self.ill("units", "is not the one of posternd.service")
        finally:
            self.machine.run("systemctl", "stop", "by-hand")

    def test_a_unit_that_has_changed(self):
        self.machine.write(DROP_IN, "[Service]\nNice=0\n")
        self.addCleanup(self.machine.run, "systemctl", "daemon-reload")
        self.addCleanup(self.machine.run, "rm", DROP_IN)
        self.machine.shell(self.ill("units", "posternd.service has changed")["remedy"])
        self.assertEqual(self.ills(), [])
