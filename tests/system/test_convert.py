"""openme's old schema, anchors and unknown keys: served, or converted; and the way back."""

import copy
import fcntl
import os
import resource
import stat
import subprocess
import time
import unittest
from pathlib import Path
from random import Random

import yaml

import openme
from daemon import program
from memory import places
from netns import eventually
from test_index import SETTLED
from tool import CONFIG, FAILED, HOST, USAGE, ToolTest
from world import LONG, SERVICE_PORT, WorldTest

OTHER_PORT = 8080
SIZES = (1, 256, 257, 10_000)


def loaded(text):
    return yaml.load(text, Loader=yaml.CSafeLoader)


def dumped(value):
    return yaml.dump(value, Dumper=yaml.CSafeDumper)


PIPE_BYTES = 4096


def old_port(port, proto="tcp"):
    return {"port": port, "proto": proto}


class ServedTest(WorldTest):
    """A file of openme until 0.4.0 as it is."""

    tcp_ports = (SERVICE_PORT, OTHER_PORT)
    server_settings = {"knock_timeout": LONG}

    def old_file(self, mode, *ports):
        """A daemon's configuration, in flow style where the daemon's own writer has none."""
        listed = ", ".join(f"{{port: {port}, proto: tcp}}" for port in ports)
        new = self.configuration({
            "alice": {"allowed_ports": f"{{mode: {mode}, ports: [{listed}]}}"},
            # So that the other port is guarded.
            "bob": {"allowed_ports": f"{{mode: only, ports: [{{port: {OTHER_PORT}, proto: tcp}}]}}"},
            "marker": {"allowed_ports": "{mode: default}"}})
        return {"server": {**new["server"], "health_port": 0},
                "defaults": {"server": HOST, "ports": f"[{{port: {SERVICE_PORT}, proto: tcp}}]"},
                "clients": new["clients"]}

    def opened(self, mode, *ports):
        self.start(self.old_file(mode, *ports))
        self.knock()
        self.settle()
        return {port for port in self.tcp_ports if self.reaches(port=port)}

    def test_default_opens_the_defaults_alone(self):
        self.assertEqual(self.opened("default", OTHER_PORT), {SERVICE_PORT})

    def test_default_plus_opens_both(self):
        self.assertEqual(self.opened("default_plus", OTHER_PORT), {SERVICE_PORT, OTHER_PORT})

    def test_only_opens_its_own(self):
        self.assertEqual(self.opened("only", OTHER_PORT), {OTHER_PORT})

    def test_only_without_ports_opens_none(self):
        self.assertEqual(self.opened("only"), set())

    def test_an_index_keeps_what_was_meant(self):
        self.start(self.old_file("only"))
        before = self.postern("config", "show")
        time.sleep(SETTLED)
        said = self.postern("index", "--state-dir", self.daemon.state)
        self.assertIn("3 clients, 3 of them parsed", said)
        said = self.postern("index", "--state-dir", self.daemon.state)
        self.assertIn("3 clients, 0 of them parsed", said)
        self.assertEqual(self.postern("config", "show"), before)
        self.postern("reload")
        self.knock()
        self.settle()
        self.assertEqual([port for port in self.tcp_ports if self.reaches(port=port)], [])


class ConvertTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.server = openme.ServerKey()
        self.config.parent.mkdir()

    def key(self):
        return openme.text(openme.ClientKey().public)

    def written(self, text, mode=0o600):
        self.config.write_text(text)
        self.config.chmod(mode)
        return text

    def head(self, more=""):
        return f"server:\n  host: {HOST}\n  private_key: {openme.text(self.server.secret)}\n{more}"

    def convert(self, *words, **more):
        return loaded(self.tool("config", "convert", *words, **more))

    def old(self, count=3):
        """A server's file as openme 0.4.0 has written it, and what its clients may open."""
        modes = [({"mode": "default"}, ["default"]),
                 ({"mode": "default_plus", "ports": [old_port(2222)]}, ["default", "2222/tcp"]),
                 ({"mode": "only", "ports": [old_port(443), old_port(53, "udp")]},
                  ["443/tcp", "53/udp"])]
        clients = {f"c{i}": {"ed25519_pubkey": self.key(),
                             "allowed_ports": copy.deepcopy(modes[i % 3][0])}
                   for i in range(count)}
        self.written(dumped({
            "server": {"udp_port": 54154, "health_port": 54154, "firewall": "nft",
                       "knock_timeout": "30s", "replay_window": "1m0s",
                       "private_key": openme.text(self.server.secret)},
            "defaults": {"server": HOST, "ports": [old_port(22)]}, "clients": clients}))
        return {name: modes[i % 3][1] for i, name in enumerate(clients)}

    def test_any_number_of_old_clients(self):
        for size in SIZES:
            with self.subTest(size=size):
                meant = self.old(size)
                text = self.tool("config", "convert")
                new = loaded(text)
                self.assertEqual(new["ports"], {"default": ["22/tcp"]})
                self.assertEqual(new["server"]["host"], HOST)
                self.assertEqual({name: entry["allowed_ports"]
                                  for name, entry in new["clients"].items()}, meant)
                shown = self.tool("config", "show")
                self.written(text)
                self.assertEqual(self.tool("config", "show").splitlines(), shown.splitlines())

    def test_old_and_todays_groups_together(self):
        self.old()
        self.written(self.config.read_text() + "ports: {default: [22/tcp]}\n")
        done = self.run_tool("config", "check")
        self.assertEqual(done.returncode, CONFIG)
        for word in ("defaults: ", "0.4.0", "`ports`", "postern config convert"):
            self.assertIn(word, done.stderr)

    def test_the_old_schema_is_warned_of(self):
        self.old()
        done = self.run_tool("config", "check")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"config.yaml:\d+:\d+: defaults: .*0\.4\.0.*config convert")

    def test_complaints_name_the_command(self):
        alice = f"clients:\n  alice: {{ed25519_pubkey: {self.key()}"
        for name, text in {
                "anchor": self.head("ports: &x {}\n"), "alias": self.head("ports: *x\n"),
                "tag": self.head("ports: !!map {}\n"), "merge": self.head("<<: *x\n"),
                "unknown": self.head("  color: red\n"), "section": self.head("x-notes: {}\n"),
                "client's": self.head(f"{alice}, comment: laptop}}\n"),
                "old client's": self.head(f"{alice}, allowed_ports: {{mode: only, x: 1}}}}\n"),
                "documents": self.head("---\na: b\n")}.items():
            with self.subTest(name):
                self.written(text)
                done = self.run_tool("config", "check")
                self.assertEqual(done.returncode, CONFIG, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertRegex(done.stderr, r":\d+:\d+: .*postern config convert")

    def test_anchors_in_the_server_and_in_profiles(self):
        self.written(f"x: &x {{disable_health_port: true}}\n{self.head()}clients:\n"
                     f"  alice: {{<<: *x, ed25519_pubkey: {self.key()}}}\n")
        self.assertTrue(self.convert()["clients"]["alice"]["disable_health_port"])
        client = openme.ClientKey()
        profiles = self.room / "client.yaml"
        profiles.write_text(
            f"x: &x\n  server_host: {HOST}\n  server_pubkey: {openme.text(self.server.public)}\n"
            f"  private_key: {openme.text(client.secret)}\nprofiles:\n  home: *x\n"
            "  work:\n    <<: *x\n    server_udp_port: 7000\n")
        profiles.chmod(0o600)
        self.tool("profiles", code=CONFIG)
        self.tool("config", "convert", profiles, "--output", profiles, "--force")
        shown = self.tool("profiles")
        self.assertIn("home", shown)
        self.assertIn("7000", shown)

    def test_it_never_leaves_half_a_file(self):
        target = self.room / "new.yaml"
        self.written(self.head("  host: again\n"))
        self.tool("config", "convert", "-o", target, code=CONFIG)
        self.assertFalse(target.exists())
        self.written(self.head())
        self.tool("config", "convert", "-o", target)
        self.assertEqual(stat.S_IMODE(target.stat().st_mode), 0o600)
        self.tool("config", "convert", "-o", target, code=FAILED)
        self.tool("config", "convert", "-o", target, "--force")
        self.assertEqual(sorted(os.listdir(self.room)), ["new.yaml", "server"])
        self.tool("config", "convert", code=FAILED, stdout=open("/dev/full", "w"))
        self.tool("config", "convert", "--for", "fwknop", code=USAGE)
        self.tool("config", "convert", self.room / "nowhere.yaml", code=FAILED)

    def test_the_key_lies_in_locked_memory(self):
        """Looked for while what is printed waits for its reader."""
        self.old()
        secret = {"secret": self.server.secret,
                  "in base64": openme.text(self.server.secret).encode()}
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.write(writer, bytes(PIPE_BYTES))
        for words in ((), ("--for", "openme")):
            with self.subTest(words), subprocess.Popen(
                    [program("postern"), "config", "convert", *words, self.config],
                    stdout=writer, stderr=subprocess.DEVNULL) as tool:
                try:
                    self.assertTrue(eventually(lambda t=tool: "pipe_write" in Path(
                        f"/proc/{t.pid}/wchan").read_text()))
                    found = places(tool.pid, secret)
                finally:
                    tool.kill()
            self.assertTrue(found, "the search is blind")
            self.assertEqual([(name, region.head) for name, region in found if not region.locked],
                             [])
        os.close(reader)
        os.close(writer)

    def test_standard_input(self):
        text = self.head("x-notes: {}\n")
        new = self.convert("-", input=text)
        self.assertEqual(set(new), {"server"})

    def test_texts_stay_what_they_were(self):
        """Whatever stands in a text, in each style that YAML has for it."""
        random = Random(4)
        signs = " \t\n\r'\"#:-?[]{}&*!|>%@`,\\~=<.0123eExabyn\u00e9\u0085\u2028\u2029\ufeff\U0001f511\x1b"
        for style in (None, "'", '"', "|", ">"):
            texts = {f"p{i}": {"post_knock": "".join(random.choices(signs, k=random.randrange(200)))}
                     for i in range(200)}
            texts |= {f"w{i}": {"post_knock": word} for i, word in enumerate(
                ("yes", "null", "~", "", "1_000", "0o7", "1e5", "2026-01-02", "=", "<<", ".inf", "-"))}
            with self.subTest(style=style):
                text = yaml.dump({"profiles": texts}, Dumper=yaml.SafeDumper, default_style=style,
                                 allow_unicode=True, width=40)
                before, after = loaded(text), self.convert("-", input=text)
                self.assertEqual(after, before)

    def test_utf_16_becomes_utf_8(self):
        """As PowerShell writes it, with a mark at its head."""
        text = self.head("ports: {default: [22/tcp]}\n").replace("\n", "\r\n")
        for encoding in ("utf-16-le", "utf-16-be", "utf-8"):
            with self.subTest(encoding):
                self.config.write_bytes(("\ufeff" + text).encode(encoding))
                self.config.chmod(0o600)
                self.assertEqual(self.convert(), loaded(text))

    def test_what_was_left_out_is_said(self):
        self.written(self.head("".join(f"key{i}: 1\n" for i in range(70))))
        said = self.run_tool("config", "convert").stderr.splitlines()
        self.assertEqual(len(said), 51)
        self.assertRegex(said[0], r"config.yaml:4:1: left out the unknown key \"key0\"")
        self.assertIn("and 20 more", said[-1])

    def test_aliases_of_aliases_end(self):
        self.written("a0: &a0 [x, x]\n" + "".join(
            f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 20))
            + self.head("  targets: *a19\n"))
        limit = 512 << 20
        done = subprocess.run(
            [program("postern"), "config", "convert", self.config], text=True, timeout=600,
            capture_output=True, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        self.assertEqual(done.returncode, CONFIG, done.stderr)
        self.assertIn("too large", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_back_to_openme(self):
        """With the clients of clients.d, and nobody who is shut out."""
        self.init()
        for name in ("alice", "bob", "carol"):
            self.tool("add", name, "--no-reload", "--ports", "443/tcp")
        self.tool("revoke", "bob", "--no-reload")
        done = self.run_tool("config", "convert", "--for", "openme")
        old = loaded(done.stdout)
        self.assertEqual(set(old["clients"]), {"alice", "carol"})
        self.assertEqual(set(old), {"server", "ports", "clients"})
        self.assertEqual(old["clients"]["alice"]["allowed_ports"], ["443/tcp"])
        ours = loaded(self.config.read_text())["server"]
        self.assertEqual(old["server"]["private_key"], ours["private_key"])
        self.assertNotIn("targets", old["server"])
        self.assertIn("server.targets: left out", done.stderr)
        self.assertIn("clients.bob: left out", done.stderr)
        for path in self.config.parent.joinpath("clients.d").iterdir():
            path.unlink()
        self.written(done.stdout)
        self.tool("config", "check")


if __name__ == "__main__":
    unittest.main()
