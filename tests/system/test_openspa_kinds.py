"""Every kind of request over both families, with what it opens and what it does not: a TCP and a
UDP service and pings, under guard: all."""

import openspa
from netns import eventually
from service import udp_echoes
from spa_world import SpaWorldTest

OPEN, BESIDE, OUTSIDE = 3000, 3005, 3011
PING = {4: openspa.ICMP, 6: openspa.ICMPV6}


class KindsTest(SpaWorldTest):
    tcp_ports = (OPEN, BESIDE, OUTSIDE)
    udp_ports = (OPEN, BESIDE, OUTSIDE)

    def setUp(self):
        super().setUp()
        self.serve(duration="8s")

    def seen(self, family):
        """What the client can reach."""
        address = self.address(family)
        found = {("tcp", port) for port in self.tcp_ports if self.reaches(family, port)}
        found |= {("udp", port) for port in self.udp_ports
                  if udp_echoes(self.client, address, port, 0.5)}
        return found | ({"ping"} if self.pings(family) else set())

    def assert_opens_just(self, what, family, **asked):
        with self.subTest(family=family, **asked):
            answer = self.granted_for(self.request(family=family, **asked), family=family)
            self.assertEqual(answer[1], asked["protocol"])
            self.assertEqual(self.seen(family), what)
            self.assertTrue(eventually(lambda: not self.seen(family)))

    def both(self, what, protocol, **asked):
        for family in (4, 6):
            self.assert_opens_just(what, family, protocol=protocol, **asked)

    def test_nothing_before(self):
        for family in (4, 6):
            self.assertEqual(self.seen(family), set())

    def test_tcp(self):
        self.both({("tcp", OPEN)}, openspa.TCP, first=OPEN)

    def test_udp(self):
        self.both({("udp", OPEN)}, openspa.UDP, first=OPEN)

    def test_tcp_range(self):
        self.both({("tcp", OPEN), ("tcp", BESIDE)}, openspa.TCP, first=OPEN, last=OUTSIDE - 1)

    def test_udp_range(self):
        self.both({("udp", OPEN), ("udp", BESIDE)}, openspa.UDP, first=OPEN, last=OUTSIDE - 1)

    def test_ping(self):
        for family in (4, 6):
            self.assert_opens_just({"ping"}, family, protocol=PING[family], first=0)

    def test_ping_of_the_other_family(self):
        """What could never be used is not granted."""
        for family in (4, 6):
            self.assert_silent(self.request(protocol=PING[10 - family], first=0, family=family),
                               "no_ports", family)
