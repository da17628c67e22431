"""The world of a test class:

    client (10.77.1.2, fd77:1::2) ---- wire [ server ] wire2 ---- other (10.77.2.2, fd77:2::2)

posternd and the services behind the gate run in `server`. Everything goes when the class ends,
and when the run is interrupted."""

import atexit
import os
import shutil
import tempfile
import unittest
from pathlib import Path

import control
import openme
from daemon import Daemon, program
from netns import Namespace, eventually, link, sweep
from service import Echo

KNOCK_PORT = 54154
SERVICE_PORT = 2222
FAMILIES = (4, 6)
SHORT = "2s"  # a knock_timeout that tests can wait for
LONG = "600s"  # and one that none outlives, however slow the machine is
AT_ONCE = 32  # knocks of a source that is known

# POSTERN_WORKERS=4 tests/run.py open: the same with so many that receive.
WORKERS = {"workers": os.environ["POSTERN_WORKERS"]} if "POSTERN_WORKERS" in os.environ else {}

_rooms = []


def _close_rooms():
    while _rooms:
        _rooms.pop()()


atexit.register(_close_rooms)


class WorldTest(unittest.TestCase):
    """A fresh daemon for every test, in namespaces made once per class."""

    tcp_ports = (SERVICE_PORT,)
    udp_ports = ()
    server_settings = {}

    @classmethod
    def setUpClass(cls):
        sweep()
        cls.folder = Path(tempfile.mkdtemp(prefix="postern-test-"))
        cls.folder.chmod(0o755)
        _rooms.append(lambda: shutil.rmtree(cls.folder, ignore_errors=True))
        cls.server, cls.client, cls.other = map(cls.namespace, ("server", "client", "other"))
        link(cls.server, cls.client, 1)
        link(cls.server, cls.other, 2, left_device="wire2")
        cls.echo = Echo(cls.server, cls.tcp_ports, cls.udp_ports)
        _rooms.append(cls.echo.close)

    @classmethod
    def tearDownClass(cls):
        _close_rooms()

    @classmethod
    def namespace(cls, role):
        space = Namespace(role)
        _rooms.append(space.close)
        return space

    def setUp(self):
        self.server_key = openme.ServerKey()
        self.alice, self.bob, self.marker = (openme.ClientKey() for _ in range(3))
        self.markers = 0
        self.daemon = None
        self.server.flush_rules()

    def tearDown(self):
        if self.daemon:
            try:
                self.daemon.close()
            finally:
                print("posternd:\n" + self.daemon.log_path.read_text(errors="replace")[-8000:])
                shutil.rmtree(self.daemon.folder)

    # Configuration

    def configuration(self, clients=None, ports=None, **server):
        """An openme file; `clients` are added to alice, bob and marker or change them."""
        settings = {
            "host": "127.0.0.1", "udp_port": KNOCK_PORT, "health_port": KNOCK_PORT,
            "firewall": "nft", "knock_timeout": SHORT, "drop_ports": True,
            "open_knock_port": True, "private_key": openme.text(self.server_key.secret),
            "public_key": openme.text(self.server_key.public),
            **WORKERS, **self.server_settings, **server}
        people = {name: self.client_entry(getattr(self, name))
                  for name in ("alice", "bob", "marker")}
        for name, entry in (clients or {}).items():
            people[name] = {**people.get(name, {}), **entry} if entry is not None else None
        return {"server": settings, "ports": ports or {"default": [f"{SERVICE_PORT}/tcp"]},
                "clients": {name: entry for name, entry in people.items() if entry is not None}}

    @staticmethod
    def client_entry(key, **entry):
        return {"ed25519_pubkey": openme.text(key.public), "allowed_ports": ["default"], **entry}

    def start(self, configuration=None, *arguments, prepare=None):
        """Starts the daemon; `prepare` is given its folder first."""
        if self.daemon:
            self.daemon.close()
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.daemon = Daemon(self.server, folder, configuration or self.configuration(),
                             *arguments)
        if prepare:
            prepare(folder)
        return self.daemon.start()

    def postern(self, *arguments, check=True):
        """The tool, run on the server's side."""
        return self.server.run(program("postern"), "--control", self.daemon.control,
                               "--config", self.daemon.file, *arguments, check=check)

    # Knocking and looking

    def address(self, family, space=None):
        """Of the server on the wire to `client`, or of another namespace on its own wire."""
        if space is None or space is self.client:
            return (space or self.server).addresses[1][family]
        return space.addresses[2][family]

    def knock(self, key=None, family=4, space=None, source=None, **fields):
        """Sends a knock from `client` (or `space`) and returns its bytes."""
        packet = openme.knock(key or self.alice, self.server_key.public, **fields)
        self.deliver(packet, family, space, source)
        return packet

    def deliver(self, packet, family=4, space=None, source=None):
        server = self.server.addresses[2 if space is self.other else 1][family]
        (space or self.client).send(packet, server, KNOCK_PORT, source)

    def grant_all(self, targets, key=None):
        """Knocks for each, which are all granted. A client that is known at its address has no limit
        but the machine's; of one that is not, a few may wait at once (TRIAL_OF_SOURCE)."""
        packets, left = [], list(targets)
        while left:
            some = left[:AT_ONCE if packets else 1]
            granted = self.counted("granted") + len(some)
            packets += [self.knock(key, target=target) for target in some]
            self.assertTrue(eventually(lambda g=granted: self.counted("granted") >= g), "a knock was lost")
            left = left[len(some):]
        return packets

    def unread(self, port):
        """Bytes that wait in the daemon's UDP sockets of that port."""
        rows = [row.split() for name in ("udp", "udp6")
                for row in Path(f"/proc/{self.daemon.process.pid}/net/{name}").read_text()
                .splitlines()[1:]]
        return sum(int(row[4].split(":")[1], 16) for row in rows
                   if row[1].endswith(f":{port:04X}"))

    def counted(self, verdict):
        """How often since the start. The log leaves some out."""
        return control.stats(self.daemon.control)[verdict]

    def reaches(self, family=4, port=SERVICE_PORT, space=None, source=None, timeout=0.3):
        server = self.server.addresses[2 if space is self.other else 1][family]
        return (space or self.client).connects(server, port, source, timeout)

    def assert_opens(self, *place, **where):
        self.assertTrue(eventually(lambda: self.reaches(*place, timeout=0.05, **where)),
                        "the port did not open")

    def assert_shuts(self, *place, **where):
        self.assertTrue(eventually(lambda: not self.reaches(*place, **where)),
                        "the port did not shut")

    def connection(self, family=4, port=SERVICE_PORT):
        """One from `client`, as soon as it is let in."""
        address = self.address(family)
        found = eventually(lambda: self.client.connection(address, port))
        self.assertTrue(found, "the port did not open")
        return found

    def assert_shut(self, *place, **where):
        self.assertFalse(self.reaches(*place, **where), "the port is open")

    def table(self):
        """The sets and chains of the daemon's own table, an empty list when there is none. Not the
        table itself: nft 1.0.6 writes no JSON of one that has outlived its owner."""
        items = self.server.rules("sets inet") + self.server.rules("chains inet")
        return [item for item in items
                if item.get("set", item.get("chain", {})).get("table") == "postern"]

    def granted(self):
        """Every address that is an element of a timed set now."""
        return granted_in(self.table())

    def settle(self, family=4):
        """Waits until every datagram sent before has had its verdict, which has been counted and
        logged: a knock sent after them, by the client `marker`, has been granted. And one more, for
        the kernel opens before the keeper tells of it. Returns what else is granted."""
        def marked():
            # Behind a flood a knock may be lost, and its sender knocks again.
            self.markers += 1
            mark = f"198.18.{self.markers // 250}.{1 + self.markers % 250}"
            self.knock(self.marker, family, target=mark)
            return eventually(lambda: mark in self.granted(), within=1)
        for _ in range(2):
            self.assertTrue(eventually(marked), "the marker was not granted")
        return {a for a in self.granted() if not a.startswith("198.18.")}

    def verdicts(self, name, **fields):
        return self.daemon.events(verdict=name, **fields)


def granted_in(table):
    found = set()
    for item in table:
        for element in item.get("set", {}).get("elem", []):
            if isinstance(element, dict) and "elem" in element and "expires" in element["elem"]:
                value = element["elem"]["val"]
                found.add(value["concat"][0] if isinstance(value, dict) else value)
    return found
