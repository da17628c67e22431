"""The scripts in pkg/openrc, in a machine that OpenRC boots: Debian's, with stand-ins for the services
that a distribution with OpenRC has."""

import unittest
from pathlib import Path

from booted_world import CONFIG, FAMILIES, BootedTest, Stranger
from machine import CHECKOUT, PATIENCE, TREE, Machine
from netns import eventually

PACKAGES = Path(CHECKOUT or "/", "build/openrc")
SERVICES = {"localmount": "boot", "net": "default", "logger": "default"}
OURS = {"postern-guard": "sysinit", "posternd": "default", "postern-web": "default"}
NET = """#!/sbin/openrc-run
start() {
	ip link set lo up
	for number in 1 2; do
		device=wire; [ $number = 1 ] || device=wire2
		ip address add 10.77.$number.1/24 dev $device
		ip address add fd77:$number::1/64 dev $device nodad
		ip link set $device up
	done
	mkdir -p /run/sshd
	/usr/sbin/sshd
}
stop() {
	pkill -x sshd
	ip link set wire down
	ip link set wire2 down
}
"""
LOGGER = """#!/sbin/openrc-run
supervisor=supervise-daemon
command=/usr/bin/busybox
command_args_foreground="syslogd -n -O /var/log/messages"
"""
LOCALMOUNT = """#!/sbin/openrc-run
start() {
	mkdir -p /run/lock
}
"""
SCRAPE = """
import urllib.request
for host in ("127.0.0.1", "[::1]"):
    print(urllib.request.urlopen(f"http://{host}:9765/metrics").read().decode())
"""


class OpenrcMachine(Machine):
    boot = ()
    init = ("/sbin/openrc-init",)
    first = "openrc-init"

    def _is_up(self):
        return self.run("rc-status", "--runlevel", check=False).strip() == "default"


@unittest.skipIf("bookworm" in str(TREE), "OpenRC before 0.52 throws away what services log")
class OpenrcTest(BootedTest):
    machine_kind = OpenrcMachine

    @classmethod
    def prepare_system(cls):
        for package in PACKAGES.glob("*.deb"):
            cls.machine.unpack(package)
        cls.machine.write("/etc/hosts", "127.0.0.1 localhost\n10.77.1.1 gate\nfd77:1::1 gate\n")
        for name, text in (("net", NET), ("logger", LOGGER), ("localmount", LOCALMOUNT)):
            cls.machine.write(f"/etc/init.d/{name}", text, 0o755)
            cls.machine.chroot("rc-update", "add", name, SERVICES[name])

    @classmethod
    def set_up_postern(cls):
        super().set_up_postern()
        cls.machine.shell("install -m 755 /src/pkg/openrc/* /etc/init.d/")
        for name, level in OURS.items():
            cls.machine.run("rc-update", "add", name, level)
        cls.boot_again()

    @classmethod
    def boot_again(cls):
        cls.machine.power_off()
        cls.plug_in()
        cls.machine.power_on()

    def setUp(self):
        self.configure(self.good)
        self.machine.wait_until_up()
        for name in OURS:
            self.rc(name, "start")
        self.assert_serves()

    def tearDown(self):
        print(self.machine.console()[-4000:], self.log()[-4000:])

    # Doing, and looking

    def rc(self, service, command, fails=False):
        said = self.machine.run("sh", "-c", f"rc-service {service} {command} 2>&1; echo status=$?")
        self.assertEqual("status=0" not in said, fails, said)
        return said

    def log(self):
        return self.machine.shell("cat /var/log/messages || true")

    def main(self):
        """Its process, 0 when there is none."""
        return int(self.machine.run("pgrep", "-o", "-x", "posternd", check=False) or 0)

    def assert_serves(self):
        self.assertTrue(eventually(lambda: "Clients: 1" in self.machine.run("postern", "stats", check=False),
                                   PATIENCE), "posternd does not come up")

    def started(self):
        return [name for name in OURS
                if "started" in self.machine.run("rc-service", name, "status", check=False)]

    # What the scripts promise

    def test_boot(self):
        self.boot_again()
        with Stranger(self) as stranger:
            self.machine.wait_until_up()
            self.assert_serves()
            self.assertTrue(eventually(lambda: stranger.tries > 20))
        self.assertEqual(stranger.connections, 0)
        self.assertEqual(self.started(), list(OURS))
        self.knock()
        self.assert_open()
        self.assert_shut(self.stranger)
        self.assertTrue(eventually(lambda: "posternd: " in self.log() and "alice" in self.log()))

    def test_reload(self):
        main = self.main()
        self.configure(self.good + "nonsense: 1\n")
        self.assertIn(f"{CONFIG}:", self.rc("posternd", "reload", fails=True))
        self.configure(self.good)
        self.rc("posternd", "reload")
        self.assertEqual(self.main(), main)
        self.knock()
        self.assert_open()

    def test_a_bad_file_at_the_start(self):
        self.rc("posternd", "stop")
        self.assertEqual(self.main(), 0)
        self.configure(self.good + "nonsense: 1\n")
        self.assertIn(f"{CONFIG}:", self.rc("posternd", "start", fails=True))
        self.assertNotIn("posternd", self.started())
        self.assert_shut(self.stranger)

    def test_it_is_started_anew(self):
        main = self.main()
        with Stranger(self) as stranger:
            self.machine.run("kill", "-KILL", main)
            self.assertTrue(eventually(lambda: self.main() not in (0, main), PATIENCE))
            self.assert_serves()
        self.assertEqual(stranger.connections, 0)

    def test_stop_of_the_guard(self):
        self.rc("postern-guard", "stop")
        self.assertEqual(self.main(), 0)
        self.assert_open(self.stranger)
        self.rc("posternd", "start")
        self.assert_serves()
        self.assertEqual(self.started()[:2], ["postern-guard", "posternd"])
        self.assert_shut(self.stranger)

    def test_restart_of_the_guard(self):
        with Stranger(self) as stranger:
            self.rc("postern-guard", "restart")
            self.assert_serves()
        self.assertGreater(stranger.tries, 0)
        self.assertEqual(stranger.connections, 0)

    def test_shutdown(self):
        self.machine.run("openrc", "shutdown", check=False)
        self.assertEqual(self.main(), 0)
        self.assertIn("table inet postern", self.machine.run("nft", "list", "tables"))
        self.machine.run("openrc", "default", check=False)
        self.assert_serves()
        self.assert_shut(self.stranger)

    def test_status_page(self):
        said = self.machine.run("python3", "-c", SCRAPE)
        self.assertEqual(said.count("\npostern_up 1"), len(FAMILIES), said)
        self.rc("postern-web", "stop")
        self.assertEqual(self.machine.run("pgrep", "-x", "postern-web", check=False), "")
