"""The tool as a client of an OpenSPA server in the test's own process."""

import json
import subprocess
import unittest
from pathlib import Path

from cryptography.hazmat.primitives import serialization

import spa_server
from daemon import program
from tool import ToolTest

VECTORS = Path(__file__).parents[1] / "vectors"
DEVICE = "8e29c98d-cb57-40a6-8e79-4e1a21bc54dd"
SOON = ("--timeout", "1500ms", "-r", "1")  # where no good answer is to come


def has_openspa():
    return " request " in subprocess.run([program("postern"), "--help"], text=True,
                                         stdout=subprocess.PIPE).stdout


def need_openspa():
    if not has_openspa():
        raise unittest.SkipTest("built without OpenSPA")


def captured_keys():
    vector = json.loads((VECTORS / "openspa-v1.json").read_text())["vectors"][0]
    return [serialization.load_pem_private_key(vector[f"{who}_private_key_pem"].encode(), None)
            for who in ("server", "client")]


class SpaTest(ToolTest):
    """With an OSPA file that the original wrote, and the keys of its server."""

    @classmethod
    def setUpClass(cls):
        cls.server_key, cls.client_key = captured_keys()
        cls.stranger = spa_server.new_key()

    def setUp(self):
        super().setUp()
        self.ospa = self.room / "client.ospa"
        self.write(self.ospa, (VECTORS / "client.ospa").read_text())

    @staticmethod
    def write(path, text, mode=0o600):
        path.write_text(text)
        path.chmod(mode)
        return path

    def serve(self, answer=None, **more):
        server = spa_server.Server(self.server_key, self.client_key, answer, **more)
        self.addCleanup(server.close)
        return server

    def words(self, server, *more):
        return ["request", self.ospa, "-s", server.address, "--server-port", server.port, *more]

    def ask(self, server, *more, code=0, **how):
        return self.tool(*self.words(server, *more), code=code, **how)

    def asked_json(self, server, *more, code=0):
        return json.loads(self.ask(server, "--json", *more, code=code))
