"""Scripts and helpers of the administrator's, in a running daemon: who has which key, for how long,
and rules of their own. The gate that rule scripts open is a chain of the host's, as it would be
where the original ran."""

import json
import os
import signal
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

from cryptography.hazmat.primitives.serialization import load_pem_private_key

import openspa
from daemon import command_line, descendants
from netns import PATIENCE, eventually
from spa_world import PORT, SpaWorldTest
from world import SERVICE_PORT

VECTORS = Path(__file__).parents[1] / "vectors/openspa-v1.json"
UNUSABLE = ("127.0.0.1", "fe80::1")  # to open for
GATE = f"""
table inet gate {{
	set granted4 {{ type ipv4_addr . inet_service; flags interval; }}
	set granted6 {{ type ipv6_addr . inet_service; flags interval; }}
	chain input {{
		type filter hook input priority filter; policy accept;
		ip saddr . tcp dport @granted4 accept
		ip6 saddr . tcp dport @granted6 accept
		tcp dport {SERVICE_PORT} drop
	}}
}}
"""
DIRECTORY = 'cat "keys/$2.pub"'
RULE = 'exec nft {} element inet gate granted${{2#ipv}} "{{ $3 . $7-$8 }}"'
ADD, REMOVE = RULE.format("add"), RULE.format("delete")


class ScriptsTest(SpaWorldTest):
    server_settings = {"drop_ports": False}

    def setUp(self):
        super().setUp()
        self.server.nft(GATE)

    def place(self, name, body, interpreter="/bin/sh"):
        """A script in the daemon's folder, that notes its arguments in `calls`."""
        path = self.room / name
        path.write_text(f"#!{interpreter}\n{body}\n")
        path.chmod(0o755)
        return name

    def calls(self, script):
        path = self.calls_folder / script
        return path.read_text().splitlines() if path.exists() else []

    def noted(self, name, body):
        """The same, and each call is noted."""
        return self.place(name, f'echo "$*" >> {self.calls_folder}/{name}\n{body}')

    def original(self, scripts=None, prepare=None, **more):
        """A daemon by an original's file, with scripts by name and body."""
        def files(folder):
            self.room = Path(folder)
            self.calls_folder = self.room / "calls"
            self.calls_folder.mkdir(exist_ok=True)
            self.calls_folder.chmod(0o777)
            keys = self.room / "keys"
            keys.mkdir(exist_ok=True)
            for device in (self.phone, self.laptop):
                (keys / f"{device.uuid}.pub").write_text(device.key.public_pem())
            secret = self.room / "server.key"
            secret.write_text(self.spa_key.private_pem())
            secret.chmod(0o600)
            for name, body in (scripts or {}).items():
                self.noted(name, body)
            if prepare:
                prepare()
        named = {"userDirectoryService": "directory", "authorization": "authorization",
                 "ruleAdd": "rule_add", "ruleRemove": "rule_remove", "serverStart": "start",
                 "serverStop": "stop"}
        configuration = {"bind": "'::'", "port": PORT, "privateKey": "server.key",
                         "extensionScripts": {key: name for key, name in named.items()
                                              if name in (scripts or {})}, **more}
        self.start(configuration, prepare=files)

    def somebody(self):
        """A device that nobody knows; making a key for each takes too long."""
        return SimpleNamespace(key=self.phone.key, uuid=uuid.uuid4())

    def all_scripts(self, seconds=2, **more):
        return {"directory": DIRECTORY, "authorization": f"echo {seconds}", "rule_add": ADD,
                "rule_remove": REMOVE, **more}

    def tearDown(self):
        super().tearDown()
        self.assertEqual(self.leftover(), [], "a script's rule outlived the daemon")

    def leftover(self):
        text = self.server.run("nft", "list", "table", "inet", "gate")
        return [line for line in text.splitlines() if "elements" in line]

    # The whole way

    def test_an_original_installation(self):
        """All three kinds of scripts, over both families, with the arguments that the original's
        scripts get."""
        self.original(self.all_scripts(seconds=6))
        for family in (4, 6):
            with self.subTest(family=family):
                client, server = self.address(family, self.client), self.address(family)
                self.assertFalse(self.reaches(family))
                stamp = int(time.time())
                answer = self.granted_for(
                    self.request(family=family, server=server, timestamp=stamp), family=family)
                self.assertEqual(answer[1:], (openspa.TCP, SERVICE_PORT, SERVICE_PORT, 6))
                self.assertTrue(self.reaches(family))
                self.assertIn(str(self.phone.uuid), self.postern("sessions"))
                device, ports = self.phone.uuid, f"{SERVICE_PORT} {SERVICE_PORT}"
                self.assertEqual(self.calls("directory")[0], f"GET_USER_PUBLIC_KEY {device}")
                self.assertEqual(
                    self.calls("authorization")[-1],
                    f"{device} {client} {server} TCP {ports} {stamp} RSA_SHA256 0")
                rule = f"{device} ipv{family} {client} ipv{family} {server} TCP {ports} 0 6"
                self.assertEqual(self.calls("rule_add")[-1], rule)
                self.assert_shuts(family)
                self.assertTrue(eventually(lambda: self.calls("rule_remove")[-1:] == [rule]))

    def test_requests_that_the_original_client_sent(self):
        """Captured, with what the original server gave its scripts; they are old, so the window
        is wide."""
        captured = json.loads(VECTORS.read_text())
        vectors, argv = captured["vectors"], captured["script_argv"]
        devices = {v["client_device_id"]: v for v in vectors}

        def replace_keys():
            (self.room / "server.key").write_text(vectors[0]["server_private_key_pem"])
            for device, v in devices.items():
                (self.room / f"keys/{device}.pub").write_text(v["client_public_key_pem"])
        self.original(self.all_scripts(seconds=180) | {"rule_add": ":", "rule_remove": ":"},
                      prepare=replace_keys, window="1000000h")
        server = load_pem_private_key(vectors[0]["server_private_key_pem"].encode(), None)
        served = [i for i, v in enumerate(vectors) if v["client_ip"] not in UNUSABLE]
        self.assertGreaterEqual(len(served), 6)
        for i, v in enumerate(vectors):
            packet = bytes.fromhex(v["request"])
            if i not in served:
                self.assert_silent(packet)
                continue
            key = load_pem_private_key(v["client_private_key_pem"].encode(), None)
            device = SimpleNamespace(key=SimpleNamespace(private=key))
            answer = openspa.open_response(self.ask(packet), device, server.public_key())
            self.assertEqual(answer[2:], (v["start_port"], v["end_port"], 180))
            self.assert_silent(packet)
        self.assertEqual(self.calls("authorization"), [argv["authorization"][i] for i in served])
        self.assertEqual(self.calls("rule_add"), [argv["rule_add"][i] for i in served])
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(sorted(self.calls("rule_remove")), sorted(self.calls("rule_add")))

    def test_who_is_unknown_to_the_directory(self):
        self.original(self.all_scripts())
        stranger = openspa.Device()
        self.assert_silent(self.request(stranger), "unknown_signer")
        self.assert_silent(self.request(signer=self.laptop.key))
        self.assertTrue(eventually(lambda: len(self.verdicts("unknown_signer")) == 2))
        self.assertEqual(self.calls("authorization"), [])

    def test_replays_run_nothing(self):
        self.original(self.all_scripts())
        packet = self.request()
        self.granted_for(packet)
        for _ in range(3):
            self.assert_silent(packet, "replayed")
        self.assertEqual(len(self.calls("authorization")), 1)
        self.assertEqual(len(self.calls("rule_add")), 1)

    def test_the_same_request_twice_at_once(self):
        """While a script thinks about it."""
        self.original(self.all_scripts() | {"authorization": "sleep 0.5; echo 2"})
        packet = self.request()
        with self.client.socket(2, 2) as s:
            for _ in range(5):
                s.sendto(packet, (self.address(4), PORT))
        self.assert_opens()
        self.assertEqual(len(self.calls("rule_add")), 1)
        self.assertTrue(eventually(lambda: len(self.verdicts("granted")) == 1))
        self.assertTrue(eventually(lambda: len(self.verdicts("replayed")) == 4))
        self.assertEqual(len(self.calls("authorization")), 1, "asked for more than one of them")

    def test_behind_nat(self):
        self.original(self.all_scripts())
        self.granted_for(self.request(nat=True))
        self.assertEqual(self.calls("authorization")[-1].split()[-1], "1")
        self.assertEqual(self.calls("rule_add")[-1].split()[-2], "1")

    # Answers of an authorization

    def test_bad_answers_open_nothing(self):
        answers = {"180abc": "echo 180abc", "-5": "echo -5", "65546": "echo 65546",
                   "empty": ":", "0": "echo 0", "two lines": "echo 1; echo 2",
                   "status": "echo 30; exit 3", "flood": "yes", "killed": "kill -9 $$"}
        for what, body in answers.items():
            with self.subTest(answer=what):
                self.original(self.all_scripts() | {"authorization": body})
                self.assert_silent(self.request())
                self.assertTrue(eventually(lambda: self.verdicts("not_authorized") +
                                           self.verdicts("program_failed")))
                self.assertEqual(len(self.calls("authorization")), 1, "it was not asked")
                self.assertEqual(self.calls("rule_add"), [])
                self.assertFalse(self.reaches())

    def test_a_script_that_hangs(self):
        long = f"sleep 100.{os.getpid()}"
        self.original(self.all_scripts() | {"authorization": f"{long}; echo 30"},
                      scriptDeadline="3s")
        self.assert_silent(self.request(), "program_failed")
        self.assertEqual(len(self.calls("authorization")), 1, "it was not asked")
        self.assertFalse(self.reaches())
        self.assertTrue(eventually(lambda: long not in self.server.run("ps", "-eo", "args")))

    def test_a_flood_against_a_script_that_sleeps(self):
        """1,000 requests; knocks are served meanwhile, and nothing grows without bound."""
        configuration = self.configuration(drop_ports=True)
        configuration["openspa"] = {
            "private_key": "server.key", "script_deadline": "10s",
            "extension_scripts": {"user_directory_service": "directory",
                                  "authorization": "authorization"}}
        def files(folder):
            self.room = Path(folder)
            (self.room / "server.key").touch(mode=0o600)
            (self.room / "server.key").write_text(self.spa_key.private_pem())
            self.place("directory", "sleep 5; exit 1")
            self.place("authorization", "sleep 5; echo 2")
        self.server.run("nft", "delete", "table", "inet", "gate")
        self.start(configuration, prepare=files)
        with self.client.socket(2, 2) as s:
            for i in range(1000):
                s.sendto(self.request(self.somebody()),
                         (self.address(4), PORT))
                if i % 250 == 100:
                    self.knock()
                    self.assert_opens()
                    self.assert_shuts()
        self.assertTrue(self.verdicts("busy"))
        running = sum(command_line(pid) == b"sleep\0005\0"
                      for pid in descendants(self.daemon.process.pid))
        self.assertGreater(running, 0, "no script has run")
        self.assertLessEqual(running, 2 * 4)
        self.server.nft(GATE)

    # Rules

    def test_refreshing_extends_without_a_second_rule(self):
        self.original(self.all_scripts(seconds=5))
        for _ in range(4):
            self.granted_for(self.request())
            time.sleep(2)
            self.assertTrue(self.reaches())
        self.assertEqual(len(self.calls("rule_add")), 1)
        self.assertEqual(self.calls("rule_remove"), [])
        self.assert_shuts()

    def test_no_answer_before_the_rule_is_there(self):
        self.original(self.all_scripts() | {"rule_add": f"sleep 0.4; {ADD}"})
        began = time.monotonic()
        self.granted_for(self.request())
        self.assertGreaterEqual(time.monotonic() - began, 0.4)
        self.assertTrue(self.reaches())

    def test_a_rule_that_cannot_be_made(self):
        self.original(self.all_scripts() | {"rule_add": "exit 1"})
        self.assert_silent(self.request(), "firewall_failed")
        self.assertNotIn(str(self.phone.uuid), self.postern("sessions").split("LAST SEEN")[0])
        self.assertEqual(self.calls("rule_remove"), [])

    def test_a_rule_that_hangs_is_taken_away_again(self):
        self.original(self.all_scripts() | {"rule_add": f"{ADD.removeprefix('exec ')}; sleep 100"},
                      scriptDeadline="3s")
        self.assert_silent(self.request())
        self.assertTrue(eventually(lambda: self.verdicts("firewall_failed")))
        self.assert_shuts()

    def test_a_removal_that_fails_is_tried_again_and_shown(self):
        self.original(self.all_scripts(seconds=1))
        self.noted("rule_remove", f"[ -e {self.room}/mended ] || exit 1\n{REMOVE}")
        self.granted_for(self.request())
        self.assertTrue(eventually(lambda: "overdue" in self.postern("sessions")))
        self.assertIn('"overdue": true', self.postern("--json", "sessions").replace('":t', '": t'))
        self.assertTrue(eventually(lambda: self.daemon.events(
            message="a rule could not be shut and may still be open")))
        self.assertTrue(self.reaches())
        failed = len(self.calls("rule_remove"))
        (self.room / "mended").touch()
        self.assert_shuts()
        self.assertGreater(len(self.calls("rule_remove")), failed)
        self.assertTrue(eventually(lambda: "overdue" not in self.postern("sessions")))

    def test_asked_again_while_it_is_shut(self):
        self.original(self.all_scripts(seconds=3) | {"rule_remove": f"sleep 0.8; {REMOVE}"})
        self.granted_for(self.request())
        self.assertTrue(eventually(lambda: self.calls("rule_remove")))
        self.granted_for(self.request())
        self.assertTrue(self.reaches())
        self.assertEqual(len(self.calls("rule_add")), 2)
        self.assert_shuts()

    def test_stopping_shuts(self):
        self.original(self.all_scripts(seconds=600))
        self.granted_for(self.request())
        self.granted_for(self.request(self.laptop, first=9), self.laptop)
        self.assertTrue(self.reaches())
        self.assertEqual(self.daemon.stop(), 0)
        self.assertFalse(self.reaches())
        self.assertEqual(len(self.calls("rule_remove")), 2)

    def test_a_failed_process_shuts(self):
        """The daemon ends, and what its scripts have opened with it."""
        for role in ("doorman", "desk", "runner"):
            with self.subTest(role=role):
                self.original(self.all_scripts(seconds=600))
                self.granted_for(self.request())
                self.assertTrue(self.reaches())
                self.daemon.end(role, signal.SIGKILL)
                self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
                self.assertEqual(len(self.calls("rule_remove")), 1)
                self.assertFalse(self.reaches())

    def test_a_killed_daemon_s_rules_are_shut_at_the_next_start(self):
        self.original(self.all_scripts(seconds=600))
        self.granted_for(self.request())
        self.daemon.kill()
        self.assertTrue(self.reaches())
        self.daemon.start()
        self.assert_shuts()
        self.assertEqual(len(self.calls("rule_remove")), 1)
        self.granted_for(self.request())
        self.assertTrue(self.reaches())

    def test_revoking_shuts(self):
        self.original(self.all_scripts(seconds=600))
        self.granted_for(self.request())
        self.daemon.configure(self.daemon.file.read_text() +
                              f"clients:\n  {self.phone.uuid}:\n    revoked: true\n")
        self.postern("reload")
        self.assert_shuts()
        self.assert_silent(self.request(), "revoked")

    # Before and after

    def test_scripts_before_and_after(self):
        self.original(self.all_scripts(start=":", stop=":"))
        self.assertEqual(self.calls("start"), [""])
        self.assertEqual(self.calls("stop"), [])
        self.granted_for(self.request())
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.calls("stop"), [""])
        self.assertEqual(len(self.calls("rule_remove")), 1)

    # Mixed

    def test_native_rules_for_devices_of_a_directory(self):
        """Only the key comes from a script; the rest is ours."""
        self.server.run("nft", "delete", "table", "inet", "gate")
        configuration = self.configuration(guard="all")
        configuration["openspa"] = {
            "private_key": "server.key", "duration": "10s",
            "extension_scripts": {"user_directory_service": "directory"}}
        def files(folder):
            self.room = Path(folder)
            (self.room / "server.key").touch(mode=0o600)
            (self.room / "server.key").write_text(self.spa_key.private_pem())
            (self.room / "keys").mkdir()
            (self.room / f"keys/{self.phone.uuid}.pub").write_text(self.phone.key.public_pem())
            self.place("directory", DIRECTORY)
        self.start(configuration, prepare=files)
        self.granted_for(self.request())
        self.assertTrue(self.reaches())
        self.assertIn(str(self.phone.uuid), self.postern("sessions"))
        self.daemon.reload()
        self.assertTrue(self.reaches(), "a unlisted's grant survives a reload")
        packet = self.request()
        self.granted_for(packet)
        self.daemon.reload()
        self.assert_silent(packet, "replayed")
        self.assert_shuts()
        self.server.nft(GATE)

    def test_a_helper_for_everything(self):
        helper = f"""
import json, subprocess, sys
keys = {{"{self.phone.uuid}": {self.phone.key.public_pem()!r}}}
for line in sys.stdin:
    q = json.loads(line)
    a = {{"id": q["id"], "ok": True}}
    if q["task"] == "publicKey":
        a["ok"] = q["device"] in keys
        if a["ok"]:
            a["publicKey"] = keys[q["device"]]
    elif q["task"] == "authorization":
        a["duration"] = 2
    else:
        version = 6 if ":" in q["clientAddress"] else 4
        element = f"{{{{ {{q['clientAddress']}} . {{q['firstPort']}}-{{q['lastPort']}} }}}}"
        a["ok"] = subprocess.run(
            ["nft", "add" if q["task"] == "ruleAdd" else "delete", "element", "inet", "gate",
             f"granted{{version}}", element]).returncode == 0
    print(json.dumps(a, separators=(",", ":")), flush=True)
"""
        self.original(prepare=lambda: self.place("helper", helper, "/usr/bin/python3"),
                      helpers={"user_directory_service": "helper", "authorization": "helper",
                               "firewall": "helper"})
        for family in (4, 6):
            self.granted_for(self.request(family=family), family=family)
            self.assertTrue(self.reaches(family))
            self.assert_shuts(family)
        self.assert_silent(self.request(self.laptop), "unknown_signer")

    def test_a_script_that_somebody_else_can_write_is_refused(self):
        def loosen():
            (self.room / "authorization").chmod(0o777)
        with self.assertRaises(AssertionError) as refused:
            self.original(self.all_scripts(), prepare=loosen)
        self.assertIn("authorization", str(refused.exception))
        self.assertEqual(self.daemon.process.wait(PATIENCE), 78)

    def test_a_script_that_its_user_cannot_reach_is_refused(self):
        def close():
            (self.room / "closed").mkdir(mode=0o700)
            self.place("closed/rule_add", "exit 0")
        with self.assertRaises(AssertionError) as refused:
            self.original(self.all_scripts(), prepare=close,
                          extensionScripts={"ruleAdd": "closed/rule_add",
                                            "ruleRemove": "rule_remove"}, duration="2s")
        self.assertIn("closed/rule_add", str(refused.exception))
        self.assertIn("chmod go+rx", str(refused.exception))
        self.assertEqual(self.daemon.process.wait(PATIENCE), 78)

    def test_a_script_that_vanishes(self):
        self.original(self.all_scripts())
        (self.room / "authorization").unlink()
        self.assert_silent(self.request(), "program_failed")
        self.noted("authorization", "echo 2")
        self.granted_for(self.request())
        self.assertTrue(self.reaches())
