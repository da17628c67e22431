"""Moving from a packaged openme by drop-ins of the guide, and what reads its sessions file."""

import json
import re
from pathlib import Path

from booted_world import CONFIG, UNITS, BootedTest
from machine import CHECKOUT, PATIENCE
from netns import eventually

ORIGINAL = "/etc/openme/config.yaml"
SESSIONS = "/run/openme/sessions.json"
GUIDE = Path(CHECKOUT, "doc", "openme-moving.md")


class MovingTest(BootedTest):
    @classmethod
    def set_up_postern(cls):
        """The file stands where openme's package has it, with its rights."""
        super().set_up_postern()
        cls.machine.shell(
            "groupadd --system openme; useradd --system --gid openme openme; mkdir -m 750 /etc/openme; "
            f"cat {CONFIG} >{ORIGINAL}; "
            f"mv /etc/postern/clients.d /etc/openme; rm {CONFIG}; "
            f"chown root:openme /etc/openme {ORIGINAL}; chmod 640 {ORIGINAL}")

    def drop_in(self, unit, more=""):
        path = f"/etc/systemd/system/{unit}.service.d/openme.conf"
        text = re.search(rf"^```ini {re.escape(path)}\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)[1]
        self.machine.write(path, text.replace("/usr/local/", "/usr/") + more)

    def start(self):
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "stop", *UNITS)  # with all grants
        self.machine.run("systemctl", "start", *UNITS)
        self.assert_ready()

    def users(self):
        """Of the sessions in the file; None when there is no whole one."""
        try:
            text = self.machine.run("cat", SESSIONS, check=False)
            return {s["client_name"] for s in json.loads(text)["active_sessions"]}
        except ValueError:
            return None

    def assert_users(self, *names):
        self.assertTrue(eventually(lambda: self.users() == set(names), PATIENCE), self.users())

    def test_by_the_drop_ins(self):
        for unit in UNITS:
            self.drop_in(unit)
        self.start()
        self.assertTrue(eventually(lambda: "its group, openme, can read the private key" in
                                   self.machine.journal("--unit=posternd"), PATIENCE))
        self.assert_shut()
        self.knock()
        self.assert_open()
        self.assert_shut(self.stranger)
        self.machine.run("systemctl", "reload", "posternd")
        self.assert_open()
        self.machine.run("systemctl", "stop", "posternd")
        for unit, state in zip(UNITS, ("active", "inactive")):
            self.assertEqual(self.machine.state(unit), state)
        self.assert_shut(self.stranger)
        self.assertEqual(self.machine.shell(f"stat -c '%U:%G %a' {ORIGINAL}").strip(), "root:openme 640")

    def test_the_sessions_file(self):
        self.drop_in("postern-guard")
        self.drop_in("posternd", "RuntimeDirectory=openme\n")
        drop_in = "/etc/systemd/system/posternd.service.d/openme.conf"
        self.machine.write(drop_in, self.machine.read(drop_in).replace(
            ORIGINAL, f"{ORIGINAL} --sessions-file {SESSIONS}"))
        self.start()
        self.assert_users()
        self.knock()
        self.assert_open()
        self.assert_users("alice")
        self.machine.run("systemctl", "restart", "posternd")
        self.assert_ready()
        self.assert_users("alice")
        self.machine.run("systemctl", "stop", "posternd")
        self.assert_users()  # the folder stays with the service's own, and nobody is let in any more
