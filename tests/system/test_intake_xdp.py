"""Knocks that a program at the network device takes, past the stack: what holds for a socket holds for
them, as for captured ones."""

import json

import control
import test_interface
import test_kernel_shield
import test_open
import test_refuse
import test_reload
from netns import PATIENCE, eventually, link
from test_intake import CaptureTest
from world import FAMILIES, KNOCK_PORT, LONG, WorldTest


class Taken:
    """Before a test class of the world: its daemon takes knocks at `wire`, natively."""

    mode = "xdp-native"

    def configuration(self, clients=None, ports=None, **server):
        return super().configuration(
            clients, ports, **{"intake": "xdp", "interface": "wire", **server})

    def start(self, *arguments, **named):
        found = super().start(*arguments, **named)
        if self.mode:
            self.assertEqual((self.status("intake"), self.status("shield_at")), ("xdp", self.mode))
        return found

    def tearDown(self):
        super().tearDown()
        for mode in ("xdp", "xdpgeneric"):
            self.server.run("ip", "link", "set", "dev", "wire", mode, "off", check=False)

    def status(self, what):
        return json.loads(self.postern("sessions", "--json"))[what]

    def unread(self, port):
        """What waits in the ring shows nowhere: a knock that is seen is read."""
        self.assertEqual(port, KNOCK_PORT)
        return 0


# --- The same as with a socket

class TakenOpenTest(Taken, test_open.OpenTest):
    # By a device that is not the one named.
    test_two_clients_behind_one_address = None
    test_opens_for_the_one_who_knocked_and_shuts_by_itself = None

    def test_opens_for_whoever_knocked_and_shuts_by_itself(self):
        self.start()
        for family in FAMILIES:
            with self.subTest(family=family):
                self.assert_shut(family)
                self.knock(family=family)
                self.assert_opens(family)
                self.assertEqual(self.lifetimes(), {self.address(family, self.client): 2})
                self.assert_shuts(family)
                self.assertEqual(self.granted(), set())


class TakenRefuseTest(Taken, test_refuse.RefuseTest):
    server_settings = {"guard": "all", "open_knock_port": False}


class TakenPolicyTest(Taken, test_refuse.PolicyTest):
    pass


class TakenReloadTest(Taken, test_reload.ReloadTest):
    test_what_the_sockets_hang_on_needs_a_restart = None  # its other interface is ours here


class TakenInterfaceTest(Taken, test_interface.InterfaceTest):
    mode = None  # at devices of several kinds

    # There are none.
    test_sockets_that_cannot_be_bound_anew = None


class Generic:
    """Before a test class of the world: its device has no place for the program in its driver."""

    mode = "xdp-generic"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client.ip("link", "set", "wire", "mtu", "9000")  # more than it takes with a program


class GenericOpenTest(Generic, TakenOpenTest):
    pass


class GenericRefuseTest(Generic, TakenRefuseTest):
    pass


class GenericDeviceTest(Generic, test_kernel_shield.DeviceTest):
    """`shield_at: xdp` alone."""

    # The device anew is one that has a place for it.
    test_a_device_that_comes_back = None


# --- What only this intake does

class TakenTest(Taken, CaptureTest):
    """What holds for captured knocks holds for those that a device takes, where it is one that is
    named, and so no knock comes by another."""

    test_behind_firewalls_that_drop_it = None  # they never see it
    test_loopback = None
    test_once_through_a_bridge = None
    test_once_through_a_vlan = None
    test_devices_that_go_and_come = None
    test_what_arrives_while_no_daemon_runs = None
    test_without_the_right = None

    def verdict_count(self):
        """All that any process has had to say about datagrams, with the program."""
        return sum(control.verdicts(self.daemon.control).values())

    def test_from_a_socket_to_a_device_and_back(self):
        self.start()
        self.daemon.stop()
        self.daemon.notices.keeps = True
        for intake in ("xdp", "socket", "capture", "xdp"):
            self.daemon.configure(self.configuration(intake=intake))
            self.daemon.start()
            self.assert_granted()
            self.assertEqual(self.status("intake"), intake)
            self.assertEqual(bool(self.udp_rows()), intake == "socket")
            self.daemon.stop()

    def attached(self):
        found = json.loads(self.server.run("ip", "-j", "link", "show", "dev", "wire"))[0]
        return found.get("xdp", {}).get("prog", {}).get("id")

    def test_nothing_of_it_reaches_the_stack(self):
        """No chain sees a knock, and so none drops it."""
        self.server.nft("table inet host { chain c { type filter hook prerouting priority -400; "
                        f"udp dport {KNOCK_PORT} counter drop\n}}\n}}")
        self.start()
        for family in FAMILIES:
            self.assert_granted(family)
            self.assert_opens(family)
        self.assertIn("counter packets 0 ", self.server.run("nft", "list", "chain", "inet", "host",
                                                            "c"))

    def test_killed_and_back(self):
        """What the killed one has left at the device gives way to the successor's."""
        self.start()
        first = self.attached()
        for _ in range(3):
            self.daemon.kill()
            self.assertEqual(self.attached(), first)
            self.daemon.start()
            self.assertNotIn(self.attached(), (None, first))
            first = self.attached()
            for family in FAMILIES:
                self.assert_granted(family)

    def test_a_stop_takes_it_away(self):
        """Whoever else listens there then, is heard."""
        self.start()
        self.daemon.stop()
        self.assertIsNone(self.attached())

    def test_who_takes_it_away_gets_it_back(self):
        self.start()
        self.server.ip("link", "set", "dev", "wire", "xdp", "off")
        self.server.ip("link", "set", "dev", "wire", "xdpgeneric", "off")
        self.assertTrue(eventually(self.attached))
        self.assertTrue(eventually(lambda: self.status("intake") == "xdp"))
        self.assert_granted()

    def test_a_device_that_is_gone_and_comes_back(self):
        self.start()
        self.server.ip("link", "delete", "wire")
        self.assertTrue(eventually(lambda: self.status("intake") == "xdp-nowhere"))
        self.assertIn("NOWHERE", self.postern("sessions"))
        link(self.server, self.client, 1)
        self.assertTrue(eventually(lambda: self.status("intake") == "xdp"))
        for family in FAMILIES:
            self.assert_granted(family)
            self.assert_opens(family)

    def test_one_that_comes_back_and_refuses(self):
        """Deaf, and so an error; the status shows it."""
        self.start()
        self.server.ip("link", "delete", "wire")
        self.assertTrue(eventually(lambda: self.status("intake") == "xdp-nowhere"))
        self.daemon.process.send_signal(19)  # SIGSTOP: somebody else is faster
        link(self.server, self.client, 1)
        self.put_another()
        self.daemon.process.send_signal(18)
        self.assertTrue(eventually(lambda: self.daemon.events(level="error")))
        self.assertEqual(self.daemon.events(level="error")[0]["then"], "what knocks there is NOT HEARD")
        self.assertEqual(self.status("intake"), "xdp-nowhere")

    def put_another(self):
        other = test_kernel_shield.DeviceTest.other_program(self)
        self.server.run("ip", "link", "set", "dev", "wire", "xdpgeneric", "object", other, "section",
                        "xdp")

    # What is not to be had

    def assert_by_socket(self, why):
        said = self.daemon.events(level="warn")[0]
        self.assertEqual(said["message"], "knocks cannot be taken at the network device (intake: xdp)")
        self.assertRegex(said["why"], why)
        self.assertEqual(self.status("intake"), "socket")
        self.assertTrue(self.udp_rows())
        for family in FAMILIES:
            self.assert_granted(family)
            self.assert_opens(family)

    def start_anyhow(self, configuration=None, **named):
        WorldTest.start(self, configuration or self.configuration(), **named)

    def test_a_device_with_anothers_program(self):
        self.put_another()
        other = self.attached()
        self.start_anyhow()
        self.assert_by_socket("another program is there, and is left alone")
        self.assertEqual(self.attached(), other)

    def test_no_device(self):
        """Those of this world are ends of cables."""
        self.start_anyhow(self.configuration(interface=""))
        self.assert_by_socket("there is no such device")

    def start_without_rights(self, configuration=None, **named):
        def prepare(_):
            command = self.daemon.command
            self.daemon.command = lambda *more: [
                "setpriv", "--bounding-set=-sys_admin,-bpf", "--inh-caps=-all", *command(*more)]
        self.start_anyhow(configuration, prepare=prepare, **named)

    def test_a_kernel_that_refuses_programs(self):
        self.start_without_rights()
        self.assert_by_socket(".")

    def test_no_socket_in_its_place(self):
        """Our own rules would let nothing through to one."""
        self.start()
        self.daemon.stop()
        self.put_another()
        self.daemon.configure(self.configuration(guard="all", open_knock_port=False))
        self.daemon.start(ready=False)
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        self.assertTrue(self.daemon.events(level="error", message="no knock could reach that socket, "
                                           "with guard: all and open_knock_port: false"))


class GenericTakenTest(Generic, TakenTest):
    test_a_device_that_is_gone_and_comes_back = None  # as one that has a place for it
    test_one_that_comes_back_and_refuses = None
