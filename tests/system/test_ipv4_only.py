"""Hosts without IPv6, where the kernel has none or it is turned off; and answers, which come from
the address that was asked."""

import json
import socket

import openme
import openspa
from daemon import program
from netns import PATIENCE, add_address, eventually
from spa_world import PORT, SpaWorldTest
from test_ladder import Ladder, lacking
from world import KNOCK_PORT, SERVICE_PORT

SECOND = {4: "10.77.1.9", 6: "fd77:1::9"}  # beside the first on one interface
FAR = {4: "10.77.2.1", 6: "fd77:2::1"}  # on another interface
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


class AnswersTest(Ladder, SpaWorldTest):
    """Every address of the server's is asked, by a socket that hears nobody else."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        add_address(cls.server, "wire", SECOND[4], 24)
        add_address(cls.server, "wire", SECOND[6], 64)
        cls.client.ip("route", "add", "10.77.2.0/24", "via", "10.77.1.1")
        cls.client.ip("-6", "route", "add", "fd77:2::/64", "via", "fd77:1::1")

    def configured(self, **settings):
        configuration = self.configuration(guard="all")
        configuration["openspa"] = self.settings(**settings)
        return configuration

    def without_ipv6(self, **settings):
        """A daemon to which the kernel gives no socket of IPv6."""
        return self.in_place(lacking("ipv6"), self.configured(**settings), self.place).start()

    def place(self, folder):
        for name, text in self.files().items():
            path = folder / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.write_text(text)
            path.chmod(0o600)

    def answered(self, address, family=4, **fields):
        """What the answer says; one from another address never gets here."""
        with self.client.socket(FAMILY[family], socket.SOCK_DGRAM) as wire:
            wire.settimeout(PATIENCE)
            wire.connect((address, PORT))
            wire.send(self.request(family=family, **fields))
            return openspa.open_response(wire.recv(2048), self.phone, self.spa_key.public)

    def assert_answers(self, *families):
        for family in families:
            for address in (self.address(family), SECOND[family], FAR[family]):
                with self.subTest(address=address):
                    self.assertEqual(self.answered(address, family)[1:],
                                     (openspa.TCP, SERVICE_PORT, SERVICE_PORT, 2))

    def test_with_ipv6(self):
        self.serve()
        self.assert_answers(4, 6)

    def test_bound_to_one_address(self):
        for family in (4, 6):
            self.serve(bind=f"'{SECOND[family]}'")
            self.answered(SECOND[family], family)

    def test_without_ipv6(self):
        """A request is granted and answered, also after a reload and by the next daemon, which is
        given the sockets of the last one."""
        daemon = self.without_ipv6()
        self.assert_answers(4)
        self.assertTrue(self.reaches())
        daemon.reload()
        self.assert_answers(4)
        self.assert_shuts()
        daemon.notices.keeps = True
        daemon.stop()
        daemon.start()
        self.assert_answers(4)
        self.assertTrue(daemon.events(message="this host has no IPv6: only IPv4 is served"))

    def test_without_ipv6_and_bound_to_one_address(self):
        self.without_ipv6(bind=SECOND[4])
        self.answered(SECOND[4])
        self.assert_shuts()
        with self.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.sendto(self.request(), (self.address(4), PORT))
        self.assert_shut()

    def test_without_ipv6_an_address_of_it_is_named(self):
        daemon = self.in_place(lacking("ipv6"), self.configured(bind="'fd77:1::1'"),
                               self.place).start(ready=False)
        self.assertEqual(daemon.process.wait(PATIENCE), 1)
        self.assertIn("openspa.bind is an address of it", daemon.log_path.read_text())

    def test_ipv6_turned_off(self):
        """The kernel has it, and no interface may use it."""
        off = "net.ipv6.conf.{}.disable_ipv6={}"
        self.server.run("sysctl", "-qw", off.format("all", 1))
        try:
            self.serve()
            self.assert_answers(4)
            self.client.send(self.packet(), SECOND[4], KNOCK_PORT)
            self.assertTrue(eventually(lambda: self.counted("granted") > 3))
        finally:
            self.server.run("sysctl", "-qw", off.format("all", 0))
            for device, six in (("wire", self.address(6)), ("wire", SECOND[6]), ("wire2", FAR[6])):
                add_address(self.server, device, six, 64)

    def packet(self):
        return openme.knock(self.alice, self.server_key.public)

    def test_knocks_without_ipv6(self):
        self.without_ipv6()
        for address in (self.address(4), SECOND[4], FAR[4]):
            granted = self.counted("granted")
            self.client.send(self.packet(), address, KNOCK_PORT)
            self.assertTrue(eventually(lambda g=granted: self.counted("granted") > g))
        self.assert_opens()

    def test_our_client_without_ipv6(self):
        """It asks at every address, and is answered."""
        self.without_ipv6(duration="60s")
        for name, text in (("client.key", self.phone.key.private_pem()),
                           ("server.pub", self.spa_key.public_pem())):
            (self.daemon.folder / name).write_text(text)
            (self.daemon.folder / name).chmod(0o600)
        for address in (self.address(4), SECOND[4], FAR[4]):
            said = self.client.run(
                *lacking("ipv6"), program("postern"), "--json", "request", "-s", address,
                "--client-device-id", self.phone.uuid, "--private-key",
                self.daemon.folder / "client.key", "--server-public-key",
                self.daemon.folder / "server.pub", "-p", SERVICE_PORT, "-c",
                self.address(4, self.client), "-r", "1")
            self.assertTrue(json.loads(said)["granted"], said)
