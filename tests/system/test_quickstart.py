"""The guide of ten minutes, block by block, but for those that are for a machine: installations, ssh
and units of systemd. tests/boot/test_quickstart_booted.py runs all of them, in such a machine."""

from guide_world import ServedGuideTest
from netns import PATIENCE
from test_guide import DOC


class QuickstartTest(ServedGuideTest):
    guide = DOC / "quickstart.md"

    def confirmed(self):
        self.assertEqual(self.trial.wait(PATIENCE), 0)

    def test_quickstart(self):
        self.assertTrue(self.reaches(port=22))
        self.follow({
            "postern activate --dry-run": lambda: self.assertTrue(self.reaches(port=22)),
            "postern activate --confirm-within 10m": self.assert_closed,
            "install -D -m 600 laptop.yaml ~/.config/postern/config.yaml": self.assert_opened,
            "postern confirm": self.confirmed,
            "postern reload --confirm-within 2s": lambda: self.assertTrue(self.reaches(port=8080)),
            "systemctl disable --now posternd postern-guard":
                lambda: self.assertTrue(self.reaches(port=22, space=self.other)),
            "systemctl enable --now postern-guard posternd": self.assert_closed,
        })

    def test_every_block_is_run(self):
        self.assert_every_block_is_run()
        places = {place for place in self.places()}
        self.assertLessEqual(places, {"server", "server-waits", "server-refuses", "client", "shown",
                                      "machine", "machine-shown", "machine-client",
                                      "machine-config"})
