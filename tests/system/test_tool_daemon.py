"""The tool's talk with the daemon, over a control socket that answers in every way."""

import json
import os
import signal
import socket
import struct
import subprocess

import yaml

import openme
from daemon import program
from netns import PATIENCE
from tool import CONFIG, PERMISSION, UNPRIVILEGED, ToolTest

SECOND = 1_000_000_000


class Desk:
    """A daemon's control socket that gives one kind of answer."""

    SESSION, LAST_SEEN, STAT, DONE, ERROR = range(65, 70)

    def __init__(self, test, *records):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(test.control))
        self.listener.listen()
        self.child = os.fork()
        if self.child == 0:
            held = []  # until the end
            while True:
                peer, _ = self.listener.accept()
                held.append(peer)
                peer.recv(100)
                for record in records:
                    peer.send(record)
        test.addCleanup(self.close)

    def close(self):
        if self.listener.fileno() < 0:
            return
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        self.listener.close()

    @staticmethod
    def record(kind, body=b""):
        return struct.pack(">BBH", 1, kind, len(body)) + body

    @classmethod
    def session(cls, client, address, left_ms, *ports, more=False):
        body = struct.pack(">B", len(client)) + client + openme.target_bytes(address)
        body += struct.pack(">qQBH", openme.now_ns() - SECOND, left_ms, more, len(ports))
        return cls.record(cls.SESSION, body + b"".join(struct.pack(">BHH", *p) for p in ports))

    @classmethod
    def last_seen(cls, client, address):
        return cls.record(cls.LAST_SEEN, struct.pack(">B", len(client)) + client + struct.pack(
            ">q", openme.now_ns() - 90 * SECOND) + openme.target_bytes(address))

    @classmethod
    def error(cls, fault, text):
        return cls.record(cls.ERROR, struct.pack(">BH", fault, len(text)) + text)


class DaemonTest(ToolTest):
    def test_not_running(self):
        for words in (["sessions"], ["reload"]):
            done = self.run_tool(*words)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"posternd is not running (no control socket at {self.control})",
                          done.stderr)

    def test_no_permission(self):
        Desk(self, Desk.record(Desk.DONE))
        self.room.chmod(0o755)
        self.control.chmod(0o600)
        for words in (["sessions"], ["reload"]):
            self.tool(*words, code=PERMISSION, user=UNPRIVILEGED)

    def test_sessions(self):
        Desk(self, Desk.session(b"alice", "203.0.113.4", 7000, (6, 22, 22), (17, 60000, 61000)),
             Desk.last_seen(b"alice", "203.0.113.4"), Desk.last_seen(b"bob", "2001:db8::7"),
             Desk.record(Desk.DONE))
        active, seen = self.tool("sessions").split("LAST SEEN")
        self.assertRegex(active, r"alice +203\.0\.113\.4 +7s .* 22/tcp, 60000-61000/udp")
        self.assertRegex(seen, r"bob +2001:db8::7 .* 1m3\ds ago")
        self.assertNotIn("alice", seen)
        shown = json.loads(self.tool("sessions", "--json"))
        self.assertEqual(shown["active_sessions"][0]["ports"], [
            {"port": 22, "proto": "tcp"}, {"port": 60000, "end_port": 61000, "proto": "udp"}])
        self.assertEqual(shown["active_sessions"][0]["client_name"], "alice")
        self.assertEqual(set(shown["last_seen"]), {"alice", "bob"})

    def test_sessions_are_sorted(self):
        """By name, then by address, in whatever order they came."""
        came = ((b"bob", "203.0.113.4"), (b"alice", "203.0.113.9"), (b"alice", "10.0.0.1"),
                (b"carol", "10.0.0.2"))
        Desk(self, *(Desk.session(name, address, 7000) for name, address in came),
             *(Desk.last_seen(name, "10.0.0.1") for name in (b"zoe", b"dave")),
             Desk.record(Desk.DONE))
        shown = json.loads(self.tool("sessions", "--json"))
        self.assertEqual([(s["client_name"], s["ip"]) for s in shown["active_sessions"]], [
            ("alice", "10.0.0.1"), ("alice", "203.0.113.9"), ("bob", "203.0.113.4"),
            ("carol", "10.0.0.2")])
        self.assertEqual(list(shown["last_seen"]), ["dave", "zoe"])

    def test_nothing_that_comes_reaches_the_terminal_raw(self):
        Desk(self, Desk.session(b"\x1b[2Jeve\n", "203.0.113.4", 2**64 - 1),
             Desk.last_seen(b"m\x07all\xff\xc2\x9b", "2001:db8::7"), Desk.record(Desk.DONE))
        for words in (["sessions"], ["sessions", "--json"]):
            shown = self.tool(*words)
            self.assertTrue(shown.isascii())
            self.assertTrue(shown.replace("\n", "").isprintable())

    def test_watch(self):
        Desk(self, Desk.session(b"alice", "203.0.113.4", 7000), Desk.record(Desk.DONE))
        tool = subprocess.Popen([program("postern"), "--control", self.control, "sessions", "-w",
                                 "--json"], stdout=subprocess.PIPE, text=True)
        for _ in range(2):
            self.assertEqual(len(json.loads(tool.stdout.readline())["active_sessions"]), 1)
        tool.send_signal(signal.SIGINT)
        tool.communicate(timeout=PATIENCE)
        self.assertEqual(tool.returncode, 0)

    def test_reload(self):
        Desk(self, Desk.record(Desk.STAT, b"\x07clients" + struct.pack(">Q", 3)),
             Desk.record(Desk.DONE))
        self.assertIn("clients: 3", self.tool("reload"))
        self.assertEqual(json.loads(self.tool("reload", "--json")),
                         {"clients": 3, "reloaded": True})

    def test_reload_refused(self):
        Desk(self, Desk.error(CONFIG, b"config.yaml:3:1: unknown \x1b[31mkey"))
        done = self.run_tool("reload")
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("config.yaml:3:1: unknown \\x1b[31mkey", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_an_answer_of_another_kind(self):
        answers = (b"\x02\x44\0\0", b"\x01\x44\0\x01", b"hello", b"\x01\x01\0\0", bytes(2000))
        for number, answer in enumerate(answers):
            with self.subTest(answer=answer[:10]):
                self.control = self.room / f"control{number}"
                Desk(self, answer)
                self.tool("sessions", code=1)

    def test_changes_are_taken_over(self):
        self.init()
        Desk(self, Desk.record(Desk.DONE))
        done = self.run_tool("add", "alice")
        self.assertEqual(done.returncode, 0)
        self.assertIn("taken", done.stderr)
        self.assertNotIn("taken", self.run_tool("add", "bob", "--no-reload").stderr)
        self.assertIn("taken", self.run_tool("revoke", "bob").stderr)

    def test_changes_that_are_not_taken_over(self):
        self.init()
        Desk(self, Desk.error(CONFIG, b"no"))
        done = self.run_tool("add", "alice")
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("alice", self.tool("list"))
        self.assertTrue(yaml.safe_load(done.stdout)["profiles"])

    def test_last_seen_in_the_list(self):
        self.init()
        self.tool("add", "alice", "--no-reload")
        Desk(self, Desk.last_seen(b"alice", "203.0.113.4"), Desk.record(Desk.DONE))
        client = json.loads(self.tool("list", "--json"))["clients"][0]
        self.assertEqual(client["last_address"], "203.0.113.4")
        self.assertIsNotNone(client["last_seen"])
