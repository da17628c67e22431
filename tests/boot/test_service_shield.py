"""The service with what floods ask for: captured knocks and the shield in the kernel, as doc/flood.md
says."""

import json
import re
from pathlib import Path

from booted_world import BootedTest
from netns import eventually, run

DROP_IN = "/etc/systemd/system/posternd.service.d/kernel-shield.conf"
NOTE = "/run/postern/control.shield"
DOC = Path(__file__).parents[2] / "doc"
REFUSED = "bpf() is not permitted here"


class ShieldTest(BootedTest):
    """On a machine whose kernel lets root load programs."""

    @classmethod
    def prepare_system(cls):
        super().prepare_system()
        cls.machine.capabilities += ",CAP_BPF,CAP_PERFMON"
        cls.machine.calls += " bpf"

    def serve(self, settings="", drop_in=False):
        """As the tool says where junk is dropped."""
        good = self.good.replace('  interface: ""\n', "")
        self.configure(good.replace("server:\n", f"server:\n{settings}", 1))
        self.machine.run("rm", "-f", DROP_IN)
        if drop_in:
            guide = (DOC / "flood.md").read_text()
            self.machine.shell(re.search(r"^```sh systemd\n(.*?)^```$", guide, re.M | re.S)[1]
                               .replace("/usr/local/", "/usr/"))
        self.machine.run("systemctl", "stop", "posternd", "postern-guard")
        self.machine.run("systemctl", "daemon-reload")
        self.since = self.machine.cursor()
        self.machine.run("systemctl", "start", "postern-guard", "posternd")
        self.assert_ready()
        return json.loads(self.machine.run("postern", "--json", "sessions"))["shield_at"]

    def assert_serves(self):
        self.assert_shut()
        self.knock()
        self.assert_open()

    def test_nothing_is_loaded_without_the_drop_in(self):
        for settings in ("", "  shield_at: xdp\n"):
            with self.subTest(settings=settings):
                self.assertEqual(self.serve(settings), "user")
                self.assertTrue(self.machine.said(REFUSED, self.since))
                self.assert_serves()

    def test_the_drop_in(self):
        self.assertEqual(self.serve("  shield: require\n", drop_in=True), "socket")
        self.assert_serves()

    def test_the_drop_in_and_a_device(self):
        self.serve("  shield_at: xdp\n  shield: require\n  interface: wire\n", drop_in=True)
        self.assertTrue(eventually(lambda: "xdp" in self.device()), self.device())
        self.assert_serves()
        self.machine.run("systemctl", "stop", "posternd")
        self.assertIn("xdp", self.device())  # it goes on dropping junk
        self.machine.run("systemctl", "stop", "postern-guard")
        self.assertNotIn("xdp", self.device())
        # A guard that does not know which it is leaves it.
        self.machine.run("systemctl", "start", "postern-guard", "posternd")
        self.assertTrue(eventually(lambda: "xdp" in self.device()), self.device())
        self.machine.run("rm", NOTE)
        self.machine.run("systemctl", "stop", "posternd", "postern-guard")
        with self.assertRaisesRegex(RuntimeError, r"stands at wire\S*: first run\s+postern release"):
            self.machine.shell("cd /src && make uninstall PREFIX=/usr")
        self.machine.run("postern", "release", "--yes")
        self.assertNotIn("xdp", self.device())

    def device(self):
        return run("ip", "-n", self.machine.space.name, "link", "show", "wire")

    def test_captured_knocks(self):
        for drop_in in (False, True):
            with self.subTest(drop_in=drop_in):
                self.serve("  intake: capture\n  open_knock_port: false\n", drop_in)
                self.assertNotIn(":54154", self.machine.run("ss", "-Hlun"))
                self.assert_serves()
                self.machine.restart("posternd")
                self.knock()
                self.assert_open()
