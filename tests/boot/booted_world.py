"""The world of a booted machine:

    client (10.77.1.2, fd77:1::2) ---- wire [ machine ] wire2 ---- stranger (10.77.2.2, fd77:2::2)

sshd listens in it behind the gate. The client has the machine's own `postern`. Postern is installed and
set up as README.md says, once for each class."""

import os
import threading
import time
import unittest

from emulated import Emulated
from machine import PATIENCE, Machine
from netns import Namespace, add_address, eventually, run

SSH, FAMILIES = 22, (4, 6)
UNITS = ("postern-guard", "posternd")
WIRES = {"wire": 1, "wire2": 2}
KNOCK_TIMEOUT = "600s"  # longer than any test
CONFIG, CLIENT = "/etc/postern/config.yaml", "/root/alice.yaml"


def network_file(device, number):
    return (f"[Match]\nName={device}\n[Link]\nRequiredForOnline=no\n[Network]\n"
            f"LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
            + "".join(f"[Address]\nAddress={address}\nDuplicateAddressDetection=none\n"
                      for address in (f"10.77.{number}.1/24", f"fd77:{number}::1/64")))


class Stranger:
    """Tries to connect without a pause, by both families, and counts what gets through."""

    def __init__(self, world, space=None):
        self.world, self.space = world, space or world.stranger
        self.tries = self.connections = 0
        self.when = []
        self.ends = threading.Event()
        self.threads = [threading.Thread(target=self._try, args=(f,)) for f in FAMILIES]
        for thread in self.threads:
            thread.start()

    def _try(self, family):
        while not self.ends.is_set():
            began = time.monotonic()
            got_in = self.world.reaches(self.space, family, timeout=0.02)
            self.tries += 1
            self.connections += got_in
            if got_in:
                self.when.append(time.time())
            if time.monotonic() - began < 0.001:
                time.sleep(0.002)  # there is no way yet: not all of the processor

    def stop(self):
        self.ends.set()
        for thread in self.threads:
            thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class BootedTest(unittest.TestCase):
    machine_kind = Machine

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(cls.close)
        cls.machine = None
        cls.client, cls.stranger = Namespace("client"), Namespace("stranger")
        cls.machine = (Emulated if "POSTERN_EMULATED" in os.environ else cls.machine_kind)("machine")
        cls.prepare_system()
        cls.plug_in()
        cls.machine.power_on()
        cls.machine.wait_until_up()
        cls.install()
        cls.set_up_postern()

    @classmethod
    def install(cls):
        cls.machine.install()

    @classmethod
    def close(cls):
        if cls.machine:
            cls.machine.close()
        for space in (cls.client, cls.stranger):
            space.close()

    @classmethod
    def prepare_system(cls):
        """A host with sshd and a network that systemd brings up."""
        for device, number in WIRES.items():
            cls.machine.write(f"/etc/systemd/network/{device}.network", network_file(device, number))
        cls.machine.write("/etc/hosts", "127.0.0.1 localhost\n10.77.1.1 gate\nfd77:1::1 gate\n")
        cls.machine.write("/etc/ssh/sshd_config.d/tests.conf",
                          "MaxStartups 1000\nPerSourceNetBlockSize 32:128\nUseDNS no\n")
        run("chroot", cls.machine.root, "systemctl", "enable", "systemd-networkd", "ssh")

    @classmethod
    def set_up_postern(cls):
        cls.machine.run("postern", "init", "--server", "gate")
        cls.machine.shell(f"sed -i 's/knock_timeout: .*/knock_timeout: {KNOCK_TIMEOUT}/' {CONFIG}; "
                          f"postern add alice --ports 22/tcp >{CLIENT}; chmod 600 {CLIENT}")
        cls.good = cls.machine.read(CONFIG)

    @classmethod
    def plug_in(cls):
        """Both wires, at power-on."""
        cls.machine.plug_in()
        for device in WIRES:
            cls.wire(device)

    @classmethod
    def wire(cls, device):
        """The far end is up; this one is the machine's business."""
        number, space = WIRES[device], cls.client if device == "wire" else cls.stranger
        run("ip", "-n", space.name, "link", "delete", "wire", check=False)  # of the last boot
        cls.machine.space.ip("link", "add", device, "type", "veth", "peer", "name", "wire", "netns",
                             space.name)
        add_address(space, "wire", f"10.77.{number}.2", 24)
        add_address(space, "wire", f"fd77:{number}::2", 64)
        space.ip("link", "set", "wire", "up")

    def tearDown(self):
        print(self.machine.journal("--output=short-precise", "--lines=200"))

    # Looking

    def reaches(self, space=None, family=4, timeout=0.3):
        number = 2 if space is self.stranger else 1
        address = f"10.77.{number}.1" if family == 4 else f"fd77:{number}::1"
        return (space or self.client).connects(address, SSH, timeout=timeout)

    def assert_shut(self, space=None):
        for family in FAMILIES:
            self.assertFalse(self.reaches(space, family), f"the port is open, family {family}")

    def assert_open(self, space=None):
        for family in FAMILIES:
            self.assertTrue(eventually(lambda: self.reaches(space, family, 0.05)),
                            f"the port is shut, family {family}")

    def knock(self, *how):
        """By both families, with the machine's own tool."""
        self.client.run("chroot", self.machine.root, "postern", "--client-config", CLIENT, "knock",
                        *how)

    def assert_nobody_got_in(self, stranger):
        stranger.stop()
        self.assertGreater(stranger.tries, 0)
        self.assertEqual(stranger.connections, 0, f"of {stranger.tries} tries, first at {stranger.when[:5]}")

    # The service

    def configure(self, text):
        self.machine.write(CONFIG, text, 0o600)

    def is_ready(self):
        return self.machine.state("posternd") == "active"

    def assert_ready(self):
        self.assertTrue(eventually(self.is_ready, PATIENCE), "posternd does not come up")

    def restart(self):
        """Whatever becomes of it."""
        self.machine.run("systemctl", "restart", "posternd", check=False)
