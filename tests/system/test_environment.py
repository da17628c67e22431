"""An environment that names code for libraries to load: none of our programs loads it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from daemon import program
from spa_tool import need_openspa
from spa_world import SpaWorldTest
from test_echoip import Service

CONFIGURATION = """openssl_conf = all
[all]
providers = providers
engines = engines
[providers]
theirs = provider
default = default
[provider]
module = {0}
activate = 1
[default]
activate = 1
[engines]
theirs = engine
[engine]
dynamic_path = {0}
"""


# What an administrator's own configuration may say: then the environment says where from.
BY_PLACE = {
    "OPENSSL_MODULES": """openssl_conf = all
[all]
providers = providers
[providers]
theirs = theirs
default = base
[theirs]
activate = 1
[base]
activate = 1
""",
    "OPENSSL_ENGINES": """openssl_conf = all
[all]
engines = engines
[engines]
theirs = engine
[engine]
engine_id = theirs
init = 1
""",
    "OPENSSL_CONF_INCLUDE": ".include theirs.cnf\n"}
ASK = [program("postern"), "get-ip", "-4", "--verbose", "--echo-ipv4-server", "https://127.0.0.1:9"]


def setUpModule():
    need_openspa()


class EnvironmentTest(SpaWorldTest):
    def setUp(self):
        super().setUp()
        room = tempfile.TemporaryDirectory(prefix="postern-environment-")
        self.addCleanup(room.cleanup)
        self.mark = Path(room.name, "loaded")
        configuration = Path(room.name, "openssl.cnf")
        configuration.write_text(CONFIGURATION.format(program("tests/system/loaded.so")))
        theirs = {"OPENSSL_CONF": str(configuration), "LOADED": str(self.mark),
                  "SSLKEYLOGFILE": str(self.mark)}
        before = {name: os.environ.get(name) for name in theirs}
        os.environ.update(theirs)
        self.addCleanup(self.restore, before)

    @staticmethod
    def restore(before):
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    def assert_not_loaded(self):
        self.assertFalse(self.mark.exists(), "code was loaded that the environment names")

    def test_what_it_would_do(self):
        subprocess.run(["openssl", "list", "-providers"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.assertTrue(self.mark.exists(), "so the other tests would prove nothing")

    def test_the_tool(self):
        # Nobody is there; what counts is what is loaded to ask.
        done = subprocess.run(ASK, stderr=subprocess.PIPE, text=True)
        self.assertIn("127.0.0.1", done.stderr)
        self.assert_not_loaded()

    def test_the_tool_by_the_configuration_of_the_system(self):
        """What that names is loaded, but from no place that the environment names."""
        room = self.mark.parent
        shutil.copy(program("tests/system/loaded.so"), room / "theirs.so")
        (room / "theirs.cnf").write_text(CONFIGURATION.format(room / "theirs.so"))
        path = subprocess.run(["openssl", "version", "-d"], text=True, check=True,
                              stdout=subprocess.PIPE).stdout.split('"')[1] + "/openssl.cnf"
        in_its_place = ["unshare", "--mount", "sh", "-ec",
                        f'mount --bind {room}/system.cnf "$(realpath {path})"; exec "$@"', "-"]
        for name, text in BY_PLACE.items():
            (room / "system.cnf").write_text(text)
            environment = {"PATH": os.environ["PATH"], "LOADED": str(self.mark), name: str(room)}
            for command in (["openssl", "list", "-providers"], ASK):
                with self.subTest(name=name, command=command[0]):
                    subprocess.run([*in_its_place, *command], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=environment)
                    self.assertEqual(self.mark.exists(), command[0] == "openssl")
                    self.mark.unlink(missing_ok=True)

    def test_the_daemon(self):
        self.serve()
        self.granted_for(self.request())
        self.assert_not_loaded()

    def test_the_echo_service(self):
        with Service() as service:
            self.assertEqual(service.ask_raw()["ip"], "127.0.0.1")
        self.assert_not_loaded()
