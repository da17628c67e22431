"""The tool's commands on a server without a daemon: files, output, exit codes, codes for phones."""

import base64
import contextlib
import json
import os
import pty
import re
import stat
import subprocess

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import openme
from daemon import program
from terminal import Terminal
from tool import CONFIG, HOST, PERMISSION, UNPRIVILEGED, USAGE, ToolTest


def decoded(image):
    # Among the dots there is a bar code of another kind now and then.
    done = subprocess.run(["zbarimg", "--quiet", "--raw", "--nodbus", "-Sdisable",
                           "-Sqrcode.enable", image], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class ServerTest(ToolTest):
    def test_init(self):
        text = self.init("--port", "4433")
        written = yaml.safe_load(self.config.read_text())["server"]
        self.assertEqual(mode(self.config), 0o600)
        self.assertEqual(mode(self.config.parent), 0o700)
        self.assertEqual((written["host"], written["udp_port"]), (HOST, 4433))
        public = openme.public_bytes(
            X25519PrivateKey.from_private_bytes(base64.b64decode(written["private_key"])))
        for word in (str(self.config), HOST, "4433", openme.text(public)):
            self.assertIn(word, text)
        self.assertNotIn(written["private_key"], text)

    def advice_of_init(self, mounts):
        """What it says to do next where the file has its usual place, on a host made by `mounts`."""
        done = subprocess.run(["unshare", "--mount", "sh", "-ec", "mount -t tmpfs none /etc; "
                               f'mount -t tmpfs none /run; {mounts}; exec "$0" init --server {HOST}',
                               program("postern")], text=True, stdout=subprocess.PIPE, check=True)
        return done.stdout.partition("Next steps:")[2]

    def test_init_advises_activation_where_a_service_is_installed(self):
        unit = "mkdir -p /run/systemd/system; touch /run/systemd/system/posternd.service"
        script = "mkdir /etc/init.d; touch /etc/init.d/posternd; chmod 755 /etc/init.d/posternd"
        for mounts in (unit, script):
            text = self.advice_of_init(mounts)
            self.assertIn("\n       postern activate --dry-run\n       postern activate\n", text)
            self.assertNotIn("systemctl", text)
        text = self.advice_of_init("true")
        self.assertIn("\n       posternd\n", text)
        self.assertNotIn("activate", text)

    def test_init_as_json(self):
        told = json.loads(self.init("--port", "4433", "--json"))
        written = yaml.safe_load(self.config.read_text())["server"]
        public = openme.public_bytes(
            X25519PrivateKey.from_private_bytes(base64.b64decode(written["private_key"])))
        self.assertEqual(told, {"config": str(self.config), "host": HOST, "udp_port": 4433,
                                "public_key": openme.text(public)})

    def test_init_keeps_what_is_there(self):
        self.init()
        before = self.server_files()
        self.tool("init", "--server", "other.example.org", code=1)
        self.assertEqual(self.server_files(), before)
        self.init("--force")
        self.assertNotEqual(self.server_files(), before)

    def test_init_refuses(self):
        for words in ([], ["--server", ""], ["--server", "a b"], ["--server", "$(id)"],
                      *(["--server", HOST, *more] for more in (
                          ["--port", "0"], ["--port", "65536"], ["--port", "22x"], ["--port", ""],
                          ["--firewall", "pf"], ["--interface", "e/0"], ["--force=yes"],
                          ["extra"], ["--prot", "1"], ["-x"], ["--port"]))):
            with self.subTest(words=words):
                done = self.run_tool("init", *words)
                self.assertEqual(done.returncode, USAGE, done.stderr)
                self.assertIn("Try 'postern init --help'", done.stderr)
                self.assertEqual(self.server_files(), {})

    def test_add_prints_a_profile_and_keeps_no_secret(self):
        self.init()
        done = self.run_tool("add", "alice", "--ports", "default,8080-8090/tcp", "--port", "53/udp",
                             "--expires", "2027-01-01T12:00:00+01:00")
        self.assertEqual(done.returncode, 0, done.stderr)
        profile = yaml.safe_load(done.stdout)["profiles"]["default"]
        server = yaml.safe_load(self.config.read_text())["server"]
        self.assertEqual(profile["server_host"], HOST)
        self.assertEqual(profile["server_udp_port"], 54154)
        self.assertEqual(profile["server_pubkey"], server["public_key"])
        secret = base64.b64decode(profile["private_key"])
        public = openme.public_bytes(Ed25519PrivateKey.from_private_bytes(secret[:32]))
        self.assertEqual(secret[32:], public)
        self.assertEqual(profile["public_key"], openme.text(public))

        file = self.config.parent / "clients.d/alice.yaml"
        client = yaml.safe_load(file.read_text())["clients"]["alice"]
        self.assertEqual(mode(file), 0o600)
        self.assertEqual(client["ed25519_pubkey"], openme.text(public))
        self.assertEqual(client["allowed_ports"], ["default", "8080-8090/tcp", "53/udp"])
        self.assertEqual(client["expires"].isoformat(), "2027-01-01T11:00:00+00:00")
        for path, data in self.server_files().items():
            for form in (profile["private_key"].encode()[:40], secret[:32],
                         secret[:32].hex().encode()):
                self.assertNotIn(form, data, path)
        self.assertNotIn(profile["private_key"][:40], done.stderr)

    def test_the_names_of_profiles(self):
        self.init()
        text = self.config.read_text().replace("server:\n", "server:\n  default_profile: home\n")
        self.config.write_text(text)
        self.assertEqual(list(yaml.safe_load(self.tool("add", "a"))["profiles"]), ["home"])
        for name in ("work", "yes", "123"):
            shown = self.tool("add", "b" + name, "--profile", name)
            self.assertEqual(list(yaml.safe_load(shown)["profiles"]), [name])

    def test_a_picture_for_a_phone(self):
        self.init()
        picture = self.room / "alice.png"
        profile = yaml.safe_load(self.tool("add", "alice", "--qr-out", picture))
        profile = profile["profiles"]["default"]
        self.assertEqual(mode(picture), 0o600)
        self.assertEqual(decoded(picture), {
            "profile": "default", "host": HOST, "udp_port": 54154,
            "server_pubkey": profile["server_pubkey"],
            "client_privkey": profile["private_key"], "client_pubkey": profile["public_key"],
            "shield_key": profile["shield_key"]})

    def test_a_picture_without_the_private_key(self):
        self.init()
        picture = self.room / "bob.png"
        profile = yaml.safe_load(self.tool("add", "bob", "--no-privkey", "--qr-out", picture))
        profile = profile["profiles"]["default"]
        self.assertIn("private_key", profile)
        self.assertIn("shield_key", profile)
        self.assertEqual(decoded(picture), {
            "profile": "default", "host": HOST, "udp_port": 54154,
            "server_pubkey": profile["server_pubkey"], "client_pubkey": profile["public_key"]})

    def photograph(self, rows):
        """Rows of 0 (light) and 1 (dark) as an image file."""
        lines = [b"".join((b"\0" if dark else b"\xff") * 8 for dark in row) for row in rows]
        path = self.room / "photograph.pgm"
        path.write_bytes(b"P5 %d %d 255\n" % (len(lines[0]), 8 * len(lines)) +
                         b"".join(line * 8 for line in lines))
        return decoded(path)

    def test_a_drawing_in_half_blocks(self):
        self.init()
        done = self.run_tool("add", "alice", "--qr", environment={"LC_ALL": "C.UTF-8"})
        profile = yaml.safe_load(done.stdout)["profiles"]["default"]
        drawing = [line for line in done.stderr.split("\n") if line and not line.strip(" ▀▄█")]
        rows = []
        for line in drawing:
            rows += [[c in "▀█" for c in line], [c in "▄█" for c in line]]
        self.assertEqual(self.photograph(rows)["client_privkey"], profile["private_key"])

    def test_a_drawing_in_ascii(self):
        self.init()
        done = self.run_tool("add", "alice", "--qr", environment={"LC_ALL": "C"})
        profile = yaml.safe_load(done.stdout)["profiles"]["default"]
        self.assertTrue(done.stderr.isascii())
        drawing = [line for line in done.stderr.split("\n") if line and not line.strip(" #")]
        rows = [[c == "#" for c in line[::2]] for line in drawing]
        self.assertEqual(self.photograph(rows)["client_privkey"], profile["private_key"])

    def at_a_terminal(self, *words, rows=60):
        """What is seen, and the exit status."""
        terminal = Terminal(program("postern"), "--config", self.config, "--control",
                            self.control, *words, rows=rows, columns=100)
        self.addCleanup(terminal.close)
        self.assertTrue(terminal.has_ended())
        return terminal.came, terminal.process.returncode

    @staticmethod
    def modules(drawing):
        """Of a drawing in half blocks and colours, row by row."""
        rows = []
        for line in re.findall(r"\x1b\[38;5;16;48;5;231m(.*?)\x1b\[0m", drawing):
            rows += [[c in "▀█" for c in line], [c in "▄█" for c in line]]
        return rows

    def test_a_terminal_shows_the_key_in_the_code_alone(self):
        self.init()
        came, code = self.at_a_terminal("add", "alice", "--qr")
        self.assertEqual(code, 0, came)
        self.assertNotIn("private_key", came)
        told = self.photograph(self.modules(came))
        self.assertNotIn(told["client_privkey"], came)
        file = self.config.parent / "clients.d/alice.yaml"
        client = yaml.safe_load(file.read_text())["clients"]["alice"]
        self.assertEqual(client["ed25519_pubkey"], told["client_pubkey"])
        self.assertIn("direct the output to a file", came)
        self.assertNotIn("--qr-out", came)  # it fits

    def test_a_terminal_shows_the_key_where_it_is_nowhere_else(self):
        self.init()
        for number, words in enumerate((["--qr", "--no-privkey"], ["--qr", "--json"], [])):
            came, code = self.at_a_terminal("add", f"c{number}", *words)
            self.assertEqual(code, 0, came)
            self.assertRegex(came, "private_key: |client_privkey")

    def test_a_terminal_that_is_too_small_for_a_code(self):
        self.init()
        came, code = self.at_a_terminal("add", "alice", "--qr", rows=24)
        self.assertEqual(code, 0, came)
        self.assertRegex(came, r"this terminal has\s+24 and\s+100")
        self.assertIn("--qr-out", came)

    def test_a_terminal_gets_colours_unless_refused(self):
        self.init()
        self.tool("add", "alice")
        for refused in ("", "1"):
            with self.subTest(NO_COLOR=refused):
                ours, theirs = pty.openpty()
                self.run_tool("list", environment={"NO_COLOR": refused, "TERM": "xterm"},
                              stdout=theirs)
                os.close(theirs)
                shown = b""
                with contextlib.suppress(OSError):  # EIO: all has been read
                    while part := os.read(ours, 10000):
                        shown += part
                os.close(ours)
                shown = shown.decode()
                self.assertIn("alice", shown)
                self.assertEqual("\033[" in shown, not refused)

    def test_a_key_made_elsewhere(self):
        self.init()
        key = openme.text(openme.ClientKey().public)
        profile = yaml.safe_load(self.tool("add", "phone", "--public-key", key))
        profile = profile["profiles"]["default"]
        self.assertEqual(profile["public_key"], key)
        self.assertNotIn("private_key", profile)
        self.assertIn("shield_key", profile)

    def test_add_as_json(self):
        self.init()
        shown = json.loads(self.tool("add", "alice", "--json"))
        self.assertEqual(set(shown), {"profile", "host", "udp_port", "server_pubkey",
                                      "client_privkey", "client_pubkey", "shield_key"})

    def test_targets(self):
        self.init()
        for number, (words, targets) in enumerate((
                (["--targets", "any"], ["any"]), (["--targets", "source"], ["source"]), ([], None),
                (["--targets", "10.0.0.0/8, 2001:db8::/32", "--targets", "192.0.2.7"],
                 ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]))):
            self.tool("add", f"c{number}", *words)
            file = self.config.parent / f"clients.d/c{number}.yaml"
            client = yaml.safe_load(file.read_text())["clients"][f"c{number}"]
            self.assertEqual(client.get("targets"), targets)

    def test_a_reader_that_is_gone(self):
        self.init()
        before = self.server_files()
        ours, theirs = os.pipe()
        os.close(ours)
        self.assertEqual(self.run_tool("add", "alice", stdout=theirs).returncode, 1)
        os.close(theirs)
        self.assertEqual(self.server_files(), before)

    def test_the_name_of_a_service_in_place_of_a_port(self):
        self.init()
        for words, said in (("ssh", "22/tcp"), ("22/tcp,https", "443/tcp or 443/udp")):
            done = self.run_tool("add", "alice", "--ports", words)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"did you mean {said}?", done.stderr)
        self.assertNotIn("did you mean", self.run_tool("add", "a", "--ports", "nonsense").stderr)
        text = self.config.read_text().replace("ports:\n", "ports:\n  ssh: [2200/tcp]\n", 1)
        self.config.write_text(text)
        self.tool("add", "alice", "--ports", "ssh")

    def test_a_time_without_a_zone(self):
        self.init()
        for number, (when, taken) in enumerate((
                ("2037-01-01", "2037-01-01T00:00:00Z"),
                ("2037-01-01 12:30:00", "2037-01-01T12:30:00Z"),
                ("2037-01-01T12:30:00Z", None), ("2037-01-01T12:30:00+01:00", None),
                ("2037-01-01 12:30:00 +01:00", False), ("30d", None))):
            done = self.run_tool("add", f"c{number}", "--expires", when)
            self.assertEqual(done.returncode, USAGE if taken is False else 0, done.stderr)
            note = f"--expires {when} names no time zone; taken as UTC: {taken}"
            self.assertEqual(note in done.stderr, bool(taken), done.stderr)

    def test_without_a_configuration(self):
        for words in (["list"], ["add", "a"], ["revoke", "a"], ["config", "check"],
                      ["config", "show"], ["index"]):
            done = self.run_tool(*words)
            self.assertEqual(done.returncode, CONFIG)
            self.assertIn(f"{self.config}: there is no such file; `postern init` makes one",
                          done.stderr)

    def test_the_state_of_a_server_that_is_not_known(self):
        self.init()
        profile = self.room / "client.yaml"
        profile.touch(mode=0o600)
        profile.write_text(self.tool("add", "alice").replace(HOST, "nowhere.invalid"))
        for words in (["status"], ["status", "--knock"]):
            told = json.loads(self.tool("--json", *words, code=1))
            self.assertEqual((told["host"], told["open"], told["address"], told["answer"]),
                             ("nowhere.invalid", False, None, None))
            self.assertEqual(self.tool(*words[:1], "--quiet", *words[1:], code=1), "")

    def test_add_refuses_bad_words(self):
        self.init()
        before = self.server_files()
        zero = "A" * 43 + "="
        for words in (
                [], [""], ["a\n"], ["a\u200bb"], [" a"], ["a" * 256], ["alice", "bob"],
                ["a", "--expires", "2026-13-01"], ["a", "--expires", "tomorrow"],
                ["a", "--expires", ""], ["a", "--expires", "2026-02-30"],
                ["a", "--ports", "0/tcp"], ["a", "--ports", "70000/tcp"],
                ["a", "--ports", "22/tpc"], ["a", "--ports", "90-80/tcp"], ["a", "--ports", ""], ["a", "--ports", "22/tcp,,80"],
                ["a", "--targets", ""], ["a", "--targets", "10.0.0.1/8"],
                ["a", "--targets", "sauce"], ["a", "--port", "22/"], ["a", "--public-key", "AAAA"], ["a", "--public-key", ""],
                ["a", "--profile", "a\tb"], ["a", "--nonsense"], ["a", "--qr-out"],
                ["a", "--qr=yes"]):
            with self.subTest(words=words):
                done = self.run_tool("add", *words)
                self.assertEqual(done.returncode, USAGE, done.stderr)
                self.assertIn("Try 'postern add --help'", done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertEqual(self.server_files(), before)
        for words in (["a", "--ports", "webb"], ["a", "--public-key", zero],
                      ["a", "--targets", "any,source"]):
            with self.subTest(words=words):
                self.assertEqual(self.tool("add", *words, code=1), "")
                self.assertEqual(self.server_files(), before)

    def test_add_leaves_nothing_half_done(self):
        self.init()
        self.tool("add", "taken")
        before = self.server_files()
        picture = self.room / "picture.png"
        self.assertEqual(self.tool("add", "taken", "--qr-out", picture, code=1), "")
        self.assertEqual(self.tool("add", "a", "--qr-out", self.room / "none/a.png", code=1), "")
        self.assertEqual(self.tool("add", "a", "--qr-out", self.room, code=1), "")
        (self.room / "link.png").symlink_to(self.config)
        self.assertEqual(self.tool("add", "a", "--qr-out", self.room / "link.png", code=1), "")
        (self.room / "link.png").unlink()
        with open("/dev/full", "w") as full:
            done = self.run_tool("add", "a", "--qr-out", picture, stdout=full)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(self.server_files(), before)
        self.tool("add", "a")

    def test_add_without_a_configuration(self):
        self.tool("add", "alice", code=CONFIG)
        self.assertFalse(self.config.parent.exists())

    def test_add_needs_a_host_to_print(self):
        self.init()
        self.config.write_text(self.config.read_text().replace(f'host: "{HOST}"', 'host: ""'))
        before = self.server_files()
        self.tool("add", "alice", code=CONFIG)
        self.assertEqual(self.server_files(), before)

    def test_list_and_revoke(self):
        self.init()
        self.assertIn("No clients", self.tool("list"))
        self.tool("add", "alice", "--ports", "22/tcp,53/udp")
        self.tool("add", "bob", "--expires", "2020-01-01")
        self.tool("add", "carol")
        self.assertIn("alice", self.run_tool("revoke", "alise").stderr)
        self.tool("revoke", "alise", code=1)
        self.tool("revoke", "carol")
        self.tool("revoke", "carol")
        shown = {c["name"]: c for c in json.loads(self.tool("list", "--json"))["clients"]}
        self.assertEqual({name: c["status"] for name, c in shown.items()},
                         {"alice": "active", "bob": "expired", "carol": "revoked"})
        self.assertEqual(shown["alice"]["ports"], ["22/tcp", "53/udp"])
        self.assertEqual(shown["bob"]["expires"], "2020-01-01T00:00:00Z")
        self.assertIsNone(shown["alice"]["expires"])
        text = self.tool("list")
        for client in shown.values():
            self.assertRegex(
                text, rf"(?m)^{client['name']} +{client['fingerprint']} +{client['status']} ")
        self.tool("add", "carol", code=1)

    def test_config(self):
        self.init()
        secret = yaml.safe_load(self.config.read_text())["server"]["private_key"]
        self.tool("config", "check")
        shown = self.tool("config", "show")
        self.assertEqual(yaml.safe_load(shown)["server"]["host"], HOST)
        self.assertNotIn(secret, shown)
        self.assert_names_are_shown("1e5", "0x1f", "0b1", "0o17", "1_000", "2026-01-02", "12e03", "0.5",
                                    "no", "null", "4.example.org", "one")
        bad = self.room / "bad.yaml"
        bad.touch(0o600)
        bad.write_text("server:\n  nonsense: 1\n")
        done = self.run_tool("config", "check", "--file", bad)
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn(f"{bad}:2:3: ", done.stderr)
        for words in ([], ["frobnicate"], ["check", "show"]):
            self.tool("config", *words, code=USAGE)

    def assert_names_are_shown(self, *names):
        """As strings, to every reader of YAML."""
        for name in names:
            self.tool("add", name, "--ports", "80,8080-8090/tcp")
        shown = self.tool("config", "show")
        clients = yaml.safe_load(shown)["clients"]
        self.assertEqual(set(clients), set(names))
        self.assertEqual(clients["one"]["allowed_ports"], ["80", "8080-8090/tcp"])
        for name in names:
            quoted = re.search(rf'(?m)^  "{re.escape(name)}":$', shown)
            self.assertEqual(quoted is None, name == "one", name)

    def test_without_permission(self):
        self.init()
        self.room.chmod(0o755)
        self.config.parent.chmod(0o755)
        for words in (["list"], ["add", "alice"], ["config", "check"]):
            self.tool(*words, code=PERMISSION, user=UNPRIVILEGED)


class UsageTest(ToolTest):
    def test_no_command(self):
        done = self.run_tool()
        self.assertEqual((done.returncode, done.stdout), (USAGE, ""))
        self.assertIn("knock", done.stderr)

    def test_unknown_words(self):
        for words, hint in ((["knok"], "knock"), (["--nonsense", "list"], "--nonsense"),
                            (["list", "--nonsense"], "--nonsense"),
                            (["--json=2", "list"], "--json"), (["list", "extra"], "extra"), (["-q", "list"], "-q"),
                            (["list", "--control"], "--control")):
            with self.subTest(words=words):
                done = self.run_tool(*words)
                self.assertEqual(done.returncode, USAGE)
                self.assertIn(hint, done.stderr.splitlines()[0])
                self.assertIn("--help", done.stderr.splitlines()[1])

    def test_help_of_every_command(self):
        for words in (["--help"], ["help"], ["-h"]):
            usage = self.tool(*words)
        commands = re.findall(r"^  ([a-z]+) ", usage.split("\nOptions")[0], re.M)
        self.assertGreaterEqual(len(commands), 11)
        for command in commands:
            with self.subTest(command=command):
                self.assertIn("Example", self.tool(command, "--help"))

    def test_version(self):
        for words in (["--version"], ["-V"], ["list", "--version"]):
            self.assertRegex(self.tool(*words), r"^postern \d+\.\d+")

    def test_global_options_after_the_command(self):
        self.init()
        other = self.room / "other.yaml"
        self.config.rename(other)
        self.tool("list", code=CONFIG)
        shown = json.loads(self.tool("list", "--json", "--config", other))
        self.assertEqual(shown, {"clients": [], "devices": []})

    def test_output_that_does_not_get_out(self):
        self.init()
        for words in (["list"], ["config", "show"], ["--help"]):
            with self.subTest(words=words), open("/dev/full", "w") as full:
                self.assertEqual(self.run_tool(*words, stdout=full).returncode, 1)
