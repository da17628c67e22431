"""What original OpenSPA servers have in their files, folders and command lines."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

import openspa
from daemon import Daemon, program
from spa_world import SpaWorldTest
from world import SERVICE_PORT

SCRIPTS = {"userDirectoryService": "directory", "authorization": "authorization",
           "ruleAdd": "rule_add", "ruleRemove": "rule_remove"}
NESTED = "extensionScripts:\n" + "".join(f"  {key}: ./es/{name}.sh\n"
                                         for key, name in SCRIPTS.items())
DOTTED = "".join(f"extensionScripts.{key}: ./es/{name}.sh\n" for key, name in SCRIPTS.items())
KEYS = "publicKey: ./keys/server.pub\nprivateKey: ./keys/server.key\n"
BODIES = {"directory": "cat keys/$2.pub", "authorization": "echo 5", "rule_add": "true",
          "rule_remove": "true"}


def install(folder, key, devices=()):
    """Keys and scripts, where the original's tutorial has them."""
    for name in ("keys", "es", "es/keys"):
        (folder / name).mkdir()
    for name, text, mode in [("keys/server.pub", key.public_pem(), 0o644),
                             ("keys/server.key", key.private_pem(), 0o600),
                             *((f"es/{name}.sh", f"#!/bin/sh\n{body}\n", 0o755)
                               for name, body in BODIES.items()),
                             *((f"es/keys/{device.uuid}.pub", device.key.public_pem(), 0o644)
                               for device in devices)]:
        (folder / name).write_text(text)
        (folder / name).chmod(mode)


class OriginalFileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key = openspa.Key()

    def setUp(self):
        self.room = tempfile.TemporaryDirectory()
        self.addCleanup(self.room.cleanup)
        self.folder = Path(self.room.name)
        self.folder.chmod(0o755)
        self.etc = self.folder / "etc"
        self.work = self.folder / "work"
        for folder in (self.etc, self.work):
            folder.mkdir()

    def check(self, text, *words, fine=True, work=None):
        """What `posternd --check` says of a file with that text."""
        (self.etc / "config.yaml").write_text(text)
        words = words or ("-c", self.etc / "config.yaml")
        done = subprocess.run([program("posternd"), *words, "--check", "--state-dir",
                               self.folder / "state"], cwd=work or self.work, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode == 0, fine, done.stdout)
        return done.stdout

    # Keys

    def test_a_plain_one_has_no_warning(self):
        install(self.etc, self.key)
        odd = (KEYS + NESTED).replace("publicKey", "PUBLICKEY").replace(
            "extensionScripts", "extensionscripts").replace("ruleAdd", "RuleAdd")
        for text in (KEYS + NESTED, odd):
            self.assertNotIn("warning", self.check(text))

    def test_it_is_yaml_whatever_its_name_is(self):
        install(self.etc, self.key)
        (self.etc / "config.toml").write_text(KEYS + NESTED)
        self.check("", "-c", self.etc / "config.toml")

    def test_unknown_keys_are_passed_over(self):
        install(self.etc, self.key)
        said = self.check(KEYS + "verbose: true\nechoIpServer: https://ip.example.org\n"
                          "company:\n  - of\n  - ours: {a: b}\n" + NESTED + "  cleanUp: ./es/none.sh\n")
        for place in ("3:1: verbose", "4:1: echoIpServer", "5:1: company", "13:3: cleanUp"):
            self.assertIn(f"config.yaml:{place}: unknown key, passed over", said)

    def test_one_that_is_nearly_ours_is_refused(self):
        install(self.etc, self.key)
        for text in ("targts: source\n", "scriptUsr: nobody\n", "extensionScript: {}\n"):
            self.assertIn("did you mean", self.check(KEYS + text + NESTED, fine=False))
        self.assertIn("did you mean", self.check(KEYS + NESTED + "  ruleAd: ./a\n", fine=False))

    def test_our_own_form_passes_nothing_over(self):
        install(self.etc, self.key)
        text = "openspa:\n" + "".join(f"  {line}\n" for line in (KEYS + NESTED).splitlines())
        self.check(text)
        self.assertIn("unknown key", self.check(text + "  verbose: true\n", fine=False))
        self.assertIn("expected an address",
                      self.check(text + "  server_ip: gate.example.org\n", fine=False))

    def test_keys_with_dots(self):
        install(self.etc, self.key)
        self.assertNotIn("warning", self.check(KEYS + DOTTED))
        self.assertNotIn("warning", self.check(KEYS + DOTTED.lower().replace("scripts.u", "SCRIPTS.U")))
        some = DOTTED.splitlines(keepends=True)
        rest = "".join(NESTED.splitlines(keepends=True)[:3])
        self.check(KEYS + rest + some[2] + some[3])
        self.check(KEYS + some[3] + rest + some[2])
        self.check(KEYS + "extensionScripts:\n" + DOTTED)
        self.assertIn("found", self.check(KEYS + "extensionScripts: []\n" + DOTTED, fine=False))
        self.assertIn("found a map", self.check(
            KEYS + DOTTED.replace("./es/rule_add.sh", "{a: b}"), fine=False))
        self.assertIn("second time", self.check(KEYS + NESTED + some[0], fine=False))
        self.assertIn("expected both", self.check(KEYS + rest + some[3], fine=False))

    def test_a_host_name_in_server_ip(self):
        install(self.etc, self.key)
        said = self.check(KEYS + "serverIP: gate.example.org\n" + NESTED)
        self.assertIn("config.yaml:3:11: serverIP: found a name, which is not looked up", said)
        self.assertIn("expected an address",
                      self.check(KEYS + "serverIP: 'not a name'\n" + NESTED, fine=False))

    # Places

    def test_files_beside_the_configuration_come_first(self):
        install(self.etc, self.key)
        install(self.work, openspa.Key())
        self.assertNotIn("warning", self.check(KEYS + NESTED))

    def test_files_in_the_working_directory(self):
        install(self.work, self.key)
        said = self.check(KEYS + NESTED)
        for name in ("./keys/server.pub", "./keys/server.key", "./es/rule_add.sh"):
            self.assertIn(f"{name}: taken from the working directory; write {self.work}/", said)
        self.assertEqual(said.count("taken from the working directory"), 6)

    def test_others_may_put_no_script_there(self):
        install(self.work, self.key)
        (self.work / "es").chmod(0o777)
        self.assertIn("lets others write it", self.check(KEYS + NESTED, fine=False))

    def test_files_that_are_nowhere(self):
        for missing, at in (("es/rule_add.sh", "extensionScripts"), ("keys/server.key", "")):
            with self.subTest(missing=missing):
                for folder in self.work.iterdir():
                    subprocess.run(["rm", "-r", folder], check=True)
                install(self.work, self.key)
                (self.work / missing).unlink()
                said = self.check(KEYS + NESTED, fine=False)
                self.assertIn(f"there is no ./{missing} in {self.etc}", said)
                self.assertIn(f"nor in the working directory, {self.work};", said)
                self.assertIn("from the folder of its own program", said)

    # The command line

    def test_the_file_in_the_working_directory_is_read(self):
        install(self.work, self.key)
        (self.work / "config.yaml").write_text(KEYS + NESTED)
        self.assertIn("config.yaml: 0 clients", self.check("", "start"))
        self.assertIn("config.yaml: 0 clients", self.check("", "-v", "start", "--verbose-split"))
        for named in (("-c", "config.yaml"), ("--config", "config.yaml"), ("--config=config.yaml",)):
            self.assertIn("config.yaml: 0 clients", self.check("", *named, "start"))

    def test_flags_stand_above_the_file(self):
        install(self.etc, self.key)
        file = self.etc / "config.yaml"
        for flags in (["-p", "1", "--port=22300", "-b", "::"], ["-p22300", "--bind", "192.0.2.1"],
                      ["--server-ip", "192.0.2.1", "--echo-ipv4-server=https://ip.example.org"],
                      ["--private-key", self.etc / "keys/server.key"]):
            self.check("port: 99\n" + KEYS + NESTED, "start", "-c", file, *flags)
        other = openspa.Key()
        (self.etc / "other.pub").write_text(other.public_pem())
        self.assertIn("does not belong", self.check(
            KEYS + NESTED, "start", "-c", file, "--public-key", self.etc / "other.pub", fine=False))
        again = ["--public-key", self.etc / "other.pub"] * 9
        self.check(KEYS + NESTED, "start", "-c", file, *again, "--public-key",
                   self.etc / "keys/server.pub")
        self.assertIn('port, on the command line: found "x"; expected a whole number',
                      self.check(KEYS + NESTED, "start", "-c", file, "--port", "x", fine=False))
        self.assertIn('server_ip, on the command line: found "x"',
                      self.check(KEYS + NESTED, "start", "-c", file, "--server-ip", "x", fine=False))

    def test_a_flag_without_its_value(self):
        done = subprocess.run([program("posternd"), "start", "-p"], cwd=self.work, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 2)
        self.assertIn("its value is missing", done.stdout)

    def test_without_start_they_are_no_flags(self):
        install(self.etc, self.key)
        self.check(KEYS + NESTED, "-c", self.etc / "config.yaml", "--bind", "::", fine=False)


class OriginalUnitTest(SpaWorldTest):
    """The original's unit with another program in it: the configuration in one folder, keys and
    scripts in the working directory, and flags."""

    FLAGS = ("-v", "start", "-p", "22300", "--private-key", "keys/server.key", "-b", "0.0.0.0")

    def test_one_word_of_a_unit_is_changed(self):
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.daemon = Daemon(self.server, folder, "")
        install(folder, self.spa_key, [self.phone])
        (folder / "etc").mkdir()
        self.daemon.file = folder / "etc/config.yaml"
        self.daemon.configure("port: 22299\n" + DOTTED)
        words = self.daemon.command
        self.daemon.command = lambda *more: [words()[0], *self.FLAGS, *words(*more)[1:]]
        # The original does not look at the environment either.
        with patch.dict(os.environ, PORT="22298", BIND="127.0.0.1", PRIVATEKEY="none"):
            self.daemon.start()
        with self.client.socket(2, 2) as wire:
            wire.settimeout(20)
            wire.sendto(self.request(first=SERVICE_PORT), (self.address(4), 22300))
            answer = openspa.open_response(wire.recv(2048), self.phone, self.spa_key.public)
        self.assertEqual(answer[1:], (openspa.TCP, SERVICE_PORT, SERVICE_PORT, 5))
        self.daemon.reload()
        with self.client.socket(2, 2) as wire:
            wire.settimeout(20)
            wire.sendto(self.request(first=SERVICE_PORT), (self.address(4), 22300))
            wire.recv(2048)
        self.assertTrue(self.daemon.events(level="debug"), "-v asks for more lines")
