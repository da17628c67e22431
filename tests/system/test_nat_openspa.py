"""OpenSPA's client where the server sees another address than the client knows."""

import json
import subprocess

import nat
from daemon import program
from netns import eventually
from spa_tool import need_openspa
from test_echoip import PROGRAM as ECHO_IP
from test_echoip import Service
from world import SERVICE_PORT, WorldTest

ECHO_PORT = 8080
URL = f"http://{nat.SERVER}:{ECHO_PORT}"


def setUpModule():
    need_openspa()


class NatTest(nat.Translated, WorldTest):
    def serve(self, **settings):
        if self.daemon:
            self.daemon.close()
            self.server.flush_rules()
        configuration = self.configuration()
        configuration["openspa"] = {"private_key": "server.key", "duration": "600s", **settings}
        self.start(configuration, prepare=self.make_files)

    def make_files(self, folder):
        folder.chmod(0o700)
        (folder / "devices.d").mkdir(mode=0o700)
        self.ospa = folder / "client.ospa"
        tool = program("postern")
        self.server.run(tool, "openspa", "gen-server-key", folder)
        self.server.run(tool, "openspa", "gen-client", folder / "server.pub", "--server-ip",
                        nat.SERVER, "--echo-ip", URL, "--out", self.ospa,
                        "--devices", folder / "devices.d")

    def serve_echo_ip(self):
        """An Echo-IP service beside the server."""
        if not ECHO_IP.is_file():
            self.skipTest("built without postern-echoip")
        self.enterContext(Service(command=["ip", "netns", "exec", self.server.name, str(ECHO_IP),
                                           "--port", str(ECHO_PORT)]))

    def ask(self, *words):
        """What the tool says, on both."""
        done = self.inside.popen(
            program("postern"), "--json", "request", self.ospa, "-p", SERVICE_PORT, "--timeout",
            "3s", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, complaint = done.communicate()
        return (json.loads(out) if out else None), complaint

    def assert_gets_in(self, host, named, *words):
        self.assertFalse(self.inside.connects(host, SERVICE_PORT), "it was open before")
        told, complaint = self.ask(*words)
        self.assertTrue(told and told["granted"], complaint)
        self.assertEqual(told["client"], named)
        self.assertTrue(eventually(lambda: self.inside.connects(host, SERVICE_PORT)), "still shut")
        self.assertEqual(self.granted(), {nat.OUTSIDE})

    def test_echo_ip_decides(self):
        """Also where our own address looks global."""
        self.serve_echo_ip()
        for own in (nat.SQUATTED, nat.CLAT):
            self.inside_has(*own)
            for targets in ("any", "source"):
                self.serve(targets=targets)
                self.assert_gets_in(nat.SERVER, nat.OUTSIDE)

    def test_no_echo_ip(self):
        """Our own address, with a warning; for that, nothing opens to us."""
        self.inside_has(*nat.SQUATTED)
        self.serve()
        told, complaint = self.ask()
        self.assertEqual(told["client"], nat.SQUATTED[0])
        self.assertRegex(complaint, "cannot learn the address of this host .*--client-ip")
        self.assertFalse(self.inside.connects(nat.SERVER, SERVICE_PORT))

    def test_source(self):
        """The server takes the one that it sees."""
        for own in (nat.SQUATTED, nat.CLAT):
            self.inside_has(*own)
            for targets in ("any", "source"):
                self.serve(targets=targets)
                self.assert_gets_in(nat.SERVER, "source", "-c", "source")

    def test_nat64(self):
        """By the file's IPv4 address we know what the other is; that one is the server's."""
        self.inside_has_ipv6_alone()
        for words in ([], ["-c", "source"], ["-c", nat.OUTSIDE]):
            self.serve(server_ip=nat.SERVER)
            self.assert_gets_in(nat.NAT64_SERVER, words[1] if words else "source",
                                "-s", nat.NAT64_SERVER, *words)

    def test_an_ipv6_address_that_is_no_other_way_to_the_file_s(self):
        self.inside_has_ipv6_alone()
        self.serve()
        told, complaint = self.ask("-s", "2001:db8:9::1", "-c", nat.OUTSIDE)
        self.assertIsNone(told)
        self.assertIn("not of the same family", complaint)
