"""Junk is dropped in the kernel: at the socket, or at the device; and what cannot be had there is
said, and dropped behind it."""

import json
import os
import socket
import struct
from pathlib import Path

import control
import openme
import shield
from flood import Forger
from netns import eventually, link, run
from world import FAMILIES, KNOCK_PORT, LONG, WorldTest

KEY = bytes(range(32))
JUNK = [b"", bytes(165), b"\x01" + bytes(163), b"\x01" + bytes(165), b"\x02" + bytes(164),
        b"\x01" + bytes(31) + b"\x80" + bytes(132), b"\x01" + bytes(163) + b"\xff"]


class KernelShieldTest(WorldTest):
    server_settings = {"knock_timeout": LONG, "shield_key": openme.text(KEY)}

    def serve(self, at, **settings):
        self.start(self.configuration(shield_at=at, **settings))

    def place(self):
        return json.loads(self.postern("sessions", "--json"))["shield_at"]

    def stats(self):
        return control.stats(self.daemon.control)

    def tagged(self, **fields):
        return openme.knock(self.alice, self.server_key.public, tag=shield.tagging(KEY), **fields)

    def untagged(self, **fields):
        return openme.knock(self.alice, self.server_key.public, **fields)

    def seen_by(self, where, what):
        return self.stats()[f"shield-{where}-{what}"]

    def seen_in_daemon(self):
        """How many datagrams the doorman has looked at."""
        stats = self.stats()
        kernel = {"bad_size": "wrong-size", "bad_version": "wrong-version",
                  "malformed": "malformed", "untagged": "no-tag"}
        return sum(stats[verdict] - sum(stats.get(f"shield-{place}-{what}", 0)
                                        for place in ("xdp", "socket"))
                   for verdict, what in kernel.items())

    def open_for(self, packet, target, family=4):
        self.deliver(packet, family)
        self.assertTrue(eventually(lambda: target in self.granted()), f"{target} is not granted")

    def assert_junk_is_dropped(self, where):
        before = self.dropped(where)
        for family in FAMILIES:
            for packet in JUNK:
                self.deliver(packet, family)
            target = f"203.0.113.{family}"
            self.open_for(self.tagged(target=target), target, family)
        self.assertTrue(eventually(lambda: self.dropped(where) - before == 2 * len(JUNK)),
                        f"{self.dropped(where) - before} of {2 * len(JUNK)} were dropped there")
        self.assertEqual(self.seen_in_daemon(), 0)
        self.assertEqual(self.stats()["datagrams-lost"], 0)

    def dropped(self, where):
        stats = self.stats()
        return sum(stats[f"shield-{where}-{what}"]
                   for what in ("wrong-size", "wrong-version", "malformed"))

    def attached(self, device="wire"):
        """What is at the device: none, xdp (native) or xdpgeneric; and the program's id."""
        found = json.loads(self.server.run("ip", "-j", "link", "show", "dev", device))[0]
        return found.get("xdp", {}).get("prog", {}).get("id"), found.get("xdp", {}).get("mode")


class SocketTest(KernelShieldTest):
    def test_it_stands_at_the_socket_by_default(self):
        self.serve("auto")
        self.assertEqual(self.place(), "socket")
        self.assert_junk_is_dropped("socket")
        self.assertIn("at its socket", self.postern("sessions"))

    def test_user_space_alone(self):
        self.serve("user")
        self.assertEqual(self.place(), "user")
        for packet in JUNK:
            self.deliver(packet)
        self.assertTrue(eventually(lambda: self.seen_in_daemon() == len(JUNK)))

    def test_require(self):
        self.serve("socket", shield="require")
        for family in FAMILIES:
            self.deliver(self.untagged(target="203.0.113.99"), family)
            target = f"203.0.113.{family}"
            self.open_for(self.tagged(target=target), target, family)
        self.assertNotIn("203.0.113.99", self.granted())
        self.assertTrue(eventually(lambda: self.seen_by("socket", "no-tag") == 2))
        self.assertEqual(self.seen_in_daemon(), 0)
        self.assertEqual(self.stats()["datagrams-lost"], 0)

    def test_prefer_lets_stock_clients_by(self):
        self.serve("socket", shield="prefer")
        self.open_for(self.untagged(target="203.0.113.1"), "203.0.113.1")
        self.assertEqual(self.seen_by("socket", "untagged"), 1)

    def test_a_new_key_counts_at_once(self):
        self.serve("socket", shield="require")
        new = bytes(32 - i for i in range(32))
        self.daemon.configure(self.configuration(
            shield_at="socket", shield="require", shield_key=openme.text(new)))
        self.daemon.reload()
        packet = openme.knock(self.alice, self.server_key.public, tag=shield.tagging(new),
                              target="203.0.113.5")
        self.deliver(self.tagged(target="203.0.113.6"))
        self.open_for(packet, "203.0.113.5")
        self.assertEqual(self.granted() & {"203.0.113.6"}, set())

    def test_a_kernel_that_refuses_programs(self):
        """As a container does: the daemon says so, and serves without them."""
        for at, level in (("auto", "info"), ("socket", "warn"), ("xdp", "warn")):
            with self.subTest(at=at):
                self.start_without_rights(at)
                said = self.daemon.events(message="no shield in the kernel")
                self.assertEqual([event["level"] for event in said], [level])
                self.assertEqual(self.place(), "user")
                self.assertIn("in the daemon alone", self.postern("sessions"))
                self.deliver(JUNK[0])
                self.open_for(self.tagged(target="203.0.113.1"), "203.0.113.1")
                self.assertTrue(eventually(lambda: self.seen_in_daemon() == 1))

    def start_without_rights(self, at):
        def prepare(_):
            command = self.daemon.command
            self.daemon.command = lambda *more: [
                "setpriv", "--bounding-set=-sys_admin,-bpf", "--inh-caps=-all", *command(*more)]
        self.start(self.configuration(shield_at=at), prepare=prepare)

    def test_a_successor_gets_the_socket_with_a_filter(self):
        """The service manager hands the socket over, with the filter of who is gone."""
        self.serve("socket")
        for at in ("socket", "user"):
            self.daemon.notices.keeps = True
            self.daemon.stop()
            self.daemon.notices.drop()
            self.daemon.start()
            self.daemon.notices.drop()
            self.daemon.kill()
            self.daemon.configure(self.configuration(shield_at=at))
            self.daemon.start()
            self.assertTrue(self.daemon.events(message="a socket has been kept for us", name="openme"))
            self.assertEqual(self.place(), at)
            if at == "socket":
                self.assert_junk_is_dropped("socket")
        self.deliver(JUNK[0])
        self.assertTrue(eventually(lambda: self.seen_in_daemon() == 1))

    def test_debug_shows_each_refusal(self):
        self.start(self.configuration(), "--log-level", "debug")
        self.assertEqual(self.place(), "user")


class Fragments(Forger):
    """Sends each datagram in two pieces."""

    def send(self, packet, source):
        udp = struct.pack(">HHHH", 40000, self.port, 8 + len(packet), 0) + packet
        for at, end, more in ((0, 104, 0x2000), (104, len(udp), 0)):
            head = struct.pack(">BBHHHBBH", 0x45, 0, 0, 1 + packet[40], more | at // 8, 64,
                               socket.IPPROTO_UDP, 0)
            self.socket.sendto(head + socket.inet_aton(source) + socket.inet_aton(self.to) +
                               udp[at:end], (self.to, 0))


class DeviceTest(KernelShieldTest):
    mode = "xdp-native"

    def serve(self, at="xdp", **settings):
        super().serve(at, **{"interface": "wire", **settings})
        self.assertTrue(eventually(lambda: self.attached()[0]), "no program at the device")
        self.assertTrue(eventually(lambda: self.place().startswith("xdp")))

    def tearDown(self):
        super().tearDown()
        for mode in ("xdp", "xdpgeneric"):
            self.server.run("ip", "link", "set", "dev", "wire", mode, "off", check=False)

    def test_junk_never_reaches_the_stack(self):
        self.serve()
        self.assertEqual(self.place(), self.mode)
        self.assert_junk_is_dropped("xdp")
        self.assertEqual(self.dropped("socket"), 0)
        self.assertIn(f"XDP, {self.mode[4:]}", self.postern("sessions"))

    def test_require(self):
        self.serve(shield="require")
        for family in FAMILIES:
            self.deliver(self.untagged(target="203.0.113.99"), family)
            target = f"203.0.113.{family}"
            self.open_for(self.tagged(target=target), target, family)
        self.assertTrue(eventually(lambda: self.seen_by("xdp", "no-tag") == 2))
        self.assertNotIn("203.0.113.99", self.granted())

    def test_after_kill_the_next_one_takes_its_place(self):
        self.serve()
        first = self.attached()[0]
        self.daemon.kill()
        self.assertEqual(self.attached()[0], first)
        self.daemon.start()
        self.assertTrue(eventually(lambda: self.attached()[0] not in (None, first)))
        self.assert_junk_is_dropped("xdp")

    def test_a_fragmented_knock_is_put_together_first(self):
        self.serve(shield="require")
        forger = Fragments(self.client, self.address(4), KNOCK_PORT)
        self.addCleanup(forger.close)
        forger.send(self.tagged(target="203.0.113.1"), "10.77.1.2")
        self.assertTrue(eventually(lambda: "203.0.113.1" in self.granted()))
        forger.send(self.untagged(target="203.0.113.2"), "10.77.1.2")
        self.assertTrue(eventually(lambda: self.seen_by("socket", "no-tag") == 1))
        self.assertEqual(self.seen_by("xdp", "tagged") + self.seen_by("xdp", "no-tag"), 0)

    def test_a_successor_that_is_not_told_names(self):
        """As by the unit: the kernel tells names of programs to CAP_SYS_ADMIN alone."""
        self.serve()
        first = self.attached()[0]
        self.daemon.kill()
        command = self.daemon.command
        self.daemon.command = lambda *more: [
            "setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", *command(*more)]
        self.daemon.start()
        self.assertTrue(eventually(lambda: self.attached()[0] not in (None, first)))
        self.assert_junk_is_dropped("xdp")

    def test_a_device_that_comes_back(self):
        self.serve()
        self.server.ip("link", "delete", "wire")
        self.assertTrue(eventually(lambda: self.place() == "socket"))
        link(self.server, self.client, 1)
        self.assertTrue(eventually(lambda: self.attached()[0]))
        self.assertTrue(eventually(lambda: self.place() == "xdp-native"))
        self.assert_junk_is_dropped("xdp")

    def test_who_takes_it_away_gets_it_back(self):
        self.serve()
        for mode in ("xdp", "xdpgeneric"):
            self.server.run("ip", "link", "set", "dev", "wire", mode, "off", check=False)
        self.assertTrue(eventually(lambda: self.attached()[0]))
        self.assertTrue(self.daemon.events(message="somebody took the shield away from a device"))

    def test_a_new_address_is_ours_too(self):
        self.serve()
        self.server.ip("address", "add", "10.77.1.77/24", "dev", "wire")
        self.addCleanup(self.server.ip, "address", "delete", "10.77.1.77/24", "dev", "wire")
        def dropped():
            self.client.send(b"junk", "10.77.1.77", KNOCK_PORT)
            return self.seen_by("xdp", "wrong-size") > 0
        self.assertTrue(eventually(dropped))

    def test_anothers_program_is_left_alone(self):
        self.server.run("ip", "link", "set", "dev", "wire", "xdpgeneric", "object",
                        self.other_program(), "section", "xdp")
        other = self.attached()
        self.assertTrue(other[0])
        super().serve("xdp", interface="wire")
        self.assertTrue(eventually(lambda: self.daemon.events(message="no shield at a device")))
        self.assertEqual(self.attached(), other)
        self.assertEqual(self.place(), "socket")
        self.assert_junk_is_dropped("socket")

    def test_a_note_that_is_somebody_elses_is_not_believed(self):
        """It would have the program of another taken away, and a pipe would stop the start."""
        self.server.run("ip", "link", "set", "dev", "wire", "xdpgeneric", "object",
                        self.other_program(), "section", "xdp")
        other = self.attached()
        super().serve("xdp", interface="wire")
        self.daemon.stop()
        note = Path(f"{self.daemon.control}.shield")
        note.write_bytes(note.read_bytes()[:-4] + struct.pack("=I", other[0]))
        os.chown(note, 65534, 65534)
        self.daemon.start()
        self.assertEqual(self.attached(), other)
        self.daemon.stop()
        note.unlink()
        os.mkfifo(note)
        self.daemon.start()
        self.assertTrue(note.is_file())

    def other_program(self):
        source, target = self.folder / "other.c", self.folder / "other.o"
        source.write_text('__attribute__((section("xdp"))) int other(void *x) { return 2; }\n'
                          'char gpl[] __attribute__((section("license"))) = "GPL";\n')
        run("clang", "-target", "bpf", "-O2", "-c", source, "-o", target)
        return target

    def test_a_stop_that_removes_the_rules_takes_it_away(self):
        self.serve(shutdown="remove")
        self.daemon.stop()
        self.assertIsNone(self.attached()[0])

    def test_release_takes_it_away(self):
        self.serve()
        self.daemon.stop()
        self.assertTrue(self.attached()[0], "it stays, as the rules do")
        self.postern("release", "--yes")
        self.assertIsNone(self.attached()[0])
