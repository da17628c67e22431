"""The service manager keeps the sockets: what arrives while no daemon runs is judged by the next. And
what it hands back is not believed. The test is the service manager."""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path
from unittest.mock import patch

import openme
import openspa
from daemon import descriptors, program
from netns import PATIENCE, eventually
from spa_world import PORT as SPA_PORT
from spa_world import SpaWorldTest
from world import FAMILIES, KNOCK_PORT, LONG

NAMES = {"openme", "openspa", "health"}
KEPT = sorted({*NAMES, "held", "firewall"})
REFUSED = "a kept descriptor is of no use and is closed"
TAKEN = "a socket has been kept for us"
SO_ATTACH_FILTER = 26


class StoreTest(SpaWorldTest):
    server_settings = {"knock_timeout": LONG, "workers": 1}  # several: test_workers.py

    def begin(self, **server):
        """A daemon whose sockets are kept."""
        self.serve(server=server, duration=LONG)
        self.daemon.stop()
        self.daemon.notices.keeps = True
        self.daemon.start()
        self.assertEqual(self.kept(), KEPT)
        self.assertEqual(self.daemon.events(message=TAKEN), [])

    def kept(self):
        self.daemon.notices.drop()
        return sorted(name for name, _ in self.daemon.notices.store)

    def end(self, how):
        getattr(self.daemon, how)()
        self.daemon.notices.drop()

    def knock_while_away(self):
        """Knocks and requests of both families, each for an address of its own: as many as may wait of
        one source at once."""
        self.rounds = getattr(self, "rounds", 0) + 1
        targets = [f"203.0.{self.rounds}.{last}" for last in range(1, 17)]
        for i, target in enumerate(targets):
            self.knock(target=target, family=FAMILIES[i % 2])
        asked = [f"198.51.{self.rounds}.{1 + family}" for family in FAMILIES]
        for family, client in zip(FAMILIES, asked):
            packet = self.request(client=client)
            self.client.send(packet, self.address(family), SPA_PORT)
        return {*targets, *asked}

    def assert_granted(self, addresses):
        self.assertTrue(eventually(lambda: addresses <= self.granted()),
                        f"lost: {addresses - self.granted()}")

    def assert_served(self):
        """Knocks, requests and the health port, over both families."""
        for family in FAMILIES:
            self.knock(family=family)
            self.assertTrue(eventually(
                lambda f=family: self.reaches(f, port=KNOCK_PORT, timeout=0.05)), "no health port")
            self.granted_for(self.request(family=family), family=family)

    def test_what_arrives_while_no_daemon_runs(self):
        self.begin()
        for how in ("stop", "kill", "stop", "kill"):
            with self.subTest(how=how):
                self.end(how)
                addresses = self.knock_while_away()
                time.sleep(0.1)
                before = len(self.daemon.events(message=TAKEN))
                self.daemon.start()
                self.assert_granted(addresses)
                self.assertEqual({e["name"] for e in self.daemon.events(message=TAKEN)[before:]},
                                 NAMES)
                self.assertEqual(self.kept(), KEPT)
                self.assert_served()
        self.assertEqual(self.daemon.events(message=REFUSED), [])

    def test_what_was_read_and_not_judged(self):
        """The keeper stands still, so that the doorman has read all of it when both are killed."""
        self.begin()
        for _ in range(3):
            os.kill(self.daemon.roles()["keeper"], signal.SIGSTOP)
            addresses = self.knock_while_away()
            self.assertTrue(eventually(lambda: self.unread() == 0))
            time.sleep(0.2)
            self.end("kill")
            self.daemon.start()
            self.assert_granted(addresses)
            self.assert_served()
        before = len(self.verdicts("replayed"))
        self.end("kill")
        self.daemon.start()
        self.settle()
        self.assertEqual(len(self.verdicts("replayed")), before, "what was judged was taken up")

    def cut_off(self, family, after):
        """A daemon whose keeper is killed as it opens for the client's address, or has just done so."""
        address = socket.inet_pton({4: socket.AF_INET, 6: socket.AF_INET6}[family],
                                   self.client.addresses[1][family])
        environment = {"LD_PRELOAD": str(program("tests/system/cut_off.so")),
                       "CUT_OFF": address.hex()}
        if after:
            environment["CUT_OFF_AFTER"] = "1"
        self.end("stop")
        self.daemon.notices.forget()
        self.server.flush_rules()
        with patch.dict(os.environ, environment):
            self.daemon.start()

    def assert_goes_on(self, family, packet, after):
        self.assertTrue(eventually(lambda: not self.daemon.living()), "it was to be killed")
        self.daemon.notices.drop()
        mine = self.client.addresses[1][family]
        self.assertEqual(self.granted(), {mine} if after else set())
        self.deliver(packet, family, space=self.other)
        self.daemon.start()
        # In whichever order.
        self.assertTrue(eventually(lambda: (self.counted("granted"), self.counted("replayed")) == (1, 1)))
        self.assertEqual(self.granted(), {mine})
        self.assertTrue(self.reaches(family))
        self.deliver(packet, family)
        self.assertTrue(eventually(lambda: self.counted("replayed") == 2))

    def test_what_was_remembered_and_not_granted_yet(self):
        """It goes on, for where it came from. Before and after the kernel has opened."""
        self.begin()
        for after in (False, True):
            for family in FAMILIES:
                with self.subTest(after=after, family=family):
                    self.cut_off(family, after)
                    packet = self.knock(family=family)
                    self.assert_goes_on(family, packet, after)

    def test_without_a_store_nothing_goes_on(self):
        """Then whoever sends it again has recorded it."""
        self.begin()
        self.daemon.notices.keeps = False
        for after in (False, True):
            with self.subTest(after=after):
                self.cut_off(4, after)
                packet = self.knock()
                self.assertTrue(eventually(lambda: not self.daemon.living()), "it was to be killed")
                self.daemon.notices.forget()
                self.server.flush_rules()
                self.daemon.start()
                self.deliver(packet)
                self.assertTrue(eventually(lambda: self.counted("replayed") == 1))
                self.assertEqual(self.granted(), set())

    def test_others_cannot_take_the_rules_away_while_no_daemon_runs(self):
        """They have an owner, whose socket is kept."""
        if not self.has_owners():
            self.skipTest("this kernel has no owned tables")
        self.begin()
        self.knock()
        self.assert_opens()
        for how in ("stop", "kill", "stop", "kill"):
            with self.subTest(how=how):
                self.end(how)
                for change in ("flush ruleset", "delete table inet postern",
                               "flush chain inet postern granted"):
                    self.server.run("nft", change, check=False)
                    for family in FAMILIES:
                        self.assert_shut(family, space=self.other)
                    self.assertTrue(self.reaches(), "the grant is gone")
                self.daemon.start()
                self.assert_shut(space=self.other)
                self.assert_served()
        self.end("kill")
        self.daemon.notices.forget()
        self.server.flush_rules()
        self.assertTrue(self.reaches(space=self.other), "so the owner is what has kept them")

    def has_owners(self):
        return subprocess.run(["ip", "netns", "exec", self.server.name, "nft",
                               "add table inet x { flags owner; }"]).returncode == 0

    def test_a_start_that_fails_leaves_the_owner(self):
        self.begin()
        self.end("kill")
        good = self.daemon.file.read_text()
        self.daemon.configure(good + "nonsense: 1\n")
        self.daemon.start(ready=False)
        self.daemon.process.wait(PATIENCE)
        self.assertNotIn("owns the table", self.daemon.log_path.read_text())
        self.server.flush_rules()
        self.assert_shut(space=self.other)
        self.daemon.configure(good)
        self.daemon.start()
        self.assert_served()

    def netlink(self, protocol=0, groups=0):
        with self.server.entered():
            s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        s.bind((0, groups))
        return s

    def test_an_owner_that_is_none(self):
        """A socket that is another, or hears more than its answers."""
        self.begin()
        for make in (self.fresh, self.netlink, lambda: self.netlink(12, 1 << 6)):
            self.end("stop")
            self.daemon.notices.forget("firewall")
            self.offer("firewall", make() if make != self.fresh else self.fresh(port=54161))
            before = len(self.daemon.events(message=REFUSED))
            self.daemon.start()
            event, = self.daemon.events(message=REFUSED)[before:]
            self.assertEqual(event["name"], "firewall")
            self.assertEqual(self.kept(), KEPT)
            self.assert_served()

    def unread(self):
        """Bytes in the sockets for knocks and requests."""
        store = dict(self.daemon.notices.store)
        return sum(struct.unpack("i", fcntl.ioctl(store[name], termios.FIONREAD, bytes(4)))[0]
                   for name in ("openme", "openspa"))

    def test_without_a_store_it_is_lost(self):
        """So the test above shows what it says."""
        self.serve()
        self.daemon.stop()
        self.server.flush_rules()
        addresses = self.knock_while_away()
        self.daemon.start()
        self.assertFalse(addresses & self.settle())

    def test_no_process_inherits_it(self):
        self.begin()
        self.end("stop")
        self.daemon.start()
        for role, pid in self.daemon.roles().items():
            if role != "main":
                environment = Path(f"/proc/{pid}/environ").read_bytes()
                self.assertNotIn(b"LISTEN_", environment)
        wanted = {"doorman": 2, "keeper": 1, "desk": 1}
        bound = {os.stat(kept).st_ino for _, kept in self.daemon.notices.store}
        for role, count in wanted.items():
            pid = self.daemon.roles()[role]
            inside = descriptors(pid).values()
            self.assertEqual(sum(f"socket:[{inode}]" in inside for inode in bound), count, role)

    def test_for_another_process(self):
        """LISTEN_PID is somebody else's: nothing is touched."""
        self.begin()
        self.end("stop")
        self.daemon.notices.forget()
        os.environ.update(LISTEN_FDS="3", LISTEN_PID="1", LISTEN_FDNAMES="openme:openspa:health")
        try:
            self.daemon.start()
        finally:
            for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
                del os.environ[name]
        self.assertEqual(self.kept(), KEPT)
        self.assert_served()

    def test_a_configuration_that_needs_fewer(self):
        """Another port, and no OpenSPA any more: what was kept for it goes."""
        self.begin()
        self.end("stop")
        self.daemon.configure(self.configuration(udp_port=54160))
        self.daemon.start()
        self.assertEqual(self.kept(), ["firewall", "health", "held", "openme"])
        self.assertEqual({e["name"] for e in self.daemon.events(message=REFUSED)},
                         {"openme", "openspa"})
        self.client.send(openme.knock(self.alice, self.server_key.public), self.address(4), 54160)
        self.assert_opens()
        # Nobody has the old ports.
        for port in (KNOCK_PORT, SPA_PORT):
            with self.server.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
                s.bind(("::", port))

    # What is not ours

    def fresh(self, kind=socket.SOCK_DGRAM, port=KNOCK_PORT, address="::", device=None, prepare=None):
        s = self.server.socket(socket.AF_INET6, kind)
        self.addCleanup(s.close)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if device:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        if prepare:
            prepare(s)
        s.bind((address, port))
        return s

    def connected(self):
        s = self.fresh()
        s.connect((self.client.addresses[1][6], 1))
        return s

    def filtered(self):
        s = self.fresh()
        drop = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
        s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                     struct.pack("HP", 1, ctypes.addressof(drop)))
        return s

    def hostile(self):
        """Name to what makes a socket that must not be used for openme."""
        return {
            "bound to another address or port": lambda: self.fresh(port=54161),
            "of another type": lambda: self.fresh(socket.SOCK_STREAM, 54162),
            "connected": self.connected,
            "a filter": self.filtered,
            "another device": lambda: self.fresh(device="wire2"),
            "share its port": lambda: self.fresh(prepare=lambda s: s.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)),
            "one family": lambda: self.fresh(prepare=lambda s: s.setsockopt(
                socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)),
        }

    def offer(self, name, s):
        """In place of what is kept by that name."""
        notices = self.daemon.notices
        notices.forget(name)
        notices.keep(name, s.fileno())
        s.close()

    def test_what_is_not_ours_is_not_used(self):
        self.begin()
        for why, make in self.hostile().items():
            with self.subTest(why=why):
                self.end("stop")
                self.daemon.notices.forget("openme")
                self.offer("openme", make())
                bad = os.stat(dict(self.daemon.notices.store)["openme"]).st_ino
                before = len(self.daemon.events(message=REFUSED))
                self.daemon.start()
                event, = self.daemon.events(message=REFUSED)[before:]
                self.assertEqual((event["name"], event["level"]), ("openme", "warn"))
                self.assertIn(why, event["why"])
                self.assertEqual(self.kept(), KEPT)
                self.assertNotEqual(os.stat(dict(self.daemon.notices.store)["openme"]).st_ino, bad)
                self.assert_served()

    def test_swapped_doubled_unknown(self):
        self.begin()
        notices = self.daemon.notices

        def swap():
            notices.store[:] = [({"openme": "openspa", "openspa": "openme"}.get(name, name), kept)
                                for name, kept in notices.store]

        def double():
            self.offer("x", self.fresh(port=54161))
            notices.store[-1] = ("openme", notices.store[-1][1])

        def double_first():
            double()
            notices.store.insert(0, notices.store.pop())

        def unknown():
            for name in ("stored", "x" * 200, "a b"):
                self.offer(name, self.fresh(port=54161 + len(name)))

        def no_socket():
            with open("/dev/null", "rb") as file:
                notices.keep("health", file.fileno())

        def no_memory():
            with open("/dev/null", "rb") as file:
                notices.forget("held")
                notices.keep("held", file.fileno())

        def other_memory():
            with open(os.memfd_create("x"), "r+b") as file:
                file.truncate(os.fstat(dict(notices.store)["held"]).st_size)
                notices.forget("held")
                notices.keep("held", file.fileno())

        def memory_of_anything():
            held = dict(notices.store)["held"]
            os.pwrite(held, os.urandom(os.fstat(held).st_size), 0)
        for change in (no_memory, other_memory, memory_of_anything, swap, double, double_first,
                       unknown, no_socket):
            with self.subTest(change=change.__name__):
                self.end("stop")
                change()
                self.daemon.start()
                left = [name for name in self.kept() if name not in ("x" * 200, "a b")]
                self.assertEqual(left, KEPT)
                self.assert_served()
                notices.forget("x" * 200)
                notices.forget("a b")

    def test_more_than_there_can_be(self):
        self.begin()
        self.end("kill")
        for i in range(3):
            self.offer(f"n{i}", self.fresh(port=55000 + i))
        self.daemon.notices.store.reverse()
        self.daemon.start()
        self.assert_served()
