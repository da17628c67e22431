"""Several doormen at one port, with each intake: each datagram has one that it belongs to, its copies
have the same one, and nobody else gets a part of what arrives."""

import contextlib
import mmap
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

import openme
from daemon import Daemon, command_line, descriptors, state_of
from flood import Forger
from netns import eventually, link
from test_intake import ETHER_TYPES, Captured
from test_intake_xdp import Taken
from world import FAMILIES, KNOCK_PORT, LONG, WorldTest


class Workers(WorldTest):
    workers = 4

    def setUp(self):
        super().setUp()
        self.server_settings = {"workers": self.workers, "knock_timeout": LONG,
                                "client_quota": 1000}

    def doormen(self):
        """Their process ids."""
        return sorted(pid for pid in self.daemon.living()
                      if Path(command_line(pid).decode().split("\0")[0]).name ==
                      "postern-doorman")

    def handed_on_by(self):
        """How much each has received, by the length of its queue when nobody reads: no counter of
        ours is asked."""
        return [self.queue_of(pid) for pid in self.doormen()]

    def assert_nobody_joins(self, uid=0):
        for family, address in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
            with self.server.socket(family, socket.SOCK_DGRAM) as stranger:
                os.fchown(stranger.fileno(), uid, -1)
                stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                with self.assertRaises(OSError):
                    stranger.bind((address, KNOCK_PORT))

    def receiving(self):
        """How many doormen have something to receive by."""
        return len(self.udp_sockets())

    def assert_all_receive(self):
        with self.asleep():
            for _ in range(64):
                self.knock()
            self.assertTrue(eventually(
                lambda: all(self.handed_on_by())), self.handed_on_by())
        # Of a source that nobody knows a few may wait at once.
        self.assertTrue(eventually(
            lambda: self.counted("granted") + self.counted("busy") == 64))

    def reader_of(self, packet):
        """Which of the doormen gets it."""
        with self.asleep():
            self.deliver(packet)
            self.assertTrue(eventually(lambda: any(self.handed_on_by())))
            readers = [bool(waiting) for waiting in self.handed_on_by()]
            self.assertEqual(sum(readers), 1)
        self.assertTrue(eventually(lambda: not any(self.handed_on_by())))
        return readers.index(True)

    def udp_sockets(self):
        """Inode to bytes that wait, of the sockets at the port."""
        rows = [row.split() for name in ("udp", "udp6")
                for row in Path(f"/proc/{self.daemon.process.pid}/net/{name}").read_text()
                .splitlines()[1:]]
        return {row[9]: int(row[4].split(":")[1], 16) for row in rows
                if row[1].endswith(f":{KNOCK_PORT:04X}")}

    def queue_of(self, pid):
        waiting = self.udp_sockets()
        inodes = [goal[8:-1] for goal in descriptors(pid).values() if goal.startswith("socket:[")]
        return sum(waiting.get(inode, 0) for inode in inodes)

    @contextlib.contextmanager
    def asleep(self):
        """Nobody reads."""
        pids = self.doormen()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.assertTrue(eventually(lambda: all(state_of(pid) == "T" for pid in pids)))
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


class WorkersTest(Workers):
    numbers = 1, 2, 16

    def test_so_many_are_there(self):
        for workers in self.numbers:
            self.start(self.configuration(workers=workers))
            with self.subTest(workers=workers):
                self.assertEqual(len(self.doormen()), workers)
                self.assertEqual(self.receiving(), workers)
                for family in FAMILIES:
                    self.knock(family=family)
                    self.assert_opens(family)

    def test_by_itself_one_processor_is_left(self):
        self.start(self.configuration(workers="auto"))
        self.assertEqual(len(self.doormen()),
                         min(8, max(1, len(os.sched_getaffinity(0)) - 1)))

    def test_all_of_them_work(self):
        self.start()
        self.assert_all_receive()

    def test_copies_meet_the_same_one(self):
        """From wherever they come, in both families and with another end."""
        self.start()
        forger = Forger(self.client, self.address(4), KNOCK_PORT)
        self.addCleanup(forger.close)
        for _ in range(8):
            packet = openme.knock(self.alice, self.server_key.public)
            with self.asleep():
                for last in range(1, 9):
                    forger.send(packet, f"10.77.1.{last + 10}")
                self.deliver(packet, 6)
                self.deliver(packet[:-1] + bytes([packet[-1] ^ 1]))
                self.assertTrue(eventually(lambda: any(self.handed_on_by())))
                self.assertEqual(sum(map(bool, self.handed_on_by())), 1, self.handed_on_by())
            self.assertTrue(eventually(lambda: not any(self.handed_on_by())))

    def test_one_grant_for_any_number_of_copies(self):
        self.start()
        packet = self.knock(target="203.0.113.7")
        for family in FAMILIES:
            for space in (self.client, self.other):
                for _ in range(50):
                    self.deliver(packet, family, space)
        self.settle()
        # The markers are granted, too.
        self.assertTrue(eventually(lambda: self.counted("granted") == len(self.granted())))
        self.assertEqual(self.settle(), {"203.0.113.7"})

    def test_short_datagrams_have_a_place(self):
        """Those that end before what is chosen by."""
        self.start()
        before = self.counted("bad_size")
        for size in range(6):
            self.deliver(bytes(size))
        self.assertTrue(eventually(lambda: self.counted("bad_size") - before == 6))

    def test_nobody_else_joins(self):
        """The kernel lets sockets of the same user share a port: no process is that user."""
        for workers in (4, 1):
            self.start(self.configuration(workers=workers))
            with self.subTest(workers=workers):
                self.assert_nobody_joins()

    def test_the_end_of_any_is_the_end(self):
        for number in range(self.workers):
            self.start()
            pid = self.doormen()[number]
            self.daemon.done_by_us.append("killed by SIGKILL")
            os.kill(pid, signal.SIGKILL)
            self.assertTrue(eventually(lambda: not self.daemon.living()))
            self.assertEqual(self.daemon.process.wait(), 1)
            self.assert_shut()

    def test_one_that_hangs_is_ended(self):
        self.start()
        self.daemon.done_by_us.append("killed by SIGKILL")
        os.kill(self.doormen()[-1], signal.SIGSTOP)
        self.assertTrue(eventually(lambda: self.daemon.process.poll() is not None))
        self.assertTrue(self.daemon.events(
            message="a process does not answer any more and is killed", process="doorman"))

    def test_a_reload_is_for_all(self):
        configuration = self.configuration()
        self.start(configuration)
        self.daemon.configure({**configuration, "clients": {
            name: entry for name, entry in configuration["clients"].items() if name != "alice"}})
        self.daemon.reload()
        for _ in range(16):
            self.knock()
        refused = lambda: self.counted("unknown_signer") + self.counted("busy")
        self.assertTrue(eventually(lambda: refused() == 16), refused())
        self.grant_all([f"203.0.113.{n}" for n in range(16)], self.bob)
        self.assertEqual((self.counted("granted"), refused()), (16, 16))

    def test_their_number_cannot_change_while_they_run(self):
        self.start()
        self.daemon.configure(self.configuration(workers=2))
        self.daemon.process.send_signal(signal.SIGHUP)
        self.assertTrue(eventually(lambda: [
            line for line in self.daemon.events(level="error")
            if "server.workers" in line.get("why", "")]))
        self.assertEqual(len(self.doormen()), self.workers)


    def test_another_daemon_of_ours(self):
        """Its sockets would have the same owner."""
        self.start(self.configuration(firewall="none"))
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        second = Daemon(self.server, folder, self.configuration(firewall="none"))
        self.addCleanup(second.close)
        second.start(ready=False)
        self.assertTrue(eventually(lambda: [
            line for line in second.lines()
            if line["message"].startswith(f"cannot listen on UDP port {KNOCK_PORT}")]))
        self.assertEqual(len(self.udp_sockets()), self.workers)
        second.process.kill()
        second.process.wait()
        second.killed = True


class WorkersStoreTest(Workers):
    """The service manager keeps the sockets of all of them."""

    numbers = 2, 1, 3, 16, 4

    def begin(self):
        self.start()
        self.daemon.stop()
        self.daemon.notices.keeps = True
        self.daemon.start()

    def kept(self):
        self.daemon.notices.drop()
        return sum(name.startswith("openme") for name, _ in self.daemon.notices.store)

    def test_a_restart_loses_nothing(self):
        self.begin()
        self.assertTrue(eventually(lambda: self.kept() == self.workers))
        self.daemon.stop()
        for n in range(8):
            self.knock(target=f"203.0.113.{n}")
        self.daemon.start()
        self.assertTrue(eventually(lambda: self.counted("granted") == 8))
        self.assertEqual(self.receiving(), self.workers)
        self.assert_nobody_joins()

    def test_another_number(self):
        """Those that are left over are closed, others are made, and everything is served."""
        self.begin()
        for workers in self.numbers:
            self.daemon.stop()
            self.daemon.configure(self.configuration(workers=workers))
            self.daemon.start()
            with self.subTest(workers=workers):
                self.assertEqual(self.receiving(), workers)
                self.assertTrue(eventually(lambda: self.kept() == workers))
                for _ in range(8):
                    granted = self.counted("granted")
                    self.knock()
                    self.assertTrue(eventually(lambda: self.counted("granted") > granted))
                self.assert_nobody_joins()

    def test_a_socket_of_somebody_else(self):
        """Whoever it belongs to could join."""
        self.begin()
        self.daemon.stop()
        name, kept = next(entry for entry in self.daemon.notices.store if entry[0] == "openme-2")
        os.fchown(kept, 1234, -1)
        self.daemon.start()
        refused = self.daemon.events(message="a kept descriptor is of no use and is closed")
        self.assertEqual([(line["name"], line["why"]) for line in refused],
                         [(name, "others could share its port")])
        self.assertEqual(len(self.udp_sockets()), self.workers)
        self.assert_nobody_joins(1234)


# --- The other intakes

class CapturedWorkers(Captured, Workers):
    """Each doorman has a packet socket for each family."""

    def packet_sockets(self):
        """Inode to bytes that wait."""
        rows = [row.split() for row in Path(f"/proc/{self.daemon.process.pid}/net/packet")
                .read_text().splitlines()[1:]]
        return {row[8]: int(row[6]) for row in rows if row[3] in ETHER_TYPES}

    def receiving(self):
        self.assertEqual(self.udp_sockets(), {})
        return len(self.packet_sockets()) / 2

    def queue_of(self, pid):
        waiting = self.packet_sockets()
        inodes = [goal[8:-1] for goal in descriptors(pid).values() if goal.startswith("socket:[")]
        return sum(waiting.get(inode, 0) for inode in inodes)


class TakenWorkers(Taken, Workers):
    """Each doorman has a ring."""

    written = {}  # how far the kernel was in each when their readers fell asleep

    def ring_of(self, pid):
        """How far the kernel has written."""
        page = mmap.PAGESIZE
        for row in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights, offset, *_, name = row.split()
            if name == "anon_inode:bpf-map" and rights == "r--s" and int(offset, 16) == page:
                with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
                    memory.seek(int(place.split("-")[0], 16))
                    return int.from_bytes(memory.read(8), sys.byteorder)
        return None

    def receiving(self):
        self.assertEqual(self.udp_sockets(), {})
        return sum(self.ring_of(pid) is not None for pid in self.doormen())

    @contextlib.contextmanager
    def asleep(self):
        with super().asleep():
            self.written = {pid: self.ring_of(pid) for pid in self.doormen()}
            yield
        self.written = {}

    def queue_of(self, pid):
        return self.ring_of(pid) - self.written[pid] if pid in self.written else 0


class Elsewhere:
    """Before WorkersTest: what hangs on UDP sockets, and what is the same however knocks come, is
    not tried again."""

    numbers = 16,
    test_by_itself_one_processor_is_left = None
    test_one_grant_for_any_number_of_copies = None
    test_short_datagrams_have_a_place = None
    test_nobody_else_joins = None
    test_the_end_of_any_is_the_end = None
    test_one_that_hangs_is_ended = None
    test_their_number_cannot_change_while_they_run = None
    test_another_daemon_of_ours = None

    def test_a_device_made_anew(self):
        """All hear at it."""
        self.start(self.configuration(interface="wire"))
        self.server.ip("link", "delete", "wire")
        self.assertTrue(eventually(self.is_deaf))
        link(self.server, self.client, 1)
        self.assertTrue(eventually(lambda: not self.is_deaf()))
        self.assertTrue(eventually(lambda: " 0% packet loss" in self.client.run(
            "ping", "-c", "1", "-W", "0.2", self.address(4), check=False)))
        self.assert_all_receive()


class CapturedWorkersTest(Elsewhere, CapturedWorkers, WorkersTest):
    def is_deaf(self):
        gone, back = (self.daemon.events(message=f"the interface is {what}") for what in (
            "gone: nothing is heard until it is back", "back, and heard"))
        return len(gone) > len(back)


class TakenWorkersTest(Elsewhere, TakenWorkers, WorkersTest):
    def is_deaf(self):
        return self.status("intake") != "xdp"


class CapturedWorkersStoreTest(CapturedWorkers, WorkersStoreTest):
    numbers = 2, 1, 16, 4
    test_a_socket_of_somebody_else = None  # nobody could join

    def kept(self):
        self.daemon.notices.drop()
        return sum(name.startswith("capture") for name, _ in self.daemon.notices.store) / 2

    def assert_nobody_joins(self, uid=0):
        """There is nothing to join."""

    def test_the_choice_stays_over_a_restart(self):
        """So that a copy finds who has seen the first."""
        self.begin()
        packets = [openme.knock(self.alice, self.server_key.public) for _ in range(20)]
        readers = [self.reader_of(packet) for packet in packets]
        self.assertGreater(len(set(readers)), 1)
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual([self.reader_of(packet) for packet in packets], readers)
