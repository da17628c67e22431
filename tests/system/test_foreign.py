"""What users of openme have in scripts and units: taken with its meaning, or answered with what to
write instead."""

import subprocess
from pathlib import Path

import yaml

from daemon import descendants, program
from netns import eventually
from tool import CONFIG, HOST, USAGE, ToolTest
from world import WorldTest


class ToolWordsTest(ToolTest):
    def refused(self, *words):
        done = self.run_tool(*words)
        self.assertEqual(done.returncode, USAGE, done.stderr)
        return done.stderr

    def test_commands_of_openme(self):
        for word, remedy in (("serve", "posternd -c FILE"), ("qr", "postern add NAME --qr"),
                             ("completion", "are installed with the programs")):
            self.assertIn(remedy, self.refused(word))

    def test_options_of_openme(self):
        for words, remedy in ((["sessions", "--state-file", "/run/x"], "postern sessions"),
                              (["sessions", "--state-file=/run/x"], "postern sessions"),
                              (["add", "a", "--port-mode", "only"], "--ports default,2222/tcp")):
            self.assertIn(remedy, self.refused(*words))

    def test_version(self):
        for word in ("-v", "-V", "--version"):
            self.assertRegex(self.tool(word), r"^postern \d")

    def test_log_level(self):
        """Only openme's server heeds it; every command of its takes it."""
        self.init()
        for level in ("debug", "info", "warn", "error", "none"):
            self.assertEqual(self.tool("--log-level", level, "list"), self.tool("list", "--log-level=" + level))

    def test_switches(self):
        """As Go's flags, they may be given a value."""
        self.init()
        before = self.server_files()
        for word in ("false", "False", "FALSE", "f", "F", "0"):
            self.tool("init", "--server", HOST, "--force=" + word, code=1)
        self.assertEqual(self.server_files(), before)
        for word in ("true", "True", "TRUE", "t", "T", "1"):
            before = self.server_files()
            self.tool("init", "--server", HOST, "--force=" + word)
            self.assertNotEqual(self.server_files(), before)
        for word in ("yes", "", "tRUE", "2"):
            self.assertIn("true or false", self.refused("init", "--server", HOST, "--force=" + word))

    def server(self):
        section = yaml.safe_load(self.config.read_text())["server"]
        return section["host"], section["udp_port"], section.get("health_port", section["udp_port"])

    def test_init_with_a_port_in_the_server(self):
        for word, host, port in (
                ("gate.example.org:4433", "gate.example.org", 4433), ("192.0.2.7:4433", "192.0.2.7", 4433),
                ("[2001:db8::1]:4433", "2001:db8::1", 4433), ("[2001:db8::1]", "2001:db8::1", 54154),
                ("2001:db8::1", "2001:db8::1", 54154), ("gate:65535", "gate", 65535)):
            with self.subTest(word=word):
                self.tool("init", "--server", word, "--force")
                self.assertEqual(self.server(), (host, port, port))
        self.tool("init", "--server", "gate:4433", "--port", "4433", "--force")
        self.assertEqual(self.server(), ("gate", 4433, 4433))

    def test_init_refuses_what_is_no_host(self):
        for word, remedy in (
                ("https://gate.example.org/", "no URL"), ("udp://gate:54154", "no URL"),
                ("gate:", "a port from 1 to 65535"), ("gate:0", "a port from 1 to 65535"),
                ("gate:65536", "a port from 1 to 65535"), ("gate:ssh", "a port from 1 to 65535"),
                ("[2001:db8::1]4433", "a port from 1 to 65535"), ("[2001:db8::1", "a host name or an address"),
                (":4433", "a host name or an address"), ("gate/x", "a host name or an address")):
            with self.subTest(word=word):
                self.assertIn(remedy, self.refused("init", "--server", word))
                self.assertEqual(self.server_files(), {})
        self.assertIn("say one of them", self.refused("init", "--server", "gate:1", "--port", "2"))

    def test_init_with_an_interface_that_is_not_there(self):
        """Written, for it may come; said, with those that there are."""
        done = self.run_tool("init", "--server", HOST, "--interface", "eth77")
        self.assertEqual(done.returncode, 0)
        self.assertIn('found "eth77"; expected an interface of this host: lo', done.stderr)


class DaemonWordsTest(WorldTest):
    def posternd(self, *words):
        return subprocess.run(
            ["ip", "netns", "exec", self.server.name, program("posternd"), *map(str, words)],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_as_openme_is_started(self):
        """`openme serve` with every option of its that has a meaning here."""
        self.start(None, "serve", "--client-config", "/nonexistent", "--log-level=debug",
                   "--state-file", "")  # none is to be kept
        self.knock()
        self.assert_opens()
        self.assertEqual(set(self.daemon.roles()), {"main", "doorman", "keeper", "desk"})
        # Beside the roles the writer of the audit log, and no other.
        self.assertTrue(eventually(lambda: len(descendants(self.daemon.process.pid)) == 4))
        self.assertEqual(self.daemon.stop(), 0)

    def test_serve_reads_openmes_file(self):
        for words, path in ((["serve"], "/etc/openme/config.yaml"), ([], "/etc/postern/config.yaml")):
            self.assertFalse(Path(path).exists(), "this test is for hosts that serve nobody")
            done = self.posternd(*words, "--check")
            self.assertEqual(done.returncode, CONFIG)
            self.assertIn(f"{path}: there is no such file; `postern init` makes one", done.stderr)

    def test_version(self):
        for word in ("-v", "--version"):
            self.assertRegex(self.posternd(word).stdout, r"^posternd \d")

    def test_the_tools_commands(self):
        for word in ("init", "add", "list", "revoke", "sessions", "knock", "connect", "status", "profiles"):
            done = self.posternd(word)
            self.assertEqual(done.returncode, USAGE)
            self.assertIn("that is the tool's: postern ", done.stderr)

    def test_what_stands_in_the_file_here(self):
        for words, remedy in ((["--interface", "eth0"], "interface: NAME"), (["--interface=eth0"], "interface: NAME"),
                              (["--firewall", "nft"], "firewall: nft")):
            done = self.posternd("serve", *words)
            self.assertEqual(done.returncode, USAGE)
            self.assertIn(remedy, done.stderr)

    def test_an_interface_that_is_not_there(self):
        self.start()
        self.daemon.configure(self.configuration(interface="eth77"))
        done = self.posternd("-c", self.daemon.file, "--check")
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn('found "eth77"; expected an interface of this host: lo, ', done.stderr)
        self.assertIn("wire2", done.stderr)
