"""The command line: exit codes, --check, and configurations that are refused."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from daemon import Daemon, program
from netns import PATIENCE, eventually
from world import WorldTest

UNPRIVILEGED = 12345


class CommandTest(WorldTest):
    def run_daemon(self, *arguments, user=None):
        """Exit code and output of posternd, in the server's namespace."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.server.name,
             *(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
               if user else []),
             str(program("posternd")), *map(str, arguments)],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
        return done.returncode, done.stdout

    def written(self, configuration):
        daemon = Daemon(self.server, Path(tempfile.mkdtemp(dir=self.folder)), configuration)
        self.addCleanup(daemon.close)
        return daemon

    def check(self, configuration):
        return self.run_daemon(*self.written(configuration).command("--check")[1:])

    def test_usage(self):
        for words in (["--nonsense"], ["-c"], ["extra"], ["--log-level", "loud"],
                      ["--log-format", "xml"]):
            with self.subTest(words=words):
                code, output = self.run_daemon(*words)
                self.assertEqual(code, 2)
                self.assertTrue(output)

    def test_version_and_help(self):
        for word in ("--version", "--help"):
            code, output = self.run_daemon(word)
            self.assertEqual(code, 0)
            self.assertIn("postern", output)

    def test_check_changes_nothing(self):
        daemon = self.written(self.configuration())
        self.assertEqual(self.run_daemon(*daemon.command("--check")[1:])[0], 0)
        self.assertEqual(self.server.run("nft", "list", "ruleset"), "")
        self.assertFalse(daemon.state.exists())
        self.assertFalse(daemon.control.exists())

    def test_without_privileges(self):
        daemon = self.written(self.configuration())
        for path in (daemon.file, daemon.folder):
            os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
        code, output = self.run_daemon(*daemon.command()[1:], user=UNPRIVILEGED)
        self.assertEqual(code, 77, output)

    def test_an_unreadable_configuration(self):
        daemon = self.written(self.configuration())
        code, output = self.run_daemon(*daemon.command("--check")[1:], user=UNPRIVILEGED)
        self.assertEqual(code, 77, output)

    def test_no_configuration(self):
        code, output = self.run_daemon("-c", "/nonexistent/config.yaml")
        self.assertEqual(code, 78, output)
        self.assertIn("/nonexistent/config.yaml", output)

    def test_a_key_that_others_may_read(self):
        daemon = self.written(self.configuration())
        daemon.file.chmod(0o644)
        code, output = self.run_daemon(*daemon.command("--check")[1:])
        self.assertEqual(code, 78, output)

    def test_bad_configurations_are_named_by_place(self):
        base = self.configuration()
        good = {**base["server"]}

        def with_server(**changed):
            return {**base, "server": {**good, **changed}}
        alice = base["clients"]["alice"]
        bad = {
            "unknown key": with_server(nonsense=1), "near miss": with_server(knock_timout="3s"),
            "duration": with_server(knock_timeout="soon"), "no unit": with_server(replay_window=60),
            "port 0": with_server(udp_port=0), "port 65536": with_server(udp_port=65536),
            "word": with_server(firewall="pf"), "switch": with_server(drop_ports="perhaps"),
            "short key": with_server(private_key="AAAA"),
            "foreign public key": with_server(public_key="A" * 42 + "E="),
            "zero key": {**base, "clients": {"alice": {**alice, "ed25519_pubkey": "A" * 43 + "="}}},
            "client's ports": {**base, "clients": {"alice": {**alice, "allowed_ports": ["22/tpc"]}}},
            "reversed range": {**base, "ports": {"default": ["90-80/tcp"]}},
            "protocol": {**base, "ports": {"default": ["22/sctpx"]}},
            "port": {**base, "ports": {"default": ["70000/tcp"]}},
            "date": {**base, "clients": {"alice": {**alice, "expires": "2026-13-01"}}},
        }
        for name, configuration in bad.items():
            with self.subTest(name=name):
                code, output = self.check(configuration)
                self.assertEqual(code, 78, output)
                self.assertRegex(output, rf"{self.folder}/\w+/config\.yaml:\d+:\d+: ")
                self.assertEqual(len(output.strip().splitlines()), 1, output)

    def test_what_is_hardly_meant_is_said(self):
        daemon = self.written(self.configuration({"alice": {"allowed_ports": ["webb"]}}))
        code, output = self.run_daemon(*daemon.command("--check")[1:])
        self.assertEqual(code, 0, output)
        self.assertRegex(output, r'warning: .*yaml:\d+:\d+: clients\.alice\..* "webb".* skipped')
        self.assertIn("fine", output)
        words = [program("postern"), "--config", daemon.file]
        self.assertIn(' "webb"', self.server.run(*words, "config", "check"))
        told = json.loads(self.server.run(*words, "--json", "config", "check").splitlines()[-1])
        self.assertEqual((told["valid"], len(told["warnings"])), (True, 1))
        self.assertRegex(self.server.run(*words, "list"), r"alice .* skipped .*webb")

    def test_a_near_miss_names_the_known_key(self):
        configuration = self.configuration()
        configuration["server"]["knock_timout"] = "3s"
        self.assertIn("knock_timeout", self.check(configuration)[1])

    def test_bad_configuration_on_start(self):
        daemon = self.written("server: [\n")
        code, output = self.run_daemon(*daemon.command()[1:])
        self.assertEqual(code, 78, output)
        self.assertEqual(self.server.run("nft", "list", "ruleset"), "")

    def test_the_private_key_never_shows(self):
        configuration = self.configuration(nonsense=1)
        secret = configuration["server"]["private_key"]
        complaint = self.check(configuration)[1]
        self.assertIn("nonsense", complaint)
        self.assertNotIn(secret, complaint)
        daemon = self.written(self.configuration())
        self.assertIn(secret, daemon.file.read_text())
        shown = self.server.run(program("postern"), "--config", daemon.file, "config", "show")
        self.assertIn("private_key", shown)
        self.assertNotIn(secret, shown)

    def test_dry_run(self):
        """firewall: none logs what it would do, and does nothing."""
        self.start(self.configuration(firewall="none"))
        self.knock()
        address = self.address(4, self.client)
        self.assertTrue(eventually(
            lambda: [line for line in self.verdicts("granted") if address in line.values()]))
        event, = self.daemon.events(message="dry run: would open")
        self.assertEqual((event["address"], event["owner"]), (address, "alice"))
        self.assertTrue(self.daemon.events(message="dry run: would put these rules in place"))
        self.assertTrue(self.reaches(), "something was shut")
        self.assertEqual(self.server.run("nft", "list", "ruleset"), "")

    def test_runs_from_the_build_tree(self):
        self.assertTrue(Path(program("posternd")).is_file())
