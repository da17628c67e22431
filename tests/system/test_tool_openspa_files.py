"""OSPA files and keys: those that request reads, those that the tool makes."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import termios
import unittest
import uuid
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization

import spa_server
from daemon import program
from netns import eventually
from spa_tool import DEVICE, SOON, VECTORS, SpaTest, need_openspa
from tool import CONFIG, FAILED, USAGE


def setUpModule():
    need_openspa()


class Files(SpaTest):
    def test_others_may_not_read_it(self):
        server = self.serve()
        for mode in (0o650, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o777):
            with self.subTest(mode=oct(mode)):
                self.ospa.chmod(mode)
                done = self.run_tool(*self.words(server, "-p", 22))
                self.assertEqual(done.returncode, CONFIG)
                self.assertIn(f"mode {mode:04o}", done.stderr)
                self.assertIn("chmod 600", done.stderr)
        self.ospa.chmod(0o600)
        os.chown(self.ospa, 12345, 12345)
        done = self.run_tool(*self.words(server, "-p", 22))
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("belongs to user 12345", done.stderr)
        os.chown(self.ospa, os.getuid(), os.getgid())
        self.assertEqual(server.requests, [], "it was read and used")
        for mode in (0o600, 0o400):
            self.ospa.chmod(mode)
            self.ask(server, "-p", 22)
        self.assertEqual(len(server.requests), 2)

    def test_damaged(self):
        text = self.ospa.read_text()
        public = spa_server.public_pem(self.stranger).replace("\n", "\n  ").rstrip(" ")
        for old, new, complaint in (
                ("version: 0.1.1", "version: 1.1.1", r":1:10: version: "),
                ("version: 0.1.1", "version: 0.0.1", r":1:10: version: "),
                ("version: 0.1.1", "version: 0.1", r":1:10: version: "),
                ("version: 0.1.1\n", "", r"version: not there"),
                ("name: SPA server", 'name: ""', r":2:7: name: not there"),
                (DEVICE, DEVICE[:-1], r":3:17: clientDeviceId: "),
                (DEVICE, "0" * 8 + "-0000-0000-0000-" + "0" * 12, r":3:17: clientDeviceId: "),
                ('serverIp: ""', "serverIp: gate", r":4:11: serverIp: "),
                ("22211", "70000", r":5:13: serverPort: "),
                ("https://ipv4", "gopher://ipv4", r":6:15: echoIpServer: "),
                ("MIIEpQIBAAKC", "MIIEpQIBAAKD", "private key of .* is damaged|do not belong"),
                ("privateKey: |", "privateKey: [a]\nx: |", r":7:13: privateKey: "),
                ("name: SPA", "version: 0.1.1\nname: SPA", "a second time")):
            self.assertIn(old, text)
            self.write(self.ospa, text.replace(old, new, 1))
            done = self.run_tool("request", self.ospa, "-s", "127.0.0.1", "-p", 22, *SOON)
            self.assertEqual(done.returncode, CONFIG, done.stderr)
            self.assertRegex(done.stderr, complaint)
        self.write(self.ospa, re.sub(r"(?s)(\npublicKey: \|\n).*(serverPublicKey)",
                                     rf"\1  {public}\2", text))
        done = self.run_tool("request", self.ospa, "-s", "127.0.0.1", "-p", 22, *SOON)
        self.assertEqual(done.returncode, CONFIG, done.stderr)
        self.assertIn("not that of the private key", done.stderr)

    def test_unknown_keys_are_told_and_passed_over(self):
        self.write(self.ospa, self.ospa.read_text() + "colour: blue\n")
        done = self.run_tool(*self.words(self.serve(), "-p", 22))
        self.assertEqual(done.returncode, 0)
        self.assertIn('"colour"', done.stderr)

    def test_missing(self):
        self.tool("request", self.room / "none.ospa", "-p", 22, code=CONFIG)


class Passphrases(SpaTest):
    WORDS = "open sesame"

    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.lock(serialization.PrivateFormat.PKCS8)

    def lock(self, form):
        pem = spa_server.private_pem(self.client_key, self.WORDS.encode(), form)
        block = "  " + pem.replace("\n", "\n  ").rstrip(" ")
        text = (VECTORS / "client.ospa").read_text()
        self.write(self.ospa, re.sub(r"(?s)(privateKey: \|\n).*?(\npublicKey)",
                                     lambda m: m[1] + block.rstrip("\n") + m[2], text))

    def with_fd(self, text, code):
        ends = os.pipe()
        os.write(ends[1], text.encode())
        os.close(ends[1])
        try:
            return self.ask(self.server, "-p", 22, "--passphrase-fd", ends[0], code=code,
                            pass_fds=[ends[0]])
        finally:
            os.close(ends[0])

    def test_descriptor(self):
        for form in (serialization.PrivateFormat.PKCS8, spa_server.TRADITIONAL):
            self.lock(form)
            self.with_fd(self.WORDS + "\n", 0)
            self.with_fd(self.WORDS, 0)
            self.with_fd("open sesam\n", FAILED)
            self.with_fd("", FAILED)
            self.with_fd("x" * 5000, FAILED)
        self.ask(self.server, "-p", 22, "--passphrase-fd", 99, code=FAILED)
        self.ask(self.server, "-p", 22, "--passphrase-fd", "x", code=USAGE)

    def helper(self, body):
        path = self.room / "helper"
        self.write(path, f'#!/bin/sh\necho "$1" >>{self.room}/asked\n{body}\n', 0o700)
        return path

    def test_helper(self):
        path = self.helper(f"echo '{self.WORDS}'")
        self.ask(self.server, "-p", 22, environment={"POSTERN_ASKPASS": str(path)})
        self.ask(self.server, "-p", 22, environment={"SSH_ASKPASS": str(path),
                                                     "SSH_ASKPASS_REQUIRE": "force"})
        self.assertEqual((self.room / "asked").read_text(), f"Passphrase of {self.ospa}:\n" * 2)
        self.ask(self.server, "-p", 22, "--no-input", code=FAILED,
                 environment={"POSTERN_ASKPASS": str(path)})

    def test_helper_is_asked_three_times(self):
        path = self.helper("echo wrong")
        self.ask(self.server, "-p", 22, code=FAILED, environment={"POSTERN_ASKPASS": str(path)})
        self.assertEqual((self.room / "asked").read_text().count("\n"), 3)

    def test_helper_that_fails(self):
        for path in (self.helper(f"echo '{self.WORDS}'; exit 1"), self.room / "none"):
            self.ask(self.server, "-p", 22, code=FAILED, environment={"POSTERN_ASKPASS": str(path)})

    def test_no_shell_looks_at_the_helpers_name(self):
        mark = self.room / "mark"
        self.ask(self.server, "-p", 22, code=FAILED,
                 environment={"POSTERN_ASKPASS": f"true; touch {mark}"})
        self.assertFalse(mark.exists())

    def test_helper_loads_nothing_that_the_environment_names(self):
        """That is not passed on, either."""
        mark = self.room / "mark"
        shutil.copy(program("tests/system/loaded.so"), self.room / "theirs.so")
        (self.room / "gconv-modules").write_text("module ANSI_X3.4-1968// INTERNAL theirs 1\n")
        path = self.helper("echo x | iconv -f ASCII -t UTF-8 >/dev/null 2>&1\n"
                           f"echo '{self.WORDS}'")
        theirs = {"LOADED": str(mark), "GCONV_PATH": str(self.room)}
        subprocess.run([path, "?"], env={**os.environ, **theirs}, stdout=subprocess.DEVNULL)
        self.assertTrue(mark.exists(), "or this would prove nothing")
        mark.unlink()
        self.ask(self.server, "-p", 22, environment={"POSTERN_ASKPASS": str(path), **theirs})
        self.assertFalse(mark.exists())

    def test_terminal(self):
        terminal = Terminal(*self.words(self.server, "-p", 22))
        terminal.answer("Passphrase of", "wrong", hidden=True)
        terminal.answer("Passphrase of", self.WORDS, hidden=True)
        self.assertEqual(terminal.end(), 0)
        self.assertIn("granted", terminal.seen)
        self.assertNotIn(self.WORDS, terminal.seen)

    def test_interrupted_at_the_terminal(self):
        terminal = Terminal(*self.words(self.server, "-p", 22))
        terminal.answer("Passphrase of", "half of it\x03", hidden=True)
        self.assertEqual(terminal.end(), -2)
        self.assertEqual(self.server.requests, [])


class Terminal:
    """The tool at a terminal of its own."""

    def __init__(self, *words):
        self.child, self.wire = pty.fork()
        if self.child == 0:
            os.environ.pop("SSH_ASKPASS", None)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored by what a script starts aside
            os.execv(program("postern"), ["postern", *map(str, words)])
        self.seen = ""

    def answer(self, question, text, hidden=False):
        while question not in self.seen:
            self.seen += os.read(self.wire, 1000).decode()
        self.seen = self.seen.split(question, 1)[1]
        if hidden:  # what is typed before the echo is off would be flushed
            assert eventually(self.is_hidden), "a passphrase is echoed"
        os.write(self.wire, text.encode() + b"\n")

    def is_hidden(self):
        return not termios.tcgetattr(self.wire)[3] & termios.ECHO

    def end(self):
        try:
            while data := os.read(self.wire, 1000):
                self.seen += data.decode()
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])


class Making(SpaTest):
    def setUp(self):
        super().setUp()
        self.pub = self.write(self.room / "server.pub", spa_server.public_pem(self.server_key), 0o644)

    def make(self, *words, code=0, **more):
        text = self.tool("openspa", "gen-client", "--json", self.pub, *words, code=code, **more)
        return json.loads(text) if code == 0 else text

    def read(self, made):
        """The OSPA file as the original's parser would see it; its keys are checked."""
        text = Path(made["ospa"]).read_text()
        ospa = yaml.safe_load(text)
        self.assertEqual(list(ospa), ["version", "name", "clientDeviceId", "serverIp", "serverPort",
                                      "echoIpServer", "privateKey", "publicKey", "serverPublicKey"])
        self.assertEqual(ospa["version"], "0.1.1")
        self.assertEqual(ospa["clientDeviceId"], made["device"])
        self.assertEqual(uuid.UUID(made["device"]).version, 4)
        self.assertEqual(ospa["serverPublicKey"], spa_server.public_pem(self.server_key))
        self.assertEqual(ospa["publicKey"], Path(made["public_key"]).read_text())
        self.assertEqual(os.stat(made["ospa"]).st_mode & 0o7777, 0o600)
        self.assertEqual(os.stat(made["public_key"]).st_mode & 0o7777, 0o644)
        return ospa

    def works(self, made, *words, **more):
        """A request with it is granted by a server that has its public key alone."""
        key = serialization.load_pem_private_key(
            self.read(made)["privateKey"].encode(), more.pop("passphrase", None))
        self.assertEqual(spa_server.public_pem(key), Path(made["public_key"]).read_text())
        server = spa_server.Server(self.server_key, key)
        self.addCleanup(server.close)
        self.tool("request", made["ospa"], "-s", server.address, "--server-port", server.port,
                  "-p", 22, *words, **more)
        self.assertEqual(server.requests[0].device, uuid.UUID(made["device"]).bytes)

    def test_defaults(self):
        made = self.make("--no-input", "-o", self.room)
        self.assertEqual(made["ospa"], f"{self.room}/{made['device']}/client.ospa")
        self.assertEqual(made["public_key"],
                         f"{self.room}/{made['device']}/{made['device']}.pub")
        ospa = self.read(made)
        self.assertEqual((ospa["name"], ospa["serverIp"], ospa["serverPort"], ospa["echoIpServer"]),
                         ("SPA server", "", 22211, "https://ipv4.ip.openspa.org"))
        self.works(made)

    def test_shaped_as_the_original_shapes_it(self):
        key = self.write(self.room / "key", spa_server.private_pem(self.client_key))
        made = self.make("--client-device-id", DEVICE, "--private-key", key, "-o", self.room)
        self.assertEqual(Path(made["ospa"]).read_text(), (VECTORS / "client.ospa").read_text())

    def test_options(self):
        (self.room / "devices").mkdir(mode=0o700)
        out = self.room / "alice.ospa"
        made = self.make("--name", "No #1 gate", "--server-ip", "2001:db8::1",
                         "--server-port", 5, "--echo-ip", "http://[2001:db8::2]:80/x", "--out", out,
                         "--devices", self.room / "devices")
        ospa = self.read(made)
        self.assertEqual((ospa["name"], ospa["serverIp"], ospa["serverPort"], ospa["echoIpServer"]),
                         ("No #1 gate", "2001:db8::1", 5, "http://[2001:db8::2]:80/x"))
        self.assertEqual(made["ospa"], str(out))
        self.assertEqual(made["public_key"], f"{self.room}/devices/{made['device']}.pub")

    def test_piped_answers_all_arrive(self):
        device = str(uuid.uuid4())
        private = self.write(self.room / "key", spa_server.private_pem(self.client_key))
        public = self.write(self.room / "pub", spa_server.public_pem(self.client_key), 0o644)
        made = self.make("-o", self.room, input=f"Our gate\n{device}\n192.0.2.1\n22212\n"
                         f"https://ip.example.org\n{private}\n{public}\n")
        ospa = self.read(made)
        self.assertEqual((ospa["name"], made["device"], ospa["serverIp"], ospa["serverPort"],
                          ospa["echoIpServer"]),
                         ("Our gate", device, "192.0.2.1", 22212, "https://ip.example.org"))
        self.assertEqual(ospa["publicKey"], spa_server.public_pem(self.client_key))
        self.works(made)

    def test_piped_enter_and_early_end(self):
        self.assertEqual(self.read(self.make("-o", self.room, input="\n\n\n\n\n\n"))["serverPort"],
                         22211)
        self.assertEqual(self.read(self.make("-o", self.room, input="Gate\n"))["name"], "Gate")
        self.make("-o", self.room, input="Gate\nno-uuid\n", code=USAGE)

    def test_options_ask_nothing_of_a_pipe(self):
        ends = os.pipe()  # never written to, never closed
        try:
            self.make("--name", "x", "-o", self.room, stdin=ends[0])
        finally:
            os.close(ends[0])
            os.close(ends[1])

    def test_questions_at_a_terminal(self):
        terminal = Terminal("openspa", "gen-client", self.pub, "--server-ip", "192.0.2.1",
                            "-o", self.room, "--encrypt")
        terminal.answer("Name", "bad: name")
        terminal.answer("Name", "Good name")
        terminal.answer("device", "")
        terminal.answer("port", "7")
        terminal.answer("Echo-IP", "")
        terminal.answer("private key", "")
        terminal.answer("Passphrase", "sesame", hidden=True)
        terminal.answer("again", "sesame", hidden=True)
        self.assertEqual(terminal.end(), 0)
        self.assertNotIn("sesame", terminal.seen)
        [path] = self.room.glob("*/client.ospa")
        ospa = yaml.safe_load(path.read_text())
        self.assertEqual((ospa["name"], ospa["serverIp"], ospa["serverPort"]),
                         ("Good name", "192.0.2.1", 7))
        serialization.load_pem_private_key(ospa["privateKey"].encode(), b"sesame")

    def test_what_a_killed_run_left_is_offered_for_removal(self):
        left, done = self.room / DEVICE, self.room / str(uuid.uuid4())
        for folder, mode in ((left, 0o1700), (done, 0o700)):
            folder.mkdir()
            folder.chmod(mode)
            (folder / "client.ospa").touch()
        for answer in ("", "no", "yes"):
            with self.subTest(answer=answer):
                self.assertTrue(left.exists())
                terminal = Terminal("openspa", "gen-client", self.pub, "-o", self.room)
                terminal.answer(f"{DEVICE} was not finished", answer)
                terminal.answer("Name", "\x03")
                terminal.end()
        self.assertFalse(left.exists())
        self.assertTrue((done / "client.ospa").exists())
        left.mkdir(mode=0o700)
        left.chmod(0o1700)
        (left / "mine").touch()
        terminal = Terminal("openspa", "gen-client", self.pub, "-o", self.room)
        terminal.answer("Remove it?", "yes")
        terminal.answer(f"cannot remove {DEVICE}", "\x03")
        terminal.end()
        self.assertTrue((left / "mine").exists())

    def test_encrypted(self):
        ends = os.pipe()
        os.write(ends[1], b"sesame\nsesame\n")
        os.close(ends[1])
        try:
            made = self.make("--no-input", "-o", self.room, "--encrypt", "--passphrase-fd",
                             ends[0], pass_fds=[ends[0]])
            self.assertIn("BEGIN ENCRYPTED PRIVATE KEY", Path(made["ospa"]).read_text())
            self.works(made, "--passphrase-fd", ends[0], passphrase=b"sesame", pass_fds=[ends[0]])
        finally:
            os.close(ends[0])
        self.make("--no-input", "-o", self.room, "--encrypt", code=FAILED)

    def test_nothing_is_replaced_and_nothing_left_behind(self):
        out = self.room / "alice.ospa"
        self.make("--no-input", "--client-device-id", DEVICE, "--out", out, "-o", self.room)
        before = self.server_files()
        self.make("--no-input", "--client-device-id", DEVICE, "--out", out, code=FAILED)
        self.make("--no-input", "--client-device-id", DEVICE, "--out", self.room / "b", code=FAILED)
        self.make("--no-input", "--out", out, code=FAILED)
        self.make("--no-input", "--out", self.room / "c", "--devices", self.room / "none",
                  code=FAILED)
        self.make("--no-input", "-o", self.room / "none", code=FAILED)
        self.make("--no-input", "-o", self.room, "--devices", self.room / "none", code=FAILED)
        self.assertEqual(self.server_files(), before)
        self.assertEqual([p for p in self.room.iterdir() if p.is_dir()], [])

    def test_mistakes(self):
        for words in (["--name", ""], ["--name", "a\nb"], ["--client-device-id", "x"],
                      ["--server-ip", "gate"], ["--server-port", 0], ["--echo-ip", "gate"],
                      ["--public-key", self.pub], ["and", "more"], ["--passphrase-fd", "-1"]):
            self.make("--no-input", *words, code=USAGE)
        self.tool("openspa", "gen-client", "--no-input", code=USAGE)
        self.tool("openspa", "gen-clients", code=USAGE)
        for path, code in ((self.room / "none", CONFIG), (self.ospa, CONFIG)):
            self.tool("openspa", "gen-client", "--no-input", path, "-o", self.room, code=code)

    def test_keys_of_a_server(self):
        self.tool("openspa", "gen-server-key", self.room / "none", code=FAILED)
        folder = self.room / "made"
        folder.mkdir(mode=0o700)
        text = self.tool("openspa", "gen-server-key", folder)
        self.assertEqual(text, f"Private key: {folder}/server.key\n"
                               f"Public key:  {folder}/server.pub\n")
        pem = (folder / "server.key").read_bytes()
        self.assertTrue(pem.startswith(b"-----BEGIN RSA PRIVATE KEY-----\n"))
        key = serialization.load_pem_private_key(pem, None)
        self.assertEqual((key.key_size, key.public_key().public_numbers().e), (2048, 65537))
        self.assertEqual((folder / "server.pub").read_text(), spa_server.public_pem(key))
        self.assertEqual([(folder / n).stat().st_mode & 0o7777 for n in ("server.key", "server.pub")],
                         [0o600, 0o644])
        before = self.server_files()
        self.tool("openspa", "gen-server-key", folder, code=FAILED)
        self.tool("openspa", "gen-server-key", "-k", folder / "other", "-p", folder / "server.pub",
                  code=FAILED)
        self.assertEqual(self.server_files(), before)
        self.tool("openspa", "gen-server-key", "--force", folder)
        self.assertNotEqual((folder / "server.key").read_bytes(), pem)
        self.assertEqual(self.server_files().keys(), before.keys())

    def test_help(self):
        for words in (["request"], ["get-ip"], ["openspa"], ["openspa", "gen-client"],
                      ["openspa", "gen-server-key"]):
            text = self.tool(*words, "--help")
            self.assertTrue(text.startswith("Usage: postern " + " ".join(words)), text)
            self.assertIn("Examples:", text)


if __name__ == "__main__":
    unittest.main()
