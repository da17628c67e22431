"""A server as an original one is configured, with our worked examples."""

import shutil
import tempfile
import time
from pathlib import Path

import openspa
from daemon import Daemon
from netns import eventually
from service import udp_echoes
from spa_world import SpaWorldTest

EXAMPLES = Path(__file__).parents[2] / "pkg/examples/scripts"
SHELL = """\
privateKey: ./server.key
extensionScripts:
  userDirectoryService: ./es/user-directory.sh
  authorization: ./es/authorization.sh
  ruleAdd: ./es/rule-add.sh
  ruleRemove: ./es/rule-remove.sh
  serverStart: ./es/server-start.sh
  serverStop: ./es/server-stop.sh
"""
PYTHON = SHELL.replace("y.sh", "y.py").replace("n.sh", "n.py").replace(
    "add.sh", "add.py").replace("remove.sh", "remove.py")
HELPER = """\
privateKey: ./server.key
helpers:
  userDirectoryService: ./es/helper.py
  authorization: ./es/helper.py
  firewall: ./es/helper.py
extensionScripts:
  serverStart: ./es/server-start.sh
  serverStop: ./es/server-stop.sh
"""
FIVE_SECONDS = dict.fromkeys(("authorization_sh", "authorization_py"), "#!/bin/sh\necho 5\n")
ALL = {"sh": SHELL, "python": PYTHON, "helper": HELPER}


class ExamplesTest(SpaWorldTest):
    tcp_ports = (22, 2022, 2030)
    udp_ports = (2022,)

    def begin(self, configuration, **changed):
        """Starts it; `changed` are texts of scripts that are not as they are in the examples."""
        if self.daemon:
            self.daemon.close()
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.daemon = Daemon(self.server, folder, configuration)
        scripts = folder / "es"
        shutil.copytree(EXAMPLES, scripts)
        for name, text in changed.items():
            (scripts / name.replace("_", ".")).write_text(text)
        (scripts / "keys").mkdir()
        for path in [scripts, *scripts.iterdir()]:
            path.chmod(0o755)
        (scripts / f"keys/{self.phone.uuid}.pub").write_text(self.phone.key.public_pem())
        (folder / "server.key").write_text(self.spa_key.private_pem())
        (folder / "server.key").chmod(0o600)
        return self.daemon.start()

    def gate(self):
        return self.server.run("nft", "list", "table", "inet", "openspa", check=False)

    def grants(self, seconds, family=4, **what):
        granted = self.granted_for(self.request(family=family, **what), family=family)
        self.assertEqual(granted[-1], seconds)

    def test_from_start_to_stop(self):
        for name, configuration in ALL.items():
            with self.subTest(examples=name):
                self.assertTrue(self.pings(4))
                self.begin(configuration)
                self.assertIn("chain gate", self.gate())
                self.assertFalse(self.pings(4))
                self.grants(60, protocol=openspa.ICMP, first=0)
                self.assertTrue(self.pings(4))
                self.assert_silent(self.request(first=23), "not_authorized")
                self.assert_silent(self.request(self.laptop, protocol=openspa.ICMP, first=0))
                self.assertEqual(self.daemon.stop(), 0)
                self.assertNotIn("chain gate", self.gate())

    def test_both_families(self):
        for name, configuration in ALL.items():
            self.begin(configuration)
            for family, ping in ((4, openspa.ICMP), (6, openspa.ICMPV6)):
                with self.subTest(examples=name, family=family):
                    self.assertFalse(self.pings(family))
                    self.assertFalse(self.reaches(family, 22))
                    self.grants(60, family, protocol=ping, first=0)
                    self.assertTrue(self.pings(family))
                    self.assertFalse(self.reaches(family, 22))
                    self.grants(180, family, first=22)
                    self.assertTrue(self.reaches(family, 22))

    def test_udp_and_ranges(self):
        for name, configuration in (("sh", SHELL), ("python", PYTHON)):
            self.begin(configuration, **FIVE_SECONDS)
            for family in (4, 6):
                with self.subTest(examples=name, family=family):
                    address = self.address(family)
                    self.grants(5, family, protocol=openspa.UDP, first=2022)
                    self.assertTrue(udp_echoes(self.client, address, 2022, 3))
                    self.assertFalse(self.reaches(family, 2022))
                    self.grants(5, family, first=2020, last=2029)
                    self.assertTrue(self.reaches(family, 2022))
                    self.assertFalse(self.reaches(family, 2030))
                    self.assert_shuts(family, 2022)
                    self.assertTrue(eventually(
                        lambda: not udp_echoes(self.client, address, 2022)))

    def test_extended_without_a_gap(self):
        """The server does not run rule-add again: the rule must not end by itself."""
        for name, configuration in (("sh", SHELL), ("python", PYTHON)):
            with self.subTest(examples=name):
                self.begin(configuration, **FIVE_SECONDS)
                for _ in range(4):
                    self.grants(5, first=22)
                    time.sleep(2)
                    self.assertTrue(self.reaches(port=22))
                self.assert_shuts(port=22)

    def test_two_devices_at_one_address(self):
        """What one of them has open does not end with what the other has."""
        for name, configuration in (("sh", SHELL), ("python", PYTHON)):
            with self.subTest(examples=name):
                self.begin(configuration, **FIVE_SECONDS)
                key = self.daemon.folder / f"es/keys/{self.laptop.uuid}.pub"
                key.write_text(self.laptop.key.public_pem())
                self.grants(5, first=22)
                time.sleep(3)
                self.granted_for(self.request(self.laptop, first=22), self.laptop)
                self.assertTrue(eventually(lambda: len(
                    self.daemon.events(message="grant ended")) == 1))
                self.assertTrue(self.reaches(port=22))
                self.assert_shuts(port=22)

    def test_what_a_killed_server_has_opened(self):
        self.begin(SHELL)
        self.grants(60, protocol=openspa.ICMP, first=0)
        self.daemon.kill()
        self.assertTrue(self.pings(4))
        self.daemon.start()
        self.assertTrue(eventually(lambda: not self.pings(4)))
        self.assertIn("chain gate", self.gate())
