"""The knock port lies among those that the kernel gives away by chance."""

import socket
import subprocess
import sys
from pathlib import Path

from netns import PATIENCE
from world import KNOCK_PORT, WorldTest

RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"
HOLD = ("import socket, sys; s = socket.socket(getattr(socket, sys.argv[1]), "
        "getattr(socket, sys.argv[2])); s.bind((sys.argv[3], int(sys.argv[4]))); "
        "s.type == socket.SOCK_STREAM and s.listen(); print(flush=True); sys.stdin.read()")


class PortTest(WorldTest):
    def setUp(self):
        super().setUp()
        self.reserve("")

    def reserved(self):
        return self.server.run("cat", RESERVED).strip()

    def reserve(self, ports):
        self.server.run("sh", "-c", f"echo '{ports}' > {RESERVED}")

    def hold(self, family, kind, address):
        """Another program has the port."""
        held = self.server.popen(sys.executable, "-c", HOLD, family, kind, address, KNOCK_PORT,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(held.stdout.close)
        self.addCleanup(held.wait)
        self.addCleanup(held.stdin.close)
        self.assertEqual(held.stdout.readline(), b"\n")
        return held

    def start_through(self, *words):
        """The daemon is started by another program."""
        popen = self.server.popen
        self.server.popen = lambda *command, **options: popen(*words, *command, **options)
        self.addCleanup(self.server.__dict__.pop, "popen", None)

    def name_of(self, held):
        return f"{Path(f'/proc/{held.pid}/comm').read_text().strip()} (pid {held.pid})"

    def test_whoever_holds_the_port_is_named(self):
        for family, address in (("AF_INET", "0.0.0.0"), ("AF_INET", "127.0.0.1"),
                                ("AF_INET6", "::")):
            with self.subTest(family=family, address=address):
                self.start()
                self.daemon.stop()
                held = self.hold(family, "SOCK_DGRAM", address)
                self.daemon.start(ready=False)
                self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
                said = [line["message"] for line in self.daemon.lines()
                        if line["level"] == "error" and "UDP port" in line["message"]]
                self.assertEqual(said, [f"cannot listen on UDP port {KNOCK_PORT}: Address already "
                                        f"in use, by {self.name_of(held)}"])
                held.stdin.close()
                held.wait()

    def test_a_holder_that_cannot_be_looked_into(self):
        """As under the systemd unit, which gives no right to."""
        self.start()
        self.daemon.stop()
        self.hold("AF_INET", "SOCK_DGRAM", "0.0.0.0")
        self.start_through("setpriv", "--bounding-set", "-sys_ptrace")
        self.daemon.start(ready=False)
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        self.assertIn(f"in use, by a socket of uid 0; `ss -ulnp sport = :{KNOCK_PORT}` tells the "
                      "program", self.daemon.log_path.read_text())
        told = self.server.run("ss", "-ulnp", f"sport = :{KNOCK_PORT}")
        self.assertIn("python", told)

    def test_whoever_holds_the_health_port_is_named(self):
        held = self.hold("AF_INET", "SOCK_STREAM", "0.0.0.0")
        self.start()
        said = [line["message"] for line in self.daemon.lines() if "health" in line["message"]]
        self.assertTrue(said[0].endswith(f", by {self.name_of(held)}"), said)

    def test_the_port_is_reserved_beside_what_is(self):
        self.reserve("8080,9000-9010")
        self.start(self.configuration(health_port=7000))
        said = [line["message"] for line in self.daemon.events(level="info")
                if "reserved" in line["message"]]
        self.assertEqual([line.split()[1] for line in said], [str(KNOCK_PORT), "7000"])
        self.assertEqual(self.reserved(), f"7000,8080,9000-9010,{KNOCK_PORT}")
        # It stays, so that it is there at the next start; and is not said twice.
        self.start(self.configuration(health_port=9005))
        self.assertEqual(self.reserved(), f"7000,8080,9000-9010,{KNOCK_PORT}")
        self.assertFalse([line for line in self.daemon.lines() if "reserved" in line["message"]])

    def test_nobody_is_given_a_reserved_port(self):
        kept = self.server.run("cat", "/proc/sys/net/ipv4/ip_local_port_range").strip()
        one = "/proc/sys/net/ipv4/ip_local_port_range"
        self.server.run("sh", "-c", f"echo {KNOCK_PORT} {KNOCK_PORT} > {one}")
        self.addCleanup(self.server.run, "sh", "-c", f"echo '{kept}' > {one}")
        with self.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            self.assertEqual(s.getsockname()[1], KNOCK_PORT)
        self.start()
        self.daemon.stop()
        with self.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            with self.assertRaises(OSError):
                s.bind(("127.0.0.1", 0))

    def test_where_it_may_not_be_written(self):
        shut = f"mount --bind {RESERVED} {RESERVED} && mount -o remount,bind,ro {RESERVED}"
        self.start_through("sh", "-c", f'{shut} && exec "$@"', "sh")
        self.start()
        self.assertEqual(self.reserved(), "")
        self.assert_shut()
        self.knock()
        self.assert_opens()
