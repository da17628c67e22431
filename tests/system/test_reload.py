"""A new configuration takes hold whole, or not at all."""

import json
import os
import signal
import subprocess
import threading
import time

import control
import openme
from daemon import program, yaml
from netns import PATIENCE, eventually
from world import FAMILIES, LONG, SERVICE_PORT, WorldTest


class ReloadTest(WorldTest):
    tcp_ports = (SERVICE_PORT, 8080)
    server_settings = {"knock_timeout": LONG}

    def by_signal(self, configuration):
        self.daemon.configure(configuration)
        self.daemon.reload()

    def by_tool(self, configuration):
        self.daemon.configure(configuration)
        self.postern("reload")

    def test_a_removed_client_loses_its_grants_at_once(self):
        for change in (self.by_signal, self.by_tool):
            for family in FAMILIES:
                with self.subTest(change=change.__name__, family=family):
                    self.start()
                    self.knock(family=family)
                    connection = self.connection(family)
                    self.knock(self.bob, family, space=self.other)
                    self.assert_opens(family, space=self.other)
                    change(self.configuration({"alice": None}))
                    self.assert_shut(family)
                    self.assertTrue(self.reaches(family, space=self.other), "bob lost his grant")
                    self.knock(family=family)
                    self.settle(family)
                    self.assert_shut(family)
                    connection.close()
                    self.daemon.close()

    def test_a_revoked_client_loses_its_grants_at_once(self):
        self.start()
        self.knock()
        self.assert_opens()
        self.by_signal(self.configuration({"alice": {"revoked": True}}))
        self.assert_shut()

    def test_an_address_that_another_client_holds_open_stays_open(self):
        self.start()
        self.knock(self.alice)
        self.knock(self.bob)
        self.settle()
        self.by_signal(self.configuration({"alice": None}))
        self.assertTrue(self.reaches())

    def test_two_who_reload_at_once(self):
        """SIGHUP and the tool, the one while the other is at work."""
        self.start()
        for i in range(100):
            self.daemon.notices.drop()
            os.kill(self.daemon.process.pid, signal.SIGHUP)
            time.sleep(i % 20 / 2000)
            self.assertEqual(control.ask(self.daemon.control, control.RELOAD)[-1][0],
                             control.DONE)
        self.assertIsNone(self.daemon.process.poll())
        self.knock()
        self.assert_opens()

    def test_postern_revoke_and_reload(self):
        self.start()
        self.knock()
        self.assert_opens()
        self.postern("revoke", "alice")
        self.postern("reload")
        self.assert_shut()
        self.assertIn("alice", self.daemon.file.read_text())

    def test_changed_ports_of_a_client(self):
        ports = {"default": [f"{SERVICE_PORT}/tcp"], "web": ["8080/tcp"]}
        self.start(self.configuration(ports=ports))
        self.knock()
        self.assert_opens()
        self.by_signal(self.configuration({"alice": {"allowed_ports": ["web"]}}, ports))
        self.assert_shut()
        self.knock()
        self.assert_opens(port=8080)
        self.assert_shut()

    def test_a_reload_without_changes_keeps_every_grant(self):
        self.start()
        for family in FAMILIES:
            self.knock(family=family)
            self.assert_opens(family)
        for _ in range(5):
            self.daemon.reload()
            for family in FAMILIES:
                self.assertTrue(self.reaches(family))

    def test_a_new_client_is_served(self):
        self.start(self.configuration({"bob": None}))
        self.knock(self.bob)
        self.settle()
        self.assert_shut()
        self.by_tool(self.configuration())
        self.knock(self.bob)
        self.assert_opens()

    def test_a_client_file_is_read(self):
        self.start(self.configuration({"bob": None}))
        self.postern("add", "carol")
        self.postern("reload")
        self.assertIn("carol", self.postern("list"))

    def test_a_new_private_key_takes_the_place_of_the_old(self):
        self.start()
        self.knock()
        self.assert_opens()
        old, self.server_key = self.server_key, openme.ServerKey()
        self.by_tool(self.configuration())
        self.assertTrue(self.reaches(), "the grant of the old key's time is gone")
        self.deliver(openme.knock(self.alice, old.public, target="203.0.113.1"))
        self.knock(self.alice, target="203.0.113.2")
        granted = self.settle()
        self.assertIn("203.0.113.2", granted)
        self.assertNotIn("203.0.113.1", granted)

    def test_what_the_sockets_hang_on_needs_a_restart(self):
        self.start()
        for change in ({"udp_port": 5}, {"health_port": 5}, {"interface": "wire"},
                       {"firewall": "none"}):
            with self.subTest(change=change):
                before = len(self.daemon.lines())
                self.by_signal(self.configuration(**change))
                self.assertIn(f"server.{[*change][0]}", json.dumps(self.daemon.lines()[before:]))
                self.knock(target="203.0.113.77")
                self.assertIn("203.0.113.77", self.settle())

    def test_a_bad_configuration_changes_nothing(self):
        self.start()
        self.knock()
        self.assert_opens()
        good = self.daemon.file.read_text()
        broken = (good + "nonsense: 1\n", good.replace("2222/tcp", "70000/tcp"), "server: [",
                  good.replace(f"knock_timeout: {LONG}", "knock_timeout: fast"), "")
        for text in broken:
            with self.subTest(text=text[-30:]):
                self.daemon.configure(text)
                self.daemon.reload()
                self.assertTrue(self.reaches())
                self.knock(self.bob, target="203.0.113.77")
                self.assertIn("203.0.113.77", self.settle())
        complaints = [line for line in self.daemon.lines() if line["level"] == "error"]
        self.assertGreaterEqual(len(complaints), len(broken))
        self.assertIn(str(self.daemon.file), json.dumps(complaints))

    def test_the_tool_reports_a_bad_configuration(self):
        self.start()
        self.daemon.configure("server: [\n")
        done = self.server.popen(
            program("postern"), "--control", self.daemon.control, "reload",
            stderr=subprocess.DEVNULL)
        self.assertEqual(done.wait(PATIENCE), 78)

    def test_sessions(self):
        self.start()
        self.knock()
        self.assert_opens()
        text = self.postern("sessions")
        self.assertIn("alice", text)
        self.assertIn(self.address(4, self.client), text)
        session, = json.loads(self.postern("--json", "sessions"))["active_sessions"]
        self.assertEqual((session["client_name"], session["ip"]),
                         ("alice", self.address(4, self.client)))
        self.assertIn({"port": SERVICE_PORT, "proto": "tcp"}, session["ports"])
        self.by_signal(self.configuration({"alice": None}))
        self.assertTrue(eventually(
            lambda: self.address(4, self.client) not in self.postern("sessions")))


class FolderTest(WorldTest):
    """One thing that is no client's file among hundreds that are."""

    server_settings = {"knock_timeout": LONG}

    def setUp(self):
        super().setUp()
        self.start(prepare=self.fill)
        self.odd = self.daemon.folder / "clients.d" / "client150x.yaml"
        self.knock()
        self.assert_opens()

    def fill(self, folder):
        (folder / "clients.d").mkdir(0o700)
        for i in range(300):
            entry = yaml({"clients": {f"client{i}": self.client_entry(openme.ClientKey())}})
            (folder / "clients.d" / f"client{i}.yaml").write_text(entry + "\n")

    def is_refused(self, why):
        before = len(self.daemon.lines())
        self.daemon.reload()
        return f"{self.odd}{why}" in json.dumps(self.daemon.lines()[before:])

    def assert_refused(self, why):
        self.assertTrue(self.is_refused(why), why)
        self.assert_goes_on()

    def assert_goes_on(self):
        self.assertTrue(self.reaches(), "the old configuration is gone")
        self.knock(self.bob, target="203.0.113.77")
        self.assertIn("203.0.113.77", self.settle())

    def assert_taken(self):
        """All of them; nothing was lost on the way."""
        before = len(self.daemon.lines())
        self.daemon.reload()
        self.assertIn("reloaded: 303 clients", json.dumps(self.daemon.lines()[before:]))

    def test_a_pipe_a_link_a_folder(self):
        elsewhere = self.daemon.folder / "elsewhere.yaml"
        elsewhere.write_text("clients: {}\n")
        for make, why in ((os.mkfifo, ": not a regular file; take it out of there"),
                          (lambda path: path.symlink_to(elsewhere),
                           ": a link; it must be the file itself"),
                          (os.mkdir, ": not a regular file; take it out of there")):
            with self.subTest(why=why):
                make(self.odd)
                self.assert_refused(why)
                if self.odd.is_dir() and not self.odd.is_symlink():
                    self.odd.rmdir()
                else:
                    self.odd.unlink()
                self.assert_taken()

    def test_a_strangers_file(self):
        self.odd.write_text("clients: {}\n")
        os.chown(self.odd, 12345, 0)
        self.assert_refused(": belongs to user 12345")
        os.chown(self.odd, 0, 0)
        self.assert_taken()

    def test_a_file_that_grows_while_it_is_read(self):
        self.odd.write_text("#\n" * (1 << 20))
        stop = threading.Event()

        def grow():
            with open(self.odd, "ab", buffering=0) as file:
                while not stop.is_set():
                    file.write(b"#\n")
                    time.sleep(0.0005)
        grower = threading.Thread(target=grow)
        grower.start()
        try:
            # On a busy machine it may not get to write in the time of one reading.
            self.assertTrue(eventually(
                lambda: self.is_refused(": changed while it was read; try again")))
            self.assert_goes_on()
        finally:
            stop.set()
            grower.join()
        self.assert_taken()

    def test_a_byte_that_is_no_text_behind_a_thousand_lines(self):
        good = self.daemon.file.read_bytes()
        self.odd = self.daemon.file
        lines = good.count(b"\n")
        self.daemon.file.write_bytes(good + b"#\n" * 50000 + b"a: \xff\n")
        self.assert_refused(f":{lines + 50001}:4: found the byte 0xff, which is not UTF-8")
        self.daemon.file.write_bytes(good)
        self.assert_taken()
