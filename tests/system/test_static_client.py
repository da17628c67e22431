"""The client in one file, as tests/static-client has built it: alone in a file system it knocks by both
families, by address and by name."""

import os
import unittest
from pathlib import Path

import test_client
from netns import run
from tool import FAILED, USAGE
from world import FAMILIES

STATIC = os.environ.get("POSTERN_STATIC")


@unittest.skipUnless(STATIC, "tests/static-client builds it first")
class StaticClientTest(test_client.ClientTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = cls.folder / "root"
        (cls.root / "etc").mkdir(parents=True)
        (cls.root / "postern").write_bytes(Path(STATIC).read_bytes())
        (cls.root / "postern").chmod(0o755)
        names = [f"{cls.server.addresses[1][family]} gate{family} gate\n" for family in FAMILIES]
        (cls.root / "etc/hosts").write_text("".join(names))

    def tool(self, host, *arguments, check=True, **profile):
        path = self.root / "client.yaml"
        path.touch(0o600)
        path.write_bytes(self.client_file(host, **profile).read_bytes())
        return self.alone("--client-config", "/client.yaml", *arguments, check=check)

    def alone(self, *arguments, check=True):
        return self.client.run("chroot", self.root, "/postern", *arguments, check=check)

    def status(self, *arguments):
        """Exit status, and what is said."""
        said = self.client.run("sh", "-c", 'chroot "$@"; echo "status=$?"', "-", self.root, "/postern",
                               *arguments)
        return int(said.rpartition("status=")[2]), said

    def test_needs_nothing(self):
        headers = run("readelf", "--program-headers", "--dynamic", "--wide", STATIC)
        self.assertIn("LOAD", headers)
        self.assertNotIn("INTERP", headers)
        self.assertNotIn("NEEDED", headers)

    def test_version(self):
        self.assertRegex(self.alone("--version"), r"^postern \d+\.\d+\.\d+\n$")

    def test_commands_of_a_server(self):
        self.assertNotIn("init", self.alone("--help"))
        for words in (("init",), ("status", "--server")):
            status, said = self.status(*words)
            self.assertEqual(status, USAGE)
            self.assertIn("built for clients alone", said)

    def test_knock_by_name(self):
        self.start()
        for family in FAMILIES:
            with self.subTest(family=family):
                self.tool(f"gate{family}", "knock", "--check")
                self.assert_opens(family)
                self.assert_shuts(family)
        self.tool("gate", "knock")
        for family in FAMILIES:
            self.assert_opens(family)

    def test_post_knock(self):
        """There is no shell here."""
        self.start()
        self.tool(self.address(4), "knock", check=False, post_knock="true")
        status, said = self.status("--client-config", "/client.yaml", "knock")
        self.assertEqual(status, FAILED)
        self.assertIn("cannot run /bin/sh", said)
