"""Names as people type them: served, shown, escaped where they could harm, and skipped where they
cannot be seen."""

import json
import subprocess
import time
from pathlib import Path

import openme
import yaml
from daemon import program
from netns import eventually
from tool import FAILED, USAGE, ToolTest
from world import KNOCK_PORT, LONG, SERVICE_PORT, WorldTest

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = {"Ann's phone": "Ann%27s%20phone", "J\u00fcrgen": "J%C3%BCrgen",
          "alice+phone": "alice%2Bphone", "_alice": "_alice", "alice/phone": "alice%2Fphone",
          "a" * 64: "a" * 64, "\u0422\u0435\u043b\u0435\u0444\u043e\u043d \u0418\u0432\u0430\u043d\u0430": None,
          'a "b" \\c: #': None, "\U0001f4f1": "%F0%9F%93%B1"}
LONG_NAME = "\u0416" * 64  # too long for a label
ODD = ('"a\\x07b"', '"a\\0b"', '"a\\u200bb"', '"\\u202eb"', '"a\\x85b"', '" a"', '"a "', "''",
       "b" * 256)
IN_FORCE = "the configuration is in force, but"


class ServedTest(WorldTest):
    tcp_ports = (SERVICE_PORT, 8080)
    server_settings = {"knock_timeout": LONG}

    def begin(self, *names):
        """A daemon with clients of those names, each with a key of its own."""
        self.keys = {name: openme.ClientKey() for name in names}
        configuration = self.configuration()
        configuration["clients"] |= {
            name: self.client_entry(key) for name, key in self.keys.items()}
        self.start(yaml.safe_dump(configuration, allow_unicode=True))

    def test_people_are_let_in(self):
        self.begin(*PEOPLE, LONG_NAME)
        for name, key in self.keys.items():
            with self.subTest(name=name):
                target = f"203.0.113.{list(self.keys).index(name) + 1}"
                self.knock(key, target=target)
                self.assertTrue(eventually(lambda t=target: t in self.granted()))
        told = json.loads(self.postern("--json", "sessions"))
        self.assertEqual({s["client_name"] for s in told["active_sessions"]}, set(self.keys))
        self.assertEqual(set(told["last_seen"]), set(self.keys))
        shown = self.postern("sessions")
        for name in self.keys:
            self.assertIn(f"  {name} ", shown)
        for name, label in PEOPLE.items():
            if label:
                self.assertEqual(len(self.verdicts("granted", client=label)), 1, label)
                self.assertIn(f'comment "{label}"', self.server.run("nft", "list", "ruleset"))
        self.assertEqual(self.daemon.events(message=IN_FORCE), [])

    def test_grants_outlive_the_daemon(self):
        self.begin("Ann's phone", LONG_NAME)
        for number, key in enumerate(self.keys.values(), 1):
            self.knock(key, target=f"203.0.113.{number}")
        self.assertTrue(eventually(lambda: len(self.granted()) == 2))
        self.daemon.stop()
        self.daemon.start()
        told = json.loads(self.postern("--json", "sessions"))
        self.assertEqual({s["client_name"] for s in told["active_sessions"]}, set(self.keys))

    def test_revoked_by_name(self):
        self.begin("Ann's phone", "alice/phone")
        for name, key in self.keys.items():
            with self.subTest(name=name):
                self.knock(key)
                self.assert_opens()
                self.postern("revoke", name)
                self.assert_shuts()
                self.assertTrue((self.daemon.folder / "clients.d" /
                                 f"{PEOPLE[name]}+revoked.yaml").is_file())
        listed = self.postern("list")
        self.assertRegex(listed, r"(?m)^Ann's phone  .* revoked ")

    def test_a_group_with_blanks(self):
        configuration = self.configuration({"bob": {"allowed_ports": ["web admin"]}},
                                           {"web admin": ["8080/tcp"]})
        self.start(yaml.safe_dump(configuration))
        self.assert_shut(port=8080)
        self.knock(self.bob)
        self.assert_opens(port=8080)
        self.assertRegex(self.postern("list"), r"(?m)^bob .* web admin$")


class SkippedTest(WorldTest):
    tcp_ports = (SERVICE_PORT, 8080)
    server_settings = {"knock_timeout": LONG, "shutdown": "remove"}

    def odd(self):
        """Configurations with one odd name in each, and the key of that client."""
        configuration = self.configuration()
        clients = configuration.pop("clients")
        text = yaml.safe_dump(configuration) + yaml.safe_dump({"clients": clients})
        for name in ODD:
            key = openme.ClientKey()
            yield name, key, (f"{text}  {name}:\n    ed25519_pubkey: {openme.text(key.public)}\n"
                              "    allowed_ports: [8080/tcp]\n")

    def test_one_odd_name_shuts_nobody_out(self):
        for name, key, text in self.odd():
            with self.subTest(name=name[:20]):
                self.start(text)
                said = self.daemon.events(message=IN_FORCE)
                self.assertEqual(len(said), 1)
                self.assertRegex(said[0]["why"], r":\d+:3: clients: found .*; expected a name of "
                                                 r"up to 255 bytes.*; the client is skipped$")
                self.knock(key)
                self.assertEqual(self.settle(), set())
                self.assert_shut(port=8080)
                self.knock()
                self.assert_opens()
                self.daemon.reload()
                self.assertEqual(len(self.daemon.events(message=IN_FORCE)), 2)
                told = json.loads(self.postern("--json", "config", "check"))
                self.assertEqual((told["valid"], len(told["warnings"])), (True, 1))

    def test_the_index_keeps_them_skipped(self):
        name, key, text = next(self.odd())
        self.start(text)
        folder = self.daemon.folder / "clients.d"
        folder.mkdir()
        folder.chmod(0o700)
        for number, odd in enumerate(ODD):
            file = folder / f"{number}.yaml"
            file.write_text(f"clients:\n  {odd.replace('a', chr(99 + number))}:\n    ed25519_pubkey: "
                            f"{openme.text(openme.ClientKey().public)}\n")
            file.chmod(0o600)
        time.sleep(2.2)  # so old, a file is kept
        self.postern("index", "--state-dir", self.daemon.state)
        self.daemon.reload()
        self.assertEqual(len(self.daemon.events(message=IN_FORCE)), 2 + len(ODD))
        self.knock(key)
        self.knock()
        self.assert_opens()
        self.assert_shut(port=8080)
        self.assertEqual(self.postern("list").count(" skipped "), 1 + len(ODD))

    def test_when_all_are_skipped(self):
        configuration = self.configuration({"alice": {"allowed_ports": ["webb"]}})
        configuration["clients"] = {"alice": configuration["clients"]["alice"]}
        self.start(configuration)
        self.assertRegex(self.daemon.events(message=IN_FORCE)[-1]["why"],
                         "every client is skipped: no knock opens anything")
        self.knock()
        self.assertTrue(eventually(lambda: self.verdicts("no_ports", client="alice")))
        self.assertEqual(self.granted(), set())


class ClientNamesTest(WorldTest):
    def test_a_profile_with_blanks(self):
        self.start()
        path = self.folder / "client.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump({"profiles": {
            name: {"server_host": self.address(4), "server_udp_port": KNOCK_PORT,
                   "server_pubkey": openme.text(self.server_key.public),
                   "private_key": openme.text(self.alice.secret)}
            for name in ("My server", "B\u00fcro", "a\x07b", "")}, }, allow_unicode=True))
        tool = (program("postern"), "--client-config", path)
        self.client.run(*tool, "knock", "My server")
        self.assert_opens()
        shown = json.loads(self.client.run(*tool, "knock", "B\u00fcro", "--json").splitlines()[-1])
        self.assertEqual(shown["profile"], "B\u00fcro")
        listed = self.client.run(*tool, "profiles")
        self.assertIn("B\u00fcro  ", listed)
        self.assertIn("a\\x07b", listed)


class ToolNamesTest(ToolTest):
    def test_added_listed_revoked(self):
        self.init()
        for name in (*PEOPLE, LONG_NAME, "..", "-x"):
            with self.subTest(name=name):
                profile = yaml.safe_load(self.tool("add", "--profile", name, "--", name))
                self.assertEqual(list(profile["profiles"]), [name])
                self.assertEqual(self.tool("list", "--names").splitlines().count(name), 1)
                self.assertEqual(json.loads(self.tool("--json", "revoke", "--", name))["client"],
                                 name)
        told = json.loads(self.tool("--json", "list", "--names"))["clients"]
        self.assertEqual({c["status"] for c in told}, {"revoked"})
        folder = self.config.parent / "clients.d"
        self.assertEqual(len(list(folder.iterdir())), 2 * len(told))
        self.assertEqual({p.parent for p in self.config.parent.rglob("*.yaml")},
                         {folder, self.config.parent})
        for file in folder.iterdir():
            self.assertRegex(file.name, r"^[A-Za-z0-9_%][A-Za-z0-9._@%+-]*\.yaml$")

    def test_two_that_are_cut_alike(self):
        self.init()
        for name in (LONG_NAME, LONG_NAME + "\u0416"):
            self.tool("add", name)
        self.assertEqual(len(json.loads(self.tool("--json", "list"))["clients"]), 2)

    def test_a_code_for_an_app(self):
        """What a phone reads is JSON, whatever the profile is called."""
        self.init()
        for name in ('a "b" \\c', "J\u00fcrgen's"):
            self.assertEqual(json.loads(self.tool("--json", "add", "--profile", name, name))["profile"],
                             name)

    def test_groups_with_blanks(self):
        self.init()
        self.config.write_text(self.config.read_text().replace(
            "ports:\n", "ports:\n  web admin: [80/tcp]\n  1st floor: [81/tcp]\n", 1))
        self.tool("add", "bob", "--ports", "web admin , 22/tcp", "--ports", "1st floor")
        client, = json.loads(self.tool("--json", "list"))["clients"]
        self.assertEqual((client["ports"], client["status"]),
                         (["web admin", "22/tcp", "1st floor"], "active"))

    def test_an_empty_default_profile(self):
        self.init()
        self.config.write_text(self.config.read_text().replace(
            "server:\n", "server:\n  default_profile: ''\n", 1))
        self.assertEqual(list(yaml.safe_load(self.tool("add", "alice"))["profiles"]), ["default"])

    def test_what_cannot_be_seen_is_refused(self):
        self.init()
        for name in ("a\x07", "a\u200b", "\u202ea", "a\n", " a", "a ", "", "a" * 256, b"a\xff"):
            with self.subTest(name=name):
                done = subprocess.run(
                    [program("postern"), "--config", self.config, "add", name],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
                self.assertEqual(done.returncode, USAGE)
                self.assertRegex(done.stderr, rb"name \".*\": expected a name of up to 255 bytes")

    def test_the_nearest_name(self):
        self.init()
        self.tool("add", "Ann's phone")
        done = self.run_tool("revoke", "Anns phone")
        self.assertEqual(done.returncode, FAILED)
        self.assertIn('did you mean "Ann\'s phone"?', done.stderr)

    def test_completed_by_bash(self):
        self.init()
        for name in ("Ann's phone", "Anton", "J\u00fcrgen"):
            self.tool("add", name)
        script = f"""
            postern() {{ {program("postern")} --config {self.config} "$@"; }}
            source {ROOT}/pkg/completion/postern.bash
            COMP_WORDS=(postern revoke "$1") COMP_CWORD=2
            _postern
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        for typed, wanted in (("An", ["Ann\\'s\\ phone", "Anton"]), ("Ann\\'s", ["Ann\\'s\\ phone"])):
            done = subprocess.run(["bash", "-c", script, "-", typed], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(done.stdout.splitlines(), wanted, done.stderr)
