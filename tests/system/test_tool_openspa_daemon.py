"""An OpenSPA server and its client, both set up with the tool alone, on two hosts."""

import json

from daemon import program
from netns import PATIENCE, eventually
from spa_tool import need_openspa
from tool import NO_ANSWER
from world import SERVICE_PORT, WorldTest


def setUpModule():
    need_openspa()


class Together(WorldTest):
    def setUp(self):
        super().setUp()
        configuration = self.configuration(guard="all")
        configuration["openspa"] = {"private_key": "server.key", "duration": "4s"}
        self.start(configuration, prepare=self.make_files)

    def make_files(self, folder):
        folder.chmod(0o700)
        (folder / "devices.d").mkdir(mode=0o700)
        self.ospa = folder / "client.ospa"
        self.server.run(program("postern"), "openspa", "gen-server-key", folder)
        self.made = json.loads(self.server.run(
            program("postern"), "openspa", "gen-client", folder / "server.pub", "--json",
            "--server-ip", self.address(4), "--out", self.ospa, "--devices", folder / "devices.d"))

    def ask(self, *words, timeout=f"{PATIENCE}s", check=True):
        return self.client.run(program("postern"), "request", self.ospa, "--timeout", timeout,
                               *words, check=check)

    def pings(self, family):
        return " 0% packet loss" in self.client.run(
            "ping", f"-{family}", "-c", "1", "-W", "1", self.address(family), check=False)

    def test_a_port_opens_and_shuts(self):
        self.assertFalse(self.reaches())
        told = json.loads(self.ask("-p", SERVICE_PORT, "--json"))
        self.assertEqual((told["granted"], told["duration_s"], told["requests"], told["client"]),
                         (True, 4, 1, self.address(4, self.client)))
        self.assertTrue(self.reaches())
        self.assert_shuts()

    def test_ipv6_and_ping(self):
        self.ask("-s", self.address(6), "-p", SERVICE_PORT)
        self.assertTrue(self.reaches(6))
        for family, name in ((4, "icmp"), (6, "icmpv6")):
            self.assertFalse(self.pings(family))
            self.ask("-s", self.address(family), "--protocol", name)
            self.assertTrue(self.pings(family))

    def test_auto_mode_keeps_it_open(self):
        with self.client.popen(program("postern"), "--quiet", "request", self.ospa, "-a", "-p",
                               SERVICE_PORT) as tool:
            try:
                self.assertTrue(eventually(self.reaches))
                self.assertTrue(eventually(lambda: len(self.verdicts("granted")) >= 3), "it asks at half time")
                self.assertTrue(self.reaches())
            finally:
                tool.terminate()
        self.assertEqual(tool.returncode, 0)
        self.assert_shuts()

    def test_a_client_that_is_gone_gets_no_answer(self):
        (self.ospa.parent / "devices.d" / f"{self.made['device']}.pub").unlink()
        self.postern("reload")
        done = self.ask("-p", SERVICE_PORT, "-r", 1, timeout="2s", check=False)
        self.assertIn("no answer", done)
        with self.assertRaisesRegex(RuntimeError, f"exit {NO_ANSWER}\n"):
            self.ask("-p", SERVICE_PORT, "-r", 1, timeout="2s")
        self.assertFalse(self.reaches())
