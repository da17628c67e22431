"""Values of an original openme's files, from the file to the open port."""

import base64
import json
from datetime import datetime, timezone

import openme
from daemon import program
from tool import USAGE, ToolTest
from world import KNOCK_PORT, LONG, SERVICE_PORT, WorldTest

OTHER_PORT = 3333


class ValuesTest(WorldTest):
    tcp_ports = (SERVICE_PORT, OTHER_PORT)

    def start_bytes(self, data):
        """The daemon, with a main file of these bytes."""
        self.start(prepare=lambda folder: (folder / "config.yaml").write_bytes(data))

    def text_of(self, *more, **settings):
        """The file as openme's own tool lays it out; `more` are lines for clients."""
        lines = ["server:", f"  udp_port: {KNOCK_PORT}", "  drop_ports: true",
                 *(f"  {key}: {value}" for key, value in
                   {"knock_timeout": LONG, **settings}.items()),
                 f"  private_key: {openme.text(self.server_key.secret)}",
                 "ports:", f"  default: [{SERVICE_PORT}/tcp]", "clients:"]
        for name in ("alice", "bob", "marker"):
            lines += [f"  {name}:", f"    ed25519_pubkey: {openme.text(getattr(self, name).public)}"]
        return "\n".join([*lines, *more, ""])

    def warnings(self):
        return [line.get("why", "") for line in self.daemon.lines() if line["level"] == "warn"]

    def assert_serves(self):
        self.assert_shut()
        self.knock()
        self.assert_opens()

    def test_files_from_windows(self):
        text = self.text_of().replace("\n", "\r\n")
        for encoding in ("utf-8-sig", "utf-16", "utf-16-be"):
            with self.subTest(encoding=encoding):
                mark = "\ufeff" if encoding == "utf-16-be" else ""
                self.start_bytes((mark + text).encode(encoding))
                self.assert_serves()
                self.daemon.stop()
                self.server.flush_rules()

    def test_a_key_with_a_line_break(self):
        key = openme.text(self.server_key.secret)
        self.start_bytes(self.text_of().replace(key, f"|\n    {key}").encode())
        self.assert_serves()

    def test_one_key_for_two_clients(self):
        """Its knocks are the first one's, by name, and shut out as soon as either is."""
        twin = ["  zoe:", f"    ed25519_pubkey: {openme.text(self.alice.public)}",
                f"    allowed_ports: [{OTHER_PORT}/tcp]"]
        self.start_bytes(self.text_of(*twin).encode())
        self.assertTrue([w for w in self.warnings() if 'zoe' in w and 'of client "alice"' in w])
        self.knock()
        self.assert_opens()
        self.assert_shut(port=OTHER_PORT)
        self.daemon.file.write_text(self.text_of(*twin, "    revoked: true"))
        self.daemon.reload()
        self.assert_shuts()
        self.knock()
        self.assertEqual(self.settle(), set())

    def test_a_client_without_a_key(self):
        self.start_bytes(self.text_of("  erik:", "    ed25519_pubkey: ''",
                                      f"    allowed_ports: [{OTHER_PORT}/tcp]").encode())
        self.assertTrue([w for w in self.warnings() if "clients.erik" in w and "skipped" in w])
        self.assert_shut(port=OTHER_PORT)
        self.assert_serves()
        self.assertRegex(self.postern("list"), r"(?m)^erik .*skipped")

    def test_a_timeout_that_is_too_short(self):
        self.start_bytes(self.text_of(knock_timeout="500ms").encode())
        self.knock()
        self.assert_opens()
        self.assert_shuts()
        self.assertTrue([w for w in self.warnings() if "taken for 1s" in w])

    def test_a_timeout_that_is_too_long(self):
        self.start_bytes(self.text_of(knock_timeout="48h").encode())
        self.knock()
        self.assert_opens()
        [session] = json.loads(self.postern("--json", "sessions"))["active_sessions"]
        self.assertEqual(session["client_name"], "alice")
        ends = datetime.fromisoformat(session["expires_at"].replace("Z", "+00:00"))
        left = (ends - datetime.now(timezone.utc)).total_seconds()
        self.assertLessEqual(left, 24 * 3600)
        self.assertGreater(left, 23 * 3600)

    def test_an_octal_port(self):
        self.start_bytes(self.text_of().replace(str(KNOCK_PORT), oct(KNOCK_PORT).replace("o", "")).encode())
        self.assert_serves()

    def test_a_profile_of_an_app(self):
        """A seed with 32 zero bytes, no public key, saved by PowerShell."""
        self.start_bytes(self.text_of().encode())
        seed = openme.private_bytes(self.alice.private)
        profile = (f"profiles:\n  home:\n    server_host: {self.address(4)}\n"
                   f"    server_udp_port: {KNOCK_PORT}\n"
                   f"    server_pubkey: {openme.text(self.server_key.public)}\n"
                   f"    private_key: {base64.b64encode(seed + bytes(32)).decode()}\n"
                   '    public_key: ""\n    post_knock: ""\n')
        file = self.daemon.folder / "client.yaml"
        file.write_bytes(profile.encode("utf-16"))
        file.chmod(0o600)
        self.assert_shut()
        self.client.run(program("postern"), "--client-config", file, "knock", "home")
        self.assert_opens()


class ExpiresTest(ToolTest):
    def test_for_how_long(self):
        self.init()
        for name, words, seconds in (("a", "12h", 43200), ("b", "30d", 30 * 86400),
                                     ("c", "2w", 14 * 86400), ("d", "1h30m", 5400)):
            with self.subTest(words=words):
                before = datetime.now(timezone.utc).timestamp()
                self.tool("add", name, "--expires", words)
                after = datetime.now(timezone.utc).timestamp()
                [shown] = [client for client in json.loads(self.tool("--json", "list"))["clients"]
                           if client["name"] == name]
                ends = datetime.fromisoformat(shown["expires"].replace("Z", "+00:00")).timestamp()
                self.assertTrue(int(before) <= ends - seconds <= after, shown)

    def test_what_is_no_time(self):
        self.init()
        for words, said in (("30", "12h, 30d or 2w"), ("30 d", "12h, 30d or 2w"),
                            ("99999999d", "12h, 30d or 2w"), ("-1d", "12h, 30d or 2w"),
                            ("2027-01-01T12:00:00", "the time zone with it")):
            with self.subTest(words=words):
                done = self.run_tool("add", "a", f"--expires={words}")
                self.assertEqual(done.returncode, USAGE, done.stderr)
                self.assertIn(said, done.stderr)


class ProfilesTest(ToolTest):
    def test_one_that_makes_no_sense(self):
        key = openme.ClientKey()
        file = self.room / "client.yaml"
        file.write_text("profiles:\n  home:\n    server_host: gate\n"
                        f"    server_pubkey: {openme.text(openme.ServerKey().public)}\n"
                        f"    private_key: {openme.text(key.secret)}\n  work:\n")
        file.chmod(0o600)
        done = self.run_tool("profiles")
        self.assertEqual(done.returncode, 0)
        self.assertIn("home", done.stdout)
        self.assertNotIn("work", done.stdout)
        self.assertIn("client.yaml:6:3: profiles.work.server_host: not given", done.stderr)
        self.assertIn("gate", self.tool("profiles", "home"))
        self.assertIn("profiles.work.server_host", self.run_tool("knock", "work").stderr)
