"""Starts that fail, and processes that end or hang: shut meanwhile, and up again without a hand."""

import os
import re
import subprocess
import unittest

from booted_world import UNITS, BootedTest, Stranger
from netns import eventually

ROLES = ("doorman", "keeper", "desk", "main")
HOLDER = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 54154))
print("bound", flush=True)
sys.stdin.read()
"""


needs_owners = unittest.skipIf(
    tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (6, 9),
    "tables have owners that they outlive since Linux 6.9")


class FailuresTest(BootedTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.run("systemctl", "enable", "--now", *UNITS)

    def setUp(self):
        self.configure(self.good)
        self.assert_ready()
        self.knock()
        self.assert_open()
        self.since = self.machine.cursor()

    def assert_tries_on(self):
        """More often than systemd's own limit for starts."""
        before = self.machine.restarts()
        self.assertTrue(eventually(lambda: self.machine.restarts() > before + 1, 60))
        self.assertFalse(self.is_ready())
        self.assertEqual(self.machine.state("posternd"), "activating")
        self.said("waiting before the next start")

    def test_a_stop_while_it_waits(self):
        self.configure(self.good + "nonsense: 1\n")
        self.restart()
        self.assert_tries_on()
        self.machine.run("systemctl", "stop", "posternd")
        self.assertEqual(self.machine.state("posternd"), "inactive")
        self.assert_shut(self.stranger)
        self.configure(self.good)
        self.machine.run("systemctl", "start", "posternd")

    def put_back(self):
        if "wire@" not in self.machine.space.ip("link"):
            self.wire("wire")
        self.configure(self.good)
        self.restart()

    def said(self, text):
        self.assertTrue(self.machine.said(text, self.since), f"no word of {text}")

    def test_a_mistake_in_the_file(self):
        with Stranger(self) as stranger:
            self.configure(self.good + "nonsense: 1\n")
            self.restart()
            self.assert_tries_on()
            self.said("nonsense")
            self.machine.run("nft", "flush", "ruleset")  # the manager keeps their owner's socket
            self.assert_open()  # alice, until her time ends
            self.configure(self.good)
            self.assert_ready()
            self.knock()
            self.assert_open()
            self.assert_nobody_got_in(stranger)

    def test_an_interface_that_comes_later(self):
        self.machine.space.ip("link", "delete", "wire")
        self.addCleanup(self.put_back)
        self.configure(self.good.replace('interface: ""', "interface: wire"))
        self.restart()
        self.assert_tries_on()
        self.said("server.interface: found")
        self.machine.run("systemctl", "stop", "posternd")
        self.machine.run("postern", "release", "--yes")  # the grants, too
        self.machine.restart("postern-guard")
        self.restart()
        self.assert_tries_on()
        with Stranger(self, self.client) as stranger:
            self.wire("wire")
            self.assert_ready()
            self.assert_nobody_got_in(stranger)
        self.knock()
        self.assert_open()

    def test_a_port_in_use(self):
        self.machine.run("systemctl", "stop", "posternd")
        with subprocess.Popen(self.machine.command("python3", "-c", HOLDER), text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder, Stranger(self) as stranger:
            self.assertEqual(holder.stdout.readline(), "bound\n")
            self.restart()
            self.assert_tries_on()
            self.said("54154")
            holder.stdin.close()
            self.assert_ready()
            self.assert_nobody_got_in(stranger)
        self.knock()
        self.assert_open()

    def assert_restarted(self, before):
        self.assertTrue(eventually(
            lambda: self.machine.show("posternd", "MainPID") not in (before, "0"), 60))
        self.assert_ready()

    def test_killed(self):
        for role in ROLES:
            with self.subTest(role=role), Stranger(self) as stranger:
                before = self.machine.show("posternd", "MainPID")
                self.machine.signal(role, "KILL")
                self.assert_restarted(before)
                self.assert_open()
                self.assert_nobody_got_in(stranger)

    def test_hanging(self):
        for role in ROLES:
            with self.subTest(role=role), Stranger(self) as stranger:
                before = self.machine.show("posternd", "MainPID")
                self.machine.signal(role, "STOP")
                self.assert_restarted(before)
                self.assert_open()
                self.assert_nobody_got_in(stranger)

    @needs_owners
    def test_a_flush(self):
        with Stranger(self) as stranger:
            for _ in range(10):
                self.machine.run("nft", "flush", "ruleset")
                self.assert_open()
            self.assert_nobody_got_in(stranger)

    # While no daemon runs

    def nftables_restarts(self):
        """Not when it has been started too often, or when its control group is about to go."""
        return "done" in self.machine.run("sh", "-c", "systemctl restart nftables && echo done || "
                                          "systemctl reset-failed nftables", check=False)

    def take_away(self):
        """What an administrator's other tools do."""
        for _ in range(3):
            self.machine.run("nft", "flush", "ruleset")
            self.assertTrue(eventually(self.nftables_restarts))  # its file begins with a flush
            self.machine.run("systemctl", "stop", "nftables")  # another
            self.assert_shut(self.stranger)
            self.assert_open()  # alice, until her time ends

    def guard(self):
        return self.machine.show("postern-guard", "MainPID")

    def assert_another_guard(self, before):
        self.assertTrue(eventually(lambda: self.guard() not in (before, "0") and
                                   self.machine.state("postern-guard") == "active", 60))

    @needs_owners
    def test_a_flush_while_no_daemon_runs(self):
        self.addCleanup(self.machine.run, "systemctl", "start", *UNITS)
        with Stranger(self) as stranger:
            for _ in range(2):
                self.machine.run("systemctl", "stop", "posternd")
                self.take_away()
                self.machine.run("systemctl", "start", "posternd")
                self.assert_ready()
            self.knock()
            self.assert_open()
            self.assert_nobody_got_in(stranger)

    @needs_owners
    def test_the_guard_ends_as_it_may(self):
        """While the daemon runs, and while it does not."""
        self.addCleanup(self.machine.run, "systemctl", "start", *UNITS)
        with Stranger(self) as stranger:
            for name in ("KILL", "TERM", "KILL"):
                before = self.guard()
                self.machine.run("kill", f"-{name}", before)
                self.assert_another_guard(before)
                self.assert_open()
            for _ in range(2):
                before = self.guard()
                self.machine.restart("postern-guard")
                self.assert_another_guard(before)
            eventually(lambda: False, 2)  # the daemon hands it its socket
            self.assertTrue(eventually(lambda: '"guard":"there"' in self.machine.run(
                "postern", "--json", "sessions").replace(" ", "")))
            self.machine.run("systemctl", "stop", "posternd")
            self.take_away()
            for _ in range(2):
                before = self.guard()
                self.machine.restart("postern-guard")
                self.assert_another_guard(before)
                self.take_away()
            for name in ("KILL", "TERM", "KILL"):
                before = self.guard()
                self.machine.run("kill", f"-{name}", before)
                self.take_away()
                self.assert_another_guard(before)
                self.take_away()
            self.machine.run("systemctl", "start", "posternd")
            self.assert_ready()
            self.knock()
            self.assert_open()
            self.assert_nobody_got_in(stranger)

    def said_of_the_guard(self):
        """How often the daemon has said that it is gone, and that it is there."""
        log = self.machine.journal("--unit=posternd")
        return [log.count(f"postern-guard is {what}:") for what in ("gone", "there")]

    @needs_owners
    def test_the_guard_is_stopped_while_the_daemon_runs(self):
        """It is back by itself, and has the owner again, before anybody stops the daemon."""
        self.addCleanup(self.machine.run, "systemctl", "start", *UNITS)
        with Stranger(self) as stranger:
            said = self.said_of_the_guard()
            for i in range(1, 4):
                before = self.guard()
                self.machine.run("systemctl", "stop", "postern-guard", check=False)
                self.assert_another_guard(before)
                self.assertTrue(eventually(lambda: self.said_of_the_guard() == [n + i for n in said], 60))
                self.assert_open()
            self.machine.run("systemctl", "stop", "posternd")
            self.take_away()
            self.machine.run("systemctl", "start", "posternd")
            self.assert_ready()
            self.assert_nobody_got_in(stranger)

    @needs_owners
    def test_the_guard_hangs(self):
        self.addCleanup(self.machine.run, "systemctl", "start", *UNITS)
        with Stranger(self) as stranger:
            before = self.guard()
            self.machine.run("kill", "-STOP", before)
            self.machine.restart("posternd")  # which does not wait for it for long
            self.assert_ready()
            self.assert_another_guard(before)
            before = self.guard()
            self.machine.run("systemctl", "stop", "posternd")
            self.machine.run("kill", "-STOP", before)
            self.assert_another_guard(before)  # the manager's watchdog
            self.take_away()
            self.machine.run("systemctl", "start", "posternd")
            self.assert_ready()
            self.assert_nobody_got_in(stranger)

    def test_what_is_released_is_not_put_back(self):
        self.addCleanup(self.machine.run, "systemctl", "start", *UNITS)
        self.machine.run("systemctl", "stop", "posternd")
        self.machine.run("postern", "release", "--yes")
        self.assertTrue(eventually(lambda: self.machine.state("postern-guard") == "inactive"))
        eventually(lambda: False, 3)
        self.assert_open(self.stranger)
        self.assertEqual(self.machine.state("postern-guard"), "inactive")
        self.machine.run("systemctl", "start", "posternd")
        self.assert_ready()
        self.assertEqual(self.machine.state("postern-guard"), "active")
        self.assert_shut(self.stranger)
