"""guard: all - the host is dark."""

import socket
import struct
import time

from capture import Outgoing
from flood import ipv4, ipv6
from netns import eventually
from service import echoes
from world import FAMILIES, KNOCK_PORT, SERVICE_PORT, WorldTest

SCANS = {"connect": "-sT", "syn": "-sS", "ack": "-sA", "fin": "-sF", "udp": "-sU", "null": "-sN",
         "window": "-sW", "sctp": "-sY"}


class DarkTest(WorldTest):
    tcp_ports = (SERVICE_PORT, 22, 80, 8443)
    udp_ports = (53,)

    def setUp(self):
        super().setUp()
        # Scanners probe closed ports too: let nothing be hidden by the kernel's own limits.
        self.server.run("sysctl", "-q", "net.ipv4.icmp_ratelimit=0",
                        "net.ipv6.icmp.ratelimit=0")
        self.start(self.configuration(guard="all", guard_allow=["8443/tcp", "10.77.2.0/24"]))


class ScanTest(DarkTest):
    """In a network where nobody was let in before: the kernel knows connections for two minutes, and
    while no rules ask for them it does not follow them, so that a probe from the same port would
    be taken for a part of one, and answered."""

    def nmap(self, family, *arguments):
        return self.client.run("nmap", *(["-6"] if family == 6 else []), "-n", "-Pn",
                               "--disable-arp-ping", "--max-retries", 0, "--min-rate", 500,
                               *arguments, self.address(family))

    def test_scans_find_nothing(self):
        for family in FAMILIES:
            with Outgoing(self.server) as outgoing:
                for name, flag in SCANS.items():
                    with self.subTest(scan=name, family=family):
                        self.nmap(family, flag, "-p", "20-100,2222,54154")
                        self.assertEqual(outgoing.frames, [])
                if family == 4:
                    self.nmap(family, "-sO", "-p", "1-2,4-150")
                    self.assertEqual(outgoing.frames, [])

    def test_ping_and_traceroute_find_nothing(self):
        for family in FAMILIES:
            with self.subTest(family=family), Outgoing(self.server) as outgoing:
                self.client.run("ping", "-c", 3, "-i", 0.2, "-W", 1, self.address(family),
                                check=False)
                for kind in ([], ["-T"], ["-I"]):
                    self.client.run("traceroute", f"-{family}", "-n", "-m", 2, "-q", 1, "-w", 0.3,
                                    *kind, self.address(family), check=False)
                self.assertEqual(outgoing.frames, [])

    def odd_packets(self):
        """For the knock port, which lets everybody by, so that the kernel itself finds what is wrong:
        an option that is too short, a fragment without the rest, a header that nobody knows."""
        udp = struct.pack(">HHHH", 40000, KNOCK_PORT, 16, 0) + bytes(8)
        four = ipv4(self.address(4, self.client), self.address(4), udp)
        six = ipv6(self.address(6, self.client), self.address(6), udp)
        options = b"\x46" + four[1:20] + b"\x07\x02\0\0" + udp
        fragment = four[:6] + b"\x20\0" + four[8:]
        unknown = struct.pack(">BBBBI", socket.IPPROTO_UDP, 0, 0x9e, 4, 0)
        header = six[:4] + struct.pack(">HB", len(udp) + len(unknown), 60) + six[7:40]
        return {"option": (4, options), "fragment": (4, fragment),
                "header": (6, header + unknown + six[40:])}

    def test_the_hosts_own_errors_stay_inside(self):
        """Of packets that pass, and of the knock port while nobody listens there."""
        self.server.run("sysctl", "-q", "net.ipv4.ipfrag_time=1")
        for name, (family, packet) in self.odd_packets().items():
            kind = socket.AF_INET if family == 4 else socket.AF_INET6
            with self.subTest(name), Outgoing(self.server) as outgoing:
                with self.client.socket(kind, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
                    s.sendto(packet, (self.address(family), 0))
                time.sleep(2.5 if name == "fragment" else 0.3)
                self.assertEqual(outgoing.frames, [])
        self.daemon.stop()
        for family in FAMILIES:
            with self.subTest(family=family), Outgoing(self.server) as outgoing:
                self.knock(family=family)
                time.sleep(0.3)
                self.assertEqual(outgoing.frames, [])


class GuardTest(DarkTest):
    def test_neighbour_discovery_works(self):
        for _ in range(3):
            self.client.ip("-6", "neigh", "flush", "dev", "wire")
            self.server.ip("-6", "neigh", "flush", "dev", "wire")
            self.knock(family=6)
            self.assert_opens(6)
            time.sleep(0.1)
        neighbours = self.client.ip("-6", "neigh", "show", self.address(6))
        self.assertIn("lladdr", neighbours)

    def test_grants_and_established_connections_work(self):
        for family in FAMILIES:
            with self.subTest(family=family):
                self.assert_shut(family)
                self.knock(family=family)
                connection = self.connection(family)
                self.assert_shuts(family)
                self.assertTrue(echoes(connection))
                connection.close()

    def test_the_allow_list(self):
        for family in FAMILIES:
            self.assertTrue(self.reaches(family, port=8443))
        self.assertTrue(self.reaches(4, port=80, space=self.other))
        self.assertFalse(self.reaches(6, port=80, space=self.other))

    def test_the_host_itself_reaches_out_and_in(self):
        """Loopback, and connections that the host makes."""
        for family in FAMILIES:
            self.assertTrue(self.server.connects("::1" if family == 6 else "127.0.0.1", 80))
            self.assertTrue(self.server.connects(self.address(family), 80))
        listener = self.client.popen("nc", "-l", "-k", "9000")
        self.addCleanup(listener.wait)
        self.addCleanup(listener.kill)
        there = self.address(4, self.client)
        self.assertTrue(eventually(lambda: self.server.connects(there, 9000)))

    def test_flushed_while_dark(self):
        self.server.flush_rules()
        self.assertTrue(eventually(self.table))
        self.assert_shut(port=22)
