"""Knocks that are captured, with no socket at the port: what holds for a socket holds for them, and
they arrive where a firewall lets nothing through. (Those that are taken at the network device:
test_intake_xdp.py.)"""

import errno
import socket
import struct
import time
from pathlib import Path

import control
import openme
import test_interface
import test_open
import test_refuse
import test_reload
from flood import SOURCE_PORT, checksum, ipv4, ipv6
from netns import PATIENCE, eventually, link
from world import FAMILIES, KNOCK_PORT, LONG, WorldTest

ETHER_TYPES = {"0800", "86dd"}


class Captured:
    """Before a test class of the world: its daemon captures."""

    def configuration(self, clients=None, ports=None, **server):
        return super().configuration(clients, ports, **{"intake": "capture", **server})

    def unread(self, port):
        """Bytes that wait in the packet sockets of its namespace, but for the test's own."""
        self.assertEqual(port, KNOCK_PORT)
        rows = Path(f"/proc/{self.daemon.process.pid}/net/packet").read_text().splitlines()[1:]
        return sum(int(row.split()[6]) for row in rows if row.split()[3] in ETHER_TYPES)


# --- The same as with a socket

class CapturedOpenTest(Captured, test_open.OpenTest):
    pass


class CapturedRefuseTest(Captured, test_refuse.RefuseTest):
    """A closed port is answered for by the kernel, unless the host is dark."""

    server_settings = {"guard": "all", "open_knock_port": False}


class CapturedPolicyTest(Captured, test_refuse.PolicyTest):
    pass


class CapturedVectorTest(Captured, test_refuse.VectorTest):
    pass


class CapturedReloadTest(Captured, test_reload.ReloadTest):
    pass


class CapturedInterfaceTest(Captured, test_interface.InterfaceTest):
    """Made anew, by a packet socket for each family beside that of the health port."""

    # Without the right that it takes there is no capture (test_without_the_right).
    test_sockets_that_cannot_be_bound_anew = None


# --- What only a capture does

class CaptureTest(Captured, WorldTest):
    server_settings = {"knock_timeout": LONG}

    def raw(self, family):
        s = self.client.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_RAW,
                               socket.IPPROTO_RAW)
        self.addCleanup(s.close)
        return s

    def assert_granted(self, family=4, **where):
        before = self.counted("granted")
        self.knock(family=family, **where)
        self.assertTrue(eventually(lambda: self.counted("granted") == before + 1))

    def udp_rows(self):
        return [row for name in ("udp", "udp6")
                for row in Path(f"/proc/{self.daemon.process.pid}/net/{name}").read_text()
                .splitlines()[1:] if f":{KNOCK_PORT:04X} " in row.split("rem")[0][:60]]

    def refusal(self, family, port):
        """How the server answers a datagram at a port: an error's number, or None."""
        with self.client.socket(socket.AF_INET if family == 4 else socket.AF_INET6,
                                socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            s.connect((self.address(family), port))
            s.send(b"anybody there")
            try:
                s.recv(10)
            except OSError as error:
                return error.errno if error.errno else None
        return 0

    def test_the_port_is_closed(self):
        """No socket has it, and who asks gets what he gets at any closed port."""
        self.start()
        self.assertEqual(self.udp_rows(), [])
        for family in FAMILIES:
            for port in (KNOCK_PORT, 9):  # errors are limited to one a second
                self.assertTrue(eventually(
                    lambda p=port: self.refusal(family, p) == errno.ECONNREFUSED))
            self.assert_granted(family)
            self.assert_opens(family)

    def test_a_dark_host(self):
        self.start(self.configuration(guard="all", open_knock_port=False))
        for family in FAMILIES:
            self.assertIsNone(self.refusal(family, KNOCK_PORT))
            self.assert_granted(family)
            self.assert_opens(family)
        self.assertNotIn("54154", [line for line in self.server.run(
            "nft", "list", "table", "inet", "postern").splitlines() if "udp dport" in line])

    def test_behind_firewalls_that_drop_it(self):
        """On arrival, and before the kernel follows connections."""
        for hook, priority in (("input", "filter"), ("input", "-200"), ("prerouting", "raw"),
                               ("prerouting", "-400")):
            with self.subTest(hook=hook, priority=priority):
                self.server.flush_rules()
                self.server.nft("table inet host { chain c { type filter hook "
                                f"{hook} priority {priority}; udp dport {KNOCK_PORT} counter drop\n}}\n}}")
                self.start()
                for family in FAMILIES:
                    self.assert_granted(family)
                    self.assert_opens(family)
                dropped = self.server.run("nft", "list", "chain", "inet", "host", "c")
                self.assertNotIn("counter packets 0", dropped)
        self.server.flush_rules()

    def test_behind_a_chain_that_lets_nothing_in(self):
        self.server.nft("table inet host { chain c { type filter hook input priority 0; "
                        "policy drop; ct state established accept; icmpv6 type { "
                        "nd-neighbor-solicit, nd-neighbor-advert } accept\n}\n}")
        self.start()
        for family in FAMILIES:
            self.assert_granted(family)
            self.assert_opens(family)

    def test_loopback(self):
        self.start()
        for family, there in ((4, "127.0.0.1"), (6, "::1")):
            before = self.counted("granted")
            self.server.send(openme.knock(self.alice, self.server_key.public,
                                          target=f"203.0.113.{family}"), there, KNOCK_PORT)
            self.assertTrue(eventually(lambda: self.counted("granted") == before + 1))

    # What it takes, and how often

    def assert_once(self, space, number, family=4):
        """A knock is heard, and no more than once."""
        address = self.server.addresses[number][family]
        self.assertTrue(eventually(lambda: " 0% packet loss" in space.run(
            "ping", "-c", "1", "-W", "0.2", address, check=False)))
        granted, replayed = self.counted("granted"), self.counted("replayed")
        space.send(openme.knock(self.alice, self.server_key.public), address, KNOCK_PORT)
        self.assertTrue(eventually(lambda: self.counted("granted") == granted + 1))
        self.settle()
        self.assertEqual(self.counted("replayed"), replayed, "heard twice")

    def test_once_through_a_bridge(self):
        """Packets pass two devices there."""
        link(self.server, self.other, 5, left_device="port", right_device="far")
        self.addCleanup(self.server.run, "ip", "link", "del", "port", check=False)
        self.server.ip("address", "flush", "dev", "port")
        self.server.ip("link", "add", "lan", "type", "bridge")
        self.addCleanup(self.server.run, "ip", "link", "del", "lan", check=False)
        self.server.ip("link", "set", "port", "master", "lan")
        for family, bits in ((4, 24), (6, 64)):
            self.server.ip("address", "add", f"{self.server.addresses[5][family]}/{bits}", "dev",
                           "lan", *(["nodad"] if family == 6 else []))
        self.server.ip("link", "set", "lan", "up")
        self.start()
        for family in FAMILIES:
            self.assert_once(self.other, 5, family)

    def test_once_through_a_vlan(self):
        link(self.server, self.other, 6, left_device="trunk", right_device="trunk")
        self.addCleanup(self.server.run, "ip", "link", "del", "trunk", check=False)
        try:
            for space, host in ((self.server, 1), (self.other, 2)):
                space.ip("link", "add", "link", "trunk", "name", "v7", "type", "vlan", "id", "7")
                for address in (f"10.77.7.{host}/24", f"fd77:7::{host}/64"):
                    space.ip("address", "add", address, "dev", "v7",
                             *(["nodad"] if ":" in address else []))
                space.ip("link", "set", "v7", "up")
        except RuntimeError:
            self.skipTest("this kernel has no VLANs")
        self.server.addresses[7] = {4: "10.77.7.1", 6: "fd77:7::1"}
        self.start()
        for family in FAMILIES:
            self.assert_once(self.other, 7, family)

    def test_tags_without_a_vlan(self):
        """The tag of no VLAN, which only tells a priority, is nothing; that of one that this host has
        no device for makes it a packet of others."""
        self.start()
        wire = self.client.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.addCleanup(wire.close)
        wire.bind(("wire", 0))
        there = self.hardware()
        for vlan, heard in ((0, True), (7, False)):
            packet = self.packet(f"203.0.113.{vlan + 1}")
            udp = struct.pack(">HHHH", SOURCE_PORT, KNOCK_PORT, 8 + len(packet), 0) + packet
            header = bytearray(ipv4(self.address(4, self.client), self.address(4), udp))
            header[2:4] = struct.pack(">H", len(header))
            header[10:12] = struct.pack(">H", checksum(bytes(header[:20])))
            wire.send(there + bytes(6) + struct.pack(">HHH", 0x8100, vlan, 0x0800) + header)
            self.assertEqual(f"203.0.113.{vlan + 1}" in self.settle(), heard)

    def hardware(self, device="wire"):
        """The link address of a device of the server."""
        words = self.server.ip("link", "show", "dev", device).split()
        return bytes.fromhex(words[words.index("link/ether") + 1].replace(":", ""))

    def packet(self, target=None):
        return openme.knock(self.alice, self.server_key.public, target=target or "203.0.113.77")

    def test_options_of_ipv4(self):
        """Passed over: no other way in than by a socket."""
        self.start()
        packet = self.packet()
        udp = struct.pack(">HHHH", SOURCE_PORT, KNOCK_PORT, 8 + len(packet), 0) + packet
        whole = ipv4(self.address(4, self.client), self.address(4), udp)
        self.raw(4).sendto(b"\x48" + whole[1:20] + b"\x01" * 11 + b"\0" + udp, (self.address(4), 0))
        self.assertTrue(eventually(lambda: self.counted("granted") == 1))

    def refused_frames(self):
        """Named, with the family: what the kernel does not hand to a capture, on purpose."""
        packet = self.packet()
        udp = struct.pack(">HHHH", SOURCE_PORT, KNOCK_PORT, 8 + len(packet), 0) + packet
        four = ipv4(self.address(4, self.client), self.address(4), udp)
        six = ipv6(self.address(6, self.client), self.address(6), udp)
        fragment = bytearray(four)
        fragment[6:8] = b"\x20\x00"
        later = bytearray(four)
        later[6:8] = b"\x00\x01"
        options = bytearray(six)
        options[4:6] = struct.pack(">H", len(udp) + 8)
        options[6] = 60
        options[40:40] = bytes([17, 0, 1, 4, 0, 0, 0, 0])
        pieces = bytearray(six)
        pieces[4:6] = struct.pack(">H", len(udp) + 8)
        pieces[6] = 44
        pieces[40:40] = bytes([17, 0, 0, 1, 0, 0, 0, 9])
        short = bytearray(four)
        short[24:26] = struct.pack(">H", 8 + len(packet) - 1)
        return {"first fragment": (4, fragment), "later fragment": (4, later),
                "IPv6 options": (6, options), "IPv6 fragment": (6, pieces),
                "one byte less by its header": (4, short),
                "longer": (4, ipv4(self.address(4, self.client), self.address(4),
                                   struct.pack(">HHHH", SOURCE_PORT, KNOCK_PORT,
                                               9 + len(packet), 0) + packet + b"\0"))}

    def test_fragments_extension_headers_and_odd_lengths(self):
        """None of them gets as far as a process."""
        self.start()
        self.settle()
        for name, (family, frame) in self.refused_frames().items():
            with self.subTest(name=name):
                before, markers = self.markers_judged(), self.markers
                self.raw(family).sendto(bytes(frame), (self.address(family), 0))
                self.settle()
                # Each is handed on and granted; nothing else is judged.
                self.assertEqual(self.markers_judged() - before, 2 * (self.markers - markers))
                self.assertNotIn("203.0.113.77", self.granted())

    def markers_judged(self):
        """verdict_count(), when the last marker has been counted, too."""
        self.assertTrue(eventually(lambda: self.counted("granted") >= self.markers))
        return self.verdict_count()

    def verdict_count(self):
        """All that any process has had to say about datagrams."""
        return sum(control.verdicts(self.daemon.control).values())

    def test_checksums(self):
        """A datagram that was damaged on its way grants nothing, nor to a damaged address. Where the
        device has looked at them already, nobody does again; so it is told not to."""
        self.server.look_at_checksums("wire", False)
        self.addCleanup(self.server.look_at_checksums, "wire", True)
        self.start()
        for family, build in ((4, ipv4), (6, ipv6)):
            own, there = self.address(family, self.client), self.address(family)
            packet = openme.knock(self.alice, self.server_key.public)
            udp = struct.pack(">HHHH", SOURCE_PORT, KNOCK_PORT, 8 + len(packet), 0) + packet
            kind = socket.AF_INET if family == 4 else socket.AF_INET6
            ends = socket.inet_pton(kind, own) + socket.inet_pton(kind, there)
            right = checksum(ends + struct.pack(">II", len(udp), socket.IPPROTO_UDP) + udp)
            for wrong in (right ^ 1, right ^ 0x8000):
                frame = bytearray(build(own, there, udp))
                place = 26 if family == 4 else 46
                frame[place:place + 2] = struct.pack(">H", wrong)
                refused = self.refused()
                self.raw(family).sendto(bytes(frame), (there, 0))
                self.assertTrue(eventually(lambda r=refused: self.refused() == r + 1))
            frame[place:place + 2] = struct.pack(">H", right)
            granted = self.counted("granted")
            self.raw(family).sendto(bytes(frame), (there, 0))
            self.assertTrue(eventually(lambda g=granted: self.counted("granted") == g + 1))

    def refused(self):
        return self.counted("bad_size")

    # Devices, processes, rights

    def test_devices_that_go_and_come(self):
        """Every interface is heard, also one that was down or is made anew."""
        self.start()
        self.addCleanup(self.server.run, "ip", "link", "del", "ppp", check=False)
        for turn in range(3):
            link(self.server, self.other, 4, left_device="ppp", right_device="far")
            self.assert_once(self.other, 4)
            self.server.ip("link", "set", "ppp", "down")
            self.server.ip("link", "set", "ppp", "up")
            self.assert_once(self.other, 4)
            self.server.ip("link", "del", "ppp")
            self.assert_granted()

    def test_a_named_device_that_is_down_and_up(self):
        self.start(self.configuration(interface="wire"))
        for family in FAMILIES * 2:
            self.assert_granted(family)
            self.server.ip("link", "set", "wire", "down")
            time.sleep(0.2)
            self.server.ip("link", "set", "wire", "up")
            self.server.ip("address", "replace", f"{self.address(6)}/64", "dev", "wire", "nodad")
            self.assertTrue(eventually(lambda: " 0% packet loss" in self.client.run(
                "ping", "-c", "1", "-W", "0.2", self.address(4), check=False)))
            self.assert_granted()

    def test_only_the_named_device(self):
        self.start(self.configuration(interface="wire"))
        self.knock(space=self.other)
        self.knock()
        self.assertEqual(self.settle(), {self.address(4, self.client)})

    def knock_while_away(self, turn):
        targets = {f"203.0.{turn}.{last}" for last in range(1, 9)}
        for i, target in enumerate(sorted(targets)):
            self.knock(target=target, family=FAMILIES[i % 2])
        return targets

    def test_what_arrives_while_no_daemon_runs(self):
        """The service manager keeps the packet sockets."""
        self.start(self.configuration(workers=1))  # several: test_workers.py
        self.daemon.stop()
        self.daemon.notices.keeps = True
        self.daemon.start()
        for turn, how in enumerate(("stop", "kill", "stop", "kill")):
            with self.subTest(how=how):
                self.daemon.notices.drop()
                self.assertEqual(sorted(name for name, _ in self.daemon.notices.store),
                                 ["capture", "capture6", "firewall", "health", "held"])
                getattr(self.daemon, how)()
                self.daemon.notices.drop()
                targets = self.knock_while_away(turn)
                self.daemon.start()
                self.assertTrue(eventually(lambda: targets <= self.granted()),
                                targets - self.granted())
        self.assertEqual(self.daemon.events(message="a kept descriptor is of no use and is closed"),
                         [])

    def test_from_a_socket_to_a_capture_and_back(self):
        """What was kept for the other is not taken."""
        self.start()
        self.daemon.stop()
        self.daemon.notices.keeps = True
        for intake in ("capture", "socket", "capture"):
            self.daemon.configure(self.configuration(intake=intake))
            self.daemon.start()
            self.assert_granted()
            self.assertEqual(bool(self.udp_rows()), intake == "socket")
            self.daemon.stop()

    def test_it_cannot_change_while_running(self):
        self.start()
        self.daemon.configure(self.configuration(intake="socket"))
        self.daemon.reload()
        self.assertIn("server.intake: cannot change while running",
                      self.daemon.events(level="error")[-1]["why"])
        self.assert_granted()

    def test_without_the_right(self):
        """It says what is missing, and does not start."""
        self.start()
        self.daemon.stop()
        command = self.daemon.command
        self.daemon.command = lambda *more: ["setpriv", "--bounding-set", "-net_raw", *command(*more)]
        self.daemon.start(ready=False)
        self.assertEqual(self.daemon.process.wait(PATIENCE), 77)
        self.assertIn("CAP_NET_RAW", self.daemon.events(level="error")[0]["missing"])
