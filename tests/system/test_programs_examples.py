"""A server as an original one is configured, with our worked examples for all six scripts."""

import shutil
import tempfile
from pathlib import Path

import openspa
from daemon import Daemon
from netns import eventually
from spa_world import SpaWorldTest

EXAMPLES = Path(__file__).parents[2] / "pkg/examples/scripts"
CONFIGURATION = """\
privateKey: ./server.key
extensionScripts:
  userDirectoryService: ./es/user-directory.sh
  authorization: ./es/authorization.sh
  ruleAdd: ./es/rule-add.sh
  ruleRemove: ./es/rule-remove.sh
  serverStart: ./es/server-start.sh
  serverStop: ./es/server-stop.sh
"""


class ExamplesTest(SpaWorldTest):
    def setUp(self):
        super().setUp()
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.daemon = Daemon(self.server, folder, CONFIGURATION)
        scripts = folder / "es"
        shutil.copytree(EXAMPLES, scripts)
        (scripts / "keys").mkdir()
        for path in [scripts, *scripts.iterdir()]:
            path.chmod(0o755)
        (scripts / f"keys/{self.phone.uuid}.pub").write_text(self.phone.key.public_pem())
        (folder / "server.key").write_text(self.spa_key.private_pem())
        (folder / "server.key").chmod(0o600)

    def gate(self):
        return self.server.run("nft", "list", "table", "inet", "openspa", check=False)

    def test_from_start_to_stop(self):
        self.assertTrue(self.pings(4))
        self.daemon.start()
        self.assertIn("chain gate", self.gate())
        self.assertFalse(self.pings(4))
        _, *what = self.granted_for(self.request(protocol=openspa.ICMP, first=0))
        self.assertEqual(what, [openspa.ICMP, 0, 0, 60])
        self.assertTrue(self.pings(4))
        self.assert_silent(self.request(first=23), "not_authorized")
        self.assert_silent(self.request(self.laptop, protocol=openspa.ICMP, first=0))
        self.assertEqual(self.daemon.stop(), 0)
        self.assertNotIn("chain gate", self.gate())

    def test_what_a_killed_server_has_opened(self):
        self.daemon.start()
        self.granted_for(self.request(protocol=openspa.ICMP, first=0))
        self.daemon.kill()
        self.assertTrue(self.pings(4))
        self.daemon.start()
        self.assertTrue(eventually(lambda: not self.pings(4)))
        self.assertIn("chain gate", self.gate())
