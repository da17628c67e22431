"""The machine that this runs in: Debian on a kernel and with cgroups of its own, which tests/emulated
has booted. It stays on, and what tests write to it stays."""

from pathlib import Path

from machine import Machine
from netns import run


class Home:
    """The network that the machine itself is in."""

    @staticmethod
    def ip(*arguments):
        return run("ip", *arguments)


class Emulated(Machine):
    def __init__(self, name):
        self.name, self.root, self.space = name, Path("/"), Home()

    def plug_in(self):
        return self.space

    def power_on(self):
        self.run("systemctl", "start", "systemd-networkd")

    def wait_until_up(self):
        """It is."""

    def install(self):
        """Done when it was made."""

    def close(self):
        """It ends with the tests."""

    def command(self, *words):
        return ["env", "-i", "PATH=/usr/sbin:/usr/bin", "LANG=C.UTF-8", "HOME=/root", *map(str, words)]
