"""doc/openspa.md: the commands of its fenced blocks, in their order, each on the machine that the
word behind `sh` names. Only paths, the address and the time granted are put in for a test."""

import re
from pathlib import Path

from daemon import BUILD
from netns import eventually
from world import WorldTest

GUIDE = Path(__file__).parents[2] / "doc/openspa.md"
FILE = "/etc/postern/openspa.yaml"


class GuideTest(WorldTest):
    def blocks(self):
        """(language, place, text) of every block."""
        return re.findall(r"^```(\w+) (\S+)\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)

    def text_for(self, folder, text):
        for ours, tests in ((FILE, f"{folder}/config.yaml"), ("/etc/postern", str(folder)),
                            ("192.0.2.1", self.address(4)), ("30s", "3s")):
            text = text.replace(ours, tests)
        return text

    def shell(self, space, folder, text, check=True):
        """Every line has to succeed; or, not to be checked, only the output counts."""
        script = f"export PATH={BUILD}:$PATH\ncd {folder}\n{self.text_for(folder, text)}"
        return space.run("sh", "-ec", script, check=check)

    def pings(self, command):
        return " 0% packet loss" in self.shell(self.client, self.daemon.folder, command, False)

    def test_openspa_guide(self):
        blocks = self.blocks()
        self.assertEqual([place for _, place, _ in blocks],
                         ["server", "server", FILE, "server", "daemon", "client-silent", "client"])
        *_, (_, _, daemon), (_, _, silent), (_, _, asking) = blocks

        def prepare(folder):
            for _, place, text in blocks:
                if place == FILE:
                    self.daemon.configure(self.text_for(folder, text))
                elif place == "server":
                    self.shell(self.server, folder, text)
            self.assertEqual(self.text_for(folder, daemon).split(),
                             ["posternd", *map(str, self.daemon.command()[1:3])])

        self.start("", prepare=prepare)
        self.assertFalse(self.pings(silent))
        self.shell(self.client, self.daemon.folder, asking)
        self.assertTrue(eventually(lambda: not self.pings(silent)), "the ping did not end")

    def test_every_block_is_run(self):
        self.assertEqual(len(self.blocks()), len(re.findall(r"^```", GUIDE.read_text(), re.M)) / 2)
