"""`interface:` is resolved on this host; what would be deaf, with the ports open, does not start."""

import subprocess

import openme
from daemon import program
from netns import eventually, link
from world import FAMILIES, KNOCK_PORT, SERVICE_PORT, WorldTest

ALTERNATIVE = "uplink-in-the-cellar-left-of-the-door"  # longer than a device's own name may be


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
        self.server.run("nft", "flush", "ruleset")
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
        self.assertEqual(self.daemon.process.wait(20), 1)
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
                self.server.run("nft", "flush", "ruleset")
                words = [program("postern-guard"), "-c", self.daemon.file, "--state-dir",
                         self.daemon.state]
                if name in ("eth9", "gate"):
                    self.assertEqual(self.daemon.start(ready=False).process.wait(20), 1)
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
