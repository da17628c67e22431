"""A client behind a box that translates its addresses:

    inside ---- [ box ] ---- far (198.51.100.1, 2001:db8:9::1) [ server ]

What the server sees is OUTSIDE. The client's own address is of the test's choice."""

import shutil
import unittest

import netns
from netns import PATIENCE, add_address

SERVER = "198.51.100.1"
OUTSIDE = "198.51.100.2"
SQUATTED = ("11.0.0.2", "11.0.0.1", 24)  # public space of others, that a carrier uses inside
CLAT = ("192.0.0.2", "192.0.0.1", 29)  # RFC 7335
INSIDE_6, BOX_6 = "2001:db8:64::2", "2001:db8:64::1"
PREFIX = "2001:db8:66::"  # an operator's own: nobody can tell that it is one of NAT64
NAT64_SERVER = f"{PREFIX}{SERVER}"
TAYGA = """tun-device nat64
ipv4-addr 192.0.2.1
ipv6-addr 2001:db8:65::1
prefix {prefix}/96
dynamic-pool 192.0.2.0/24
data-dir {folder}
"""


class Translated:
    """For a WorldTest: three cables more, made once for the class."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box, cls.inside = cls.namespace("box"), cls.namespace("inside")
        for left, right, device in ((cls.server, cls.box, "far"), (cls.box, cls.inside, "near")):
            netns.run("ip", "-n", left.name, "link", "add", device, "type", "veth",
                      "peer", "name", device, "netns", right.name)
            for space in (left, right):
                space.ip("link", "set", device, "up")
        for space, host in ((cls.server, 1), (cls.box, 2)):
            add_address(space, "far", f"198.51.100.{host}", 24)
            add_address(space, "far", f"2001:db8:9::{host}", 64)
        cls.box.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        cls.box.nft("table inet nat { chain out { type nat hook postrouting priority srcnat; "
                    'oifname "far" masquerade; }; }')

    def inside_has(self, own, gateway, bits):
        """IPv4 in the box's network."""
        self.inside_has_nothing()
        add_address(self.box, "near", gateway, bits)
        add_address(self.inside, "near", own, bits)
        self.inside.ip("route", "replace", "default", "via", gateway)

    def inside_has_nothing(self):
        for space in (self.box, self.inside):
            space.ip("address", "flush", "dev", "near", "scope", "global")

    def inside_has_ipv6_alone(self):
        """And a translator in the box."""
        if shutil.which("tayga") is None:
            raise unittest.SkipTest("tayga is not installed")
        self.inside_has_nothing()
        add_address(self.box, "near", BOX_6, 64)
        add_address(self.inside, "near", INSIDE_6, 64)
        self.inside.ip("-6", "route", "replace", "default", "via", BOX_6)
        conf = self.folder / "tayga.conf"
        conf.write_text(TAYGA.format(folder=self.folder, prefix=PREFIX))
        self.box.run("tayga", "-c", conf, "--mktun")
        self.box.ip("link", "set", "nat64", "up")
        for family, net in (("-4", "192.0.2.0/24"), ("-6", f"{PREFIX}/96")):
            self.box.ip(family, "route", "add", net, "dev", "nat64")
        translator = self.box.popen("tayga", "-c", conf, "--nodetach")
        self.addCleanup(self.box.run, "tayga", "-c", conf, "--rmtun")
        self.addCleanup(translator.wait, PATIENCE)
        self.addCleanup(translator.terminate)
