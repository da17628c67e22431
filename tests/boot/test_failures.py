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

    @unittest.skipIf(tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (6, 9),
                     "tables have owners that they outlive since Linux 6.9")
    def test_a_flush(self):
        with Stranger(self) as stranger:
            for _ in range(10):
                self.machine.run("nft", "flush", "ruleset")
                self.assert_open()
            self.assert_nobody_got_in(stranger)
