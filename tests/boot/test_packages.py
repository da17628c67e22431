"""Debian's packages, as `make deb` builds them in each release: installed, followed as README.Debian
says, upgraded, removed and purged in a running machine. No port opens or shuts without being asked for."""

import os
import re
import subprocess
import unittest

from booted_world import CONFIG, UNITS, BootedTest, Stranger
from machine import PATIENCE
from netns import eventually
from packages import BUILT, later, packages

TIME_LIMIT = 1800  # one of these builds everything once more
PACKAGES = {"postern-server", "postern-client", "postern-echoip", "libpostern0", "libpostern-dev"}
README = "/usr/share/doc/postern-server/README.Debian"
FILTER = "/etc/fail2ban/filter.d/postern.conf"  # a conffile
FOREIGN = """
table inet mine {
	set friends { type ipv4_addr; elements = { 192.0.2.1 }; }
	chain input {
		type filter hook input priority 10; policy accept;
		ip saddr @friends tcp dport 4444 drop
	}
}
"""


class PackagesTest(BootedTest):
    @classmethod
    def install(cls):
        """Nothing yet."""

    @classmethod
    def set_up_postern(cls):
        """Each test begins without it."""

    def setUp(self):
        self.purge()
        self.machine.shell("rm -rf /etc/postern /root/alice.yaml; nft flush ruleset")
        self.machine.run("nft", "-f", "-", text=FOREIGN)
        self.foreign = self.machine.run("nft", "list", "ruleset")

    def dpkg(self, *words):
        """What it says, if it has nothing to ask."""
        done = subprocess.run(self.machine.command("dpkg", *words), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def install_packages(self):
        return self.dpkg("--install", *packages().values())

    def purge(self):
        self.dpkg("--purge", *sorted(PACKAGES))

    def serve(self):
        """Installed, with alice as a client, and her ports open for the client."""
        self.install_packages()
        BootedTest.set_up_postern.__func__(type(self))
        self.machine.run("systemctl", "enable", "--now", *UNITS)
        self.assert_ready()
        self.knock()
        self.assert_open()
        self.assert_shut(self.stranger)

    def main(self):
        return self.machine.show("posternd", "MainPID")

    def states(self):
        return [self.machine.state(unit) for unit in UNITS]

    def enabled(self, unit):
        return self.machine.run("systemctl", "is-enabled", unit, check=False).strip()

    def exists(self, path):
        return (self.machine.root / path.lstrip("/")).exists()

    def assert_none_of_our_rules(self):
        self.assertEqual(self.machine.run("nft", "list", "ruleset"), self.foreign)
        self.assert_open(self.stranger)

    # Installation

    def test_all_of_them(self):
        self.assertEqual(set(packages()), PACKAGES)

    def test_an_installation_starts_nothing(self):
        with Stranger(self) as stranger:
            said = self.install_packages()
        self.assertEqual([line for line in said.splitlines() if line.startswith("postern-server: ")],
                         ["postern-server: no port is shut yet; next: postern init --server HOST"])
        self.assertGreater(stranger.connections, 0)
        self.assert_none_of_our_rules()
        units = {path.name for path in self.machine.root.glob("usr/lib/systemd/system/postern*")}
        self.assertLess({f"{unit}.service" for unit in UNITS}, units)
        for unit in units:
            self.assertEqual((self.enabled(unit), self.machine.state(unit)), ("disabled", "inactive"), unit)
        self.assertNotIn("postern", self.machine.run("systemctl", "--failed", "--no-legend"))
        self.machine.run("getent", "passwd", "postern")
        self.assertEqual(self.machine.shell("stat -c '%a %U' /etc/postern/clients.d").strip(), "700 root")

    def readme_commands(self):
        """Those of its first section."""
        self.machine.shell(f"! [ -e {README}.gz ] || gunzip --keep --force {README}.gz")
        section = self.machine.read(README).split("\n---", 2)[1]
        return re.findall(r"^    (\S.*)$", section, re.M)

    def test_as_the_readme_says(self):
        self.install_packages()
        *steps, back = self.readme_commands()
        self.assertGreater(len(steps), 3)
        for step in steps:
            self.machine.shell(f"cd; umask 077; {step.replace('gate.example.org', 'gate')}")
        self.assert_ready()
        for space in (self.client, self.stranger):
            self.assert_shut(space)
        self.knock()
        self.assert_open()
        self.assert_shut(self.stranger)
        self.machine.shell(back)
        self.assert_none_of_our_rules()

    # Upgrade

    def test_an_upgrade(self):
        self.serve()
        self.machine.write(FILTER, self.machine.read(FILTER) + "# Ours\n")
        before, kept = self.main(), [self.machine.read(f) for f in (FILTER, CONFIG)]
        with Stranger(self) as stranger:
            said = self.dpkg("--install", *later(self.machine))
            self.assert_nobody_got_in(stranger)
        self.assertNotIn("no port is shut yet", said)
        self.assert_ready()
        self.assertNotEqual(self.main(), before)
        self.assertEqual(self.states(), ["active", "active"])
        self.assertIn("alice", self.machine.run("postern", "sessions"))
        self.assert_open()
        self.assert_shut(self.stranger)
        self.assertEqual([self.machine.read(f) for f in (FILTER, CONFIG)], kept)
        self.assertIn("+later", self.machine.run("dpkg-query", "-W", "postern-server"))

    def test_an_upgrade_with_a_broken_configuration(self):
        self.serve()
        good = self.machine.read(CONFIG)
        self.configure(good + "nonsense: 1\n")
        with Stranger(self) as stranger:
            self.dpkg("--install", *later(self.machine))
            self.assertFalse(self.is_ready())
            self.assert_open()  # alice, until her time ends
            self.assert_nobody_got_in(stranger)
            self.configure(good)
            self.assert_ready()
        self.assert_shut(self.stranger)

    def test_an_upgrade_starts_nothing(self):
        self.serve()
        self.machine.run("systemctl", "disable", "--now", *UNITS)
        self.dpkg("--install", *later(self.machine))
        self.assertEqual(self.states(), ["inactive", "inactive"])
        self.assert_none_of_our_rules()

    # Removal

    def test_a_removal_keeps_keys_and_clients(self):
        self.serve()
        self.machine.run("postern", "reload", "--confirm-within", "30m", "--no-wait")
        self.dpkg("--remove", *sorted(PACKAGES))
        self.assert_none_of_our_rules()
        self.assertTrue(eventually(  # nothing is left to be taken back
            lambda: not self.machine.run("systemctl", "list-units", "--no-legend", "postern-*"), PATIENCE))
        self.assertFalse(self.exists("/usr/sbin/posternd"))
        self.assertEqual(self.machine.run("pgrep", "-l", "postern", check=False), "")
        for path in (CONFIG, "/etc/postern/clients.d/alice.yaml", "/var/lib/postern/replay", FILTER):
            self.assertTrue(self.exists(path), path)
        self.assertNotIn("no port is shut yet", self.install_packages())
        self.assertEqual([self.enabled(unit) for unit in UNITS], ["enabled", "enabled"])
        self.machine.run("systemctl", "start", *UNITS)
        self.assert_shut()
        self.knock()
        self.assert_open()

    def start_by_hand(self):
        self.machine.run("systemctl", "disable", "--now", *UNITS)
        self.machine.shell("posternd >/var/tmp/by-hand 2>&1 &")
        self.addCleanup(self.machine.run, "pkill", "-KILL", "-x", "posternd", check=False)
        self.assertTrue(eventually(
            lambda: "yes" in self.machine.shell("! postern sessions >/dev/null 2>&1 || echo yes")))

    def kill_by_hand(self):
        self.machine.run("pkill", "-KILL", "-x", "posternd")
        self.assertTrue(eventually(
            lambda: not self.machine.run("pgrep", "postern", check=False), PATIENCE))

    def test_a_removal_with_a_daemon_of_no_service(self):
        self.serve()
        self.start_by_hand()
        with self.assertRaisesRegex(AssertionError, "posternd is still running, not as a service: stop it"):
            self.dpkg("--remove", "postern-server")
        self.assertTrue(self.exists("/usr/sbin/posternd"))
        self.assert_shut(self.stranger)
        self.kill_by_hand()
        self.assert_shut(self.stranger)
        self.dpkg("--remove", "postern-server")
        self.assert_none_of_our_rules()

    def test_a_purge(self):
        self.serve()
        self.machine.write("/etc/postern/notes", "the operator's\n")
        self.purge()
        self.assert_none_of_our_rules()
        left = self.machine.shell("find /etc /run /usr /var/lib -path '*postern*'").split()
        self.assertEqual(sorted(left), ["/etc/postern", "/etc/postern/notes"])
        self.assertEqual(self.machine.read("/etc/postern/notes"), "the operator's\n")
        self.machine.shell("rm /etc/postern/notes")
        self.install_packages()
        self.purge()
        self.assertFalse(self.exists("/etc/postern"))

    # The files

    def work(self, text):
        """What takes its time."""
        done = subprocess.run(self.machine.command("sh", "-euc", text), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:])
        return done.stdout

    def test_lintian(self):
        said = self.work(f"lintian --fail-on error,warning {BUILT}/*.changes")
        self.assertNotRegex(said, "(?m)^[EW]: ")

    def test_what_they_need_is_in_debian(self):
        """On a machine that has nothing yet."""
        said = self.machine.shell(
            ": >/var/tmp/status; apt-get --simulate -o Dir::State::status=/var/tmp/status install "
            + " ".join(packages().values()))
        for package in (*PACKAGES, "libsodium23", "libseccomp2"):
            self.assertIn(f"Inst {package} ", said)
        for package in ("gcc", "clang", "python3"):
            self.assertNotIn(f"Inst {package} ", said)

    def sums(self, folder):
        return sorted(line.split("  ")[0] + " " + line.rpartition("/")[2] for line in self.machine.shell(
            f"sha256sum {folder}/*.deb").splitlines())

    @unittest.skipUnless("POSTERN_REBUILD" in os.environ, "takes minutes: set POSTERN_REBUILD")
    def test_two_builds_are_the_same(self):
        """In another folder, at another time, with another umask, locale and time zone."""
        self.work("umask 077; cd /src; LC_ALL=C TZ=Pacific/Kiritimati CCACHE_DISABLE=1 "
                  "pkg/make-deb /var/tmp/else/where")
        self.assertEqual(self.sums("/var/tmp/else/where"), self.sums(BUILT))
