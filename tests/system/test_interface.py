"""`interface:` is resolved on this host; what would be deaf, with the ports open, does not start."""

import os
import re
import subprocess
from pathlib import Path
from unittest.mock import patch

import openme
import openspa
from daemon import program
from netns import PATIENCE, eventually, link
from spa_world import PORT as SPA_PORT
from spa_world import SpaWorldTest
from stranger import Stranger
from world import FAMILIES, KNOCK_PORT, LONG, SERVICE_PORT, WorldTest

ALTERNATIVE = "uplink-in-the-cellar-left-of-the-door"  # longer than a device's own name may be
# CAP_KILL, CAP_DAC_READ_SEARCH, CAP_IPC_LOCK, CAP_NET_RAW
MAIN = 1 << 5 | 1 << 2 | 1 << 14 | 1 << 13


class InterfaceTest(WorldTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.ip("link", "property", "add", "dev", "wire", "altname", ALTERNATIVE)
        # A second wire to `other`, in a bridge on our side.
        link(cls.server, cls.other, 3, left_device="gate", right_device="gate")
        cls.server.ip("link", "add", "bridge", "type", "bridge")
        cls.enslave("gate", "bridge", 3)

    @classmethod
    def enslave(cls, device, master, number):
        """A device becomes part of another, which takes its addresses over."""
        cls.server.ip("address", "flush", "dev", device)
        cls.server.ip("link", "set", device, "master", master)
        for family, bits in ((4, 24), (6, 64)):
            more = ["nodad"] if family == 6 else []
            cls.server.ip("address", "add", f"{cls.server.addresses[number][family]}/{bits}",
                          "dev", master, *more)
        cls.server.ip("link", "set", master, "up")

    def refused(self, name):
        """Neither --check nor a start takes the interface; returns what they say, each."""
        self.start()
        configuration = self.configuration(interface=name)
        self.daemon.stop()
        self.server.flush_rules()
        self.daemon.configure(configuration)
        checked = subprocess.run(
            ["ip", "netns", "exec", self.server.name, *map(str, self.daemon.command("--check"))],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(checked.returncode, 78, checked.stdout)
        told = subprocess.run(
            ["ip", "netns", "exec", self.server.name, program("postern"), "--config",
             self.daemon.file, "config", "check"], text=True, stderr=subprocess.PIPE)
        self.assertEqual((told.returncode, told.stderr.splitlines()[0].partition(": ")[2]),
                         (78, checked.stdout.strip().partition(": ")[2]))
        self.daemon.start(ready=False)
        # Not 78: the service manager is to try again.
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        said = self.daemon.events(message="cannot use the interface")[0]["why"]
        self.assertIn(said, checked.stdout)
        self.assertRegex(said, r"config\.yaml:\d+:\d+: server\.interface: ")
        return said

    def test_a_device_that_is_not_there(self):
        said = self.refused("eth9")
        self.assertIn('found "eth9"; expected an interface of this host: ', said)
        for name in ("lo", "wire", "wire2", "bridge"):
            self.assertRegex(said, rf"[ ,]{name}(,|$)")
        self.assertIn('did you mean "wire"?', self.refused("wiry"))

    def test_it_is_shut_without_the_daemon(self):
        """The start that was refused has run the guard, which also runs before the network."""
        here, there = (self.client, 1), (self.other, 3)
        for name, shut in (("eth9", ()), ("gate", (there,)), ("wire", (here,)),
                           (ALTERNATIVE, (here,)), ("an-alternative-name-of-nobody", (here, there))):
            with self.subTest(name=name):
                self.daemon = self.daemon or self.start()
                self.daemon.configure(self.configuration(interface=name))
                if self.daemon.process.poll() is None:
                    self.daemon.stop()
                self.server.flush_rules()
                words = [program("postern-guard"), "-c", self.daemon.file, "--state-dir",
                         self.daemon.state]
                if name in ("eth9", "gate"):
                    self.assertEqual(self.daemon.start(ready=False).process.wait(PATIENCE), 1)
                else:
                    self.server.run(*words)
                self.assertIn(f'"{name}"' if name == "eth9" else "table",
                              self.server.run("nft", "list", "table", "inet", "postern"))
                for space, number in (here, there):
                    for family in FAMILIES:
                        address = self.server.addresses[number][family]
                        self.assertEqual(space.connects(address, SERVICE_PORT),
                                         (space, number) not in shut)

    def test_init_says_so_too(self):
        for name, said in (("gate", 'whose packets go to "bridge"'), ("wire", "")):
            done = subprocess.run(
                ["ip", "netns", "exec", self.server.name, program("postern"), "--config",
                 self.folder / f"init-{name}" / "config.yaml", "init", "--server", "h",
                 "--interface", name], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(said, done.stderr)
            self.assertEqual(bool(done.stderr), bool(said), done.stderr)

    def test_a_bridge_port(self):
        said = self.refused("gate")
        self.assertIn('found "gate", whose packets go to "bridge" (bridge)', said)
        self.assertTrue(said.endswith('expected "bridge"'), said)

    def test_the_bridge_itself(self):
        self.start(self.configuration(interface="bridge"))
        for family in FAMILIES:
            with self.subTest(family=family):
                there = self.server.addresses[3][family]
                self.assertFalse(self.other.connects(there, SERVICE_PORT))
                packet = openme.knock(self.alice, self.server_key.public)
                self.other.send(packet, there, KNOCK_PORT)
                self.assertTrue(eventually(lambda: self.other.connects(there, SERVICE_PORT)))

    def test_what_belongs_to_a_vrf(self):
        try:
            self.server.ip("link", "add", "red", "type", "vrf", "table", "10")
        except RuntimeError:
            self.skipTest("this kernel has no VRF")
        self.addCleanup(self.server.ip, "link", "del", "red")
        self.server.ip("link", "add", "leaf", "type", "veth", "peer", "name", "leaf2")
        self.addCleanup(self.server.ip, "link", "del", "leaf")
        self.server.ip("link", "set", "leaf", "master", "red")
        self.assertTrue(self.refused("leaf").endswith('(vrf), which it belongs to; expected "red"'))
        # A bridge in a VRF: its ports' packets end up there.
        self.server.ip("link", "set", "bridge", "master", "red")
        self.addCleanup(self.server.ip, "link", "set", "bridge", "nomaster")
        self.assertTrue(self.refused("gate").endswith('expected "red"'))

    def test_another_name_of_a_device(self):
        self.start(self.configuration(interface=ALTERNATIVE))
        self.assertEqual(
            [(e["interface"], e["name"]) for e in
             self.daemon.events(message="the interface has another name of its own")],
            [(ALTERNATIVE, "wire")])
        for family in FAMILIES:
            with self.subTest(family=family):
                self.assert_shut(family)
                self.assertTrue(self.reaches(family, space=self.other), "wire2 is not guarded")
                self.knock(family=family)
                self.assert_opens(family)
        # Both names are the same device to a reload; any other needs a restart.
        for name, taken in ((ALTERNATIVE, True), ("wire", True), ("wire2", False), ("", False),
                            ("gate", False), ("eth9", False)):
            with self.subTest(name=name):
                before = len(self.daemon.lines())
                self.daemon.configure(self.configuration(interface=name or "''"))
                self.daemon.reload()
                news = [line["message"] for line in self.daemon.lines()[before:]]
                self.assertEqual(any(m.startswith("reloaded") for m in news), taken, news)
                whys = [line["why"] for line in self.daemon.lines()[before:] if "why" in line]
                self.assertTrue(taken or "server.interface: " in whys[0], whys)

    def test_a_reload_while_the_device_is_gone(self):
        """It is said, and does not keep anybody from being revoked."""
        self.server.ip("link", "add", "ppp", "type", "veth", "peer", "name", "ppp2")
        self.addCleanup(self.server.run, "ip", "link", "del", "ppp", check=False)
        self.start(self.configuration(interface="ppp"))
        self.server.ip("link", "del", "ppp")
        self.daemon.configure(self.configuration({"bob": {"revoked": True}}, interface="ppp"))
        self.daemon.reload()
        gone = self.daemon.events(message="nothing is heard at the interface")
        self.assertIn('found "ppp"', gone[0]["why"])
        self.assertTrue(self.daemon.events(message="reloaded: 3 clients, 0 devices"))

    # Deleted and made anew

    def make_veth(self, device):
        """A wire of its own to `other`, number 4."""
        link(self.server, self.other, 4, left_device=device, right_device="far")

    def make_bridge(self, device):
        link(self.server, self.other, 4, left_device="port", right_device="far")
        self.server.ip("link", "add", device, "type", "bridge")
        self.enslave("port", device, 4)

    def remove(self, *devices):
        for device in devices:
            self.server.run("ip", "link", "del", device, check=False)
        self.other.run("ip", "link", "del", "far", check=False)

    def heard(self, family, port=SERVICE_PORT):
        """One knock on wire 4 is granted, and there is a connection. Before that the two find each
        other, which takes IPv6 a second when a bridge is new."""
        address, own = self.server.addresses[4][family], self.other.addresses[4][family]
        self.assertTrue(eventually(lambda: " 0% packet loss" in self.other.run(
            "ping", "-c", "1", "-W", "0.2", address, check=False)))
        before = self.counted("granted")
        packet = openme.knock(self.alice, self.server_key.public)
        self.other.send(packet, address, KNOCK_PORT, own)
        return (eventually(lambda: self.counted("granted") > before) and
                eventually(lambda: self.other.connects(address, port, own, timeout=0.05)))

    def strangers(self):
        """Who never knock: from other addresses on wire 4."""
        return [Stranger(self.other, self.server.addresses[4][family], SERVICE_PORT, source)
                for family, source in ((4, "10.77.4.66"), (6, "fd77:4::66"))]

    def remake(self, make, device, parts, name=None, prepare=lambda: None):
        """Five times: gone, back, heard at once over both families, and no stranger gets in."""
        self.addCleanup(self.remove, *parts)
        self.remove(*parts)
        make(device)
        prepare()
        self.start(self.configuration(interface=name or device, knock_timeout=LONG))
        self.assertTrue(self.heard(4))
        strangers = self.strangers()
        for stranger in strangers:
            stranger.start()
        try:
            for turn in range(1, 6):
                self.remove(*parts)
                if turn % 2:  # else it is back before anybody has looked
                    self.assertTrue(eventually(lambda t=turn: len(self.daemon.events(
                        message="the interface is gone: nothing is heard until it is back",
                        level="warn")) == t))
                make(device)
                prepare()
                for address in ("10.77.4.66/24", "fd77:4::66/64"):
                    more = ["nodad"] if ":" in address else []
                    self.other.ip("address", "add", address, "dev", "far", *more)
                for family in FAMILIES:
                    self.assertTrue(self.heard(family), f"deaf after {turn}, IPv{family}")
                    self.assertTrue(self.heard(family, port=KNOCK_PORT), "no health port")
                self.assertTrue(eventually(lambda t=turn: len(self.daemon.events(
                    message="the interface is back, and heard", level="info")) == t))
        finally:
            found = [stranger.count() for stranger in strangers]
        self.assertEqual(found, [0, 0])
        self.assertTrue(all(stranger.tries > 20 for stranger in strangers))
        self.assertIsNone(self.daemon.process.poll())

    def test_a_device_that_is_made_anew(self):
        self.remake(self.make_veth, "ppp", ["ppp"])

    def test_a_bridge_that_is_made_anew(self):
        self.remake(self.make_bridge, "lan", ["lan", "port"])

    def test_a_device_that_is_made_anew_unnoticed(self):
        """Netlink tells nothing of it: main looks each second."""
        self.addCleanup(self.remove, "ppp")
        self.make_veth("ppp")
        with patch.dict(os.environ, LD_PRELOAD=str(program("tests/system/deaf.so"))):
            self.start(self.configuration(interface="ppp"))
        for turn in range(1, 3):
            self.remove("ppp")
            self.make_veth("ppp")
            self.assertTrue(eventually(lambda t=turn: len(self.daemon.events(
                message="the interface is back, and heard", level="info")) == t))
            self.assertTrue(self.heard(4))

    def test_a_device_with_another_name_that_is_made_anew(self):
        name = "to-the-provider-by-telephone"
        self.remake(self.make_veth, "ppp", ["ppp"], name, lambda: self.server.ip(
            "link", "property", "add", "dev", "ppp", "altname", name))

    def test_it_is_back_with_another_name_of_its_own(self):
        """Rules go by that name, so a new daemon is wanted: it ends, for the service manager."""
        name = "to-the-provider-by-telephone"
        self.addCleanup(self.remove, "ppp", "ppp9")
        for device in ("ppp", "ppp9"):
            self.remove("ppp", "ppp9")
            self.make_veth(device)
            self.server.ip("link", "property", "add", "dev", device, "altname", name)
            if device == "ppp":
                self.start(self.configuration(interface=name))
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        self.assertTrue(self.daemon.events(
            message="the interface is back with another name of its own"))
        self.daemon.start()
        self.assertTrue(self.heard(4))

    def test_sockets_that_cannot_be_bound_anew(self):
        """A service manager has left the daemon without CAP_NET_RAW: it says so once, and lives on."""
        self.addCleanup(self.remove, "ppp")
        self.make_veth("ppp")
        self.start(self.configuration(interface="ppp"))
        self.daemon.stop()
        command = self.daemon.command
        self.daemon.command = lambda *more: ["setpriv", "--bounding-set", "-net_raw", *command(*more)]
        self.daemon.start()
        self.remove("ppp")
        self.make_veth("ppp")
        failed = "cannot listen at the interface that is back"
        self.assertTrue(eventually(lambda: self.daemon.events(message=failed)))
        self.assertFalse(eventually(lambda: len(self.daemon.events(message=failed)) > 1, within=2.5))
        self.assertIsNone(self.daemon.process.poll())

    def test_main_can_bind_and_see_nothing(self):
        self.start(self.configuration(interface="wire"))
        status = Path(f"/proc/{self.daemon.roles()['main']}/status").read_text()
        self.assertEqual(int(re.search(r"CapEff:\s*(\w+)", status)[1], 16), MAIN)


class SpaInterfaceTest(SpaWorldTest):
    def test_requests_are_heard_on_a_device_that_is_made_anew(self):
        def make():
            link(self.server, self.other, 4, left_device="ppp", right_device="far")
        self.addCleanup(self.server.run, "ip", "link", "del", "ppp", check=False)
        make()
        self.serve(server={"interface": "ppp"})
        for turn in range(3):
            for family in FAMILIES:
                packet = self.request(client=self.other.addresses[4][family])
                with self.other.socket(2 if family == 4 else 10, 2) as s:
                    s.settimeout(PATIENCE)
                    s.sendto(packet, (self.server.addresses[4][family], SPA_PORT))
                    openspa.open_response(s.recv(2048), self.phone, self.spa_key.public)
            self.server.ip("link", "del", "ppp")
            if turn == 0:
                self.assertTrue(eventually(lambda: self.daemon.events(level="warn")))
            make()
            self.assertTrue(eventually(lambda t=turn: len(self.daemon.events(
                message="the interface is back, and heard")) == t + 1))
