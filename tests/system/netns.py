"""Network namespaces, and doing things inside them."""

import array
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import time
from contextlib import contextmanager

import nft

PREFIX = "system"
# Seconds, for what takes milliseconds unless the machine is very busy, or there is very much to do.
PATIENCE = int(os.environ.get("POSTERN_PATIENCE", "60"))
CLONE_NEWNET = 0x40000000
SIOCETHTOOL, ETHTOOL_SRXCSUM = 0x8946, 0x15
libc = ctypes.CDLL(None, use_errno=True)
RUN_MOST = 600 if "POSTERN_EMULATED" in os.environ else 2 * PATIENCE  # seconds


def run(*command, check=True, text=None):
    """Runs a command to its end; its output is a string. Raises with that output on failure."""
    done = subprocess.run(
        [str(word) for word in command], input=text, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=RUN_MOST)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


def _set_namespace(descriptor):
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def sweep():
    """Removes the namespaces of test runs that were killed."""
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        parts = name.split("-")
        if len(parts) == 3 and parts[0] == PREFIX and not os.path.exists(f"/proc/{parts[1]}"):
            run("ip", "netns", "delete", name, check=False)


def remove_namespace(name):
    """With whatever runs in it."""
    for pid in run("ip", "netns", "pids", name, check=False).split():
        if pid.isdigit() and int(pid) != os.getpid():
            try:
                os.kill(int(pid), 9)
            except ProcessLookupError:
                pass
    run("ip", "netns", "delete", name, check=False)


def remove_namespaces(pid):
    """Those that a process has made."""
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        if name.startswith(f"{PREFIX}-{pid}-"):
            remove_namespace(name)


class Namespace:
    """One network namespace, with loopback up. `addresses` is filled by link()."""

    def __init__(self, role):
        self.name = f"{PREFIX}-{os.getpid()}-{role}"
        self.addresses = {}
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def close(self):
        remove_namespace(self.name)

    def ip(self, *arguments):
        return run("ip", "-n", self.name, *arguments)

    def run(self, *command, check=True, text=None):
        return run("ip", "netns", "exec", self.name, *command, check=check, text=text)

    def flush_rules(self):
        with self.entered():
            nft.nft("flush ruleset")

    def rules(self, what):
        """In the words of `nft -j list`"""
        with self.entered():
            return nft.listed(what)

    def nft(self, ruleset):
        return self.run("nft", "-f", "-", text=ruleset + "\n")

    def popen(self, *command, **options):
        words = ["ip", "netns", "exec", self.name, *map(str, command)]
        return subprocess.Popen(words, **options)

    @contextmanager
    def entered(self):
        """This thread is inside; sockets made here stay inside."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            _set_namespace(there)
            yield
        finally:
            _set_namespace(home)
            os.close(there)
            os.close(home)

    def socket(self, family, kind, protocol=0):
        with self.entered():
            return socket.socket(family, kind, protocol)

    def look_at_checksums(self, device, by_itself):
        """Whether a device does so where packets come in, in place of whoever receives them."""
        value = array.array("I", [ETHTOOL_SRXCSUM, int(by_itself)])
        with self.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            fcntl.ioctl(s, SIOCETHTOOL, struct.pack("16sP", device.encode(), value.buffer_info()[0]))

    def send(self, data, address, port, source=None):
        """One UDP datagram."""
        with self.socket(family_of(address), socket.SOCK_DGRAM) as s:
            if source:
                s.bind((source, 0))
            s.sendto(data, (address, port))

    def connection(self, address, port, source=None, timeout=0.3):
        """A TCP connection, or None when there was no answer in time or a refusal."""
        s = self.socket(family_of(address), socket.SOCK_STREAM)
        try:
            s.settimeout(timeout)
            if source:
                s.bind((source, 0))
            s.connect((address, port))
            s.settimeout(PATIENCE)
            return s
        except OSError:
            s.close()
            return None

    def connects(self, address, port, source=None, timeout=0.3):
        """True when something accepts there."""
        s = self.connection(address, port, source, timeout)
        if s:
            s.close()
        return s is not None


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def link(left, right, number, left_device="wire", right_device="wire"):
    """A cable between two namespaces: `left` is 10.77.number.1 and fd77:number::1, `right` .2."""
    run("ip", "-n", left.name, "link", "add", left_device, "type", "veth",
        "peer", "name", right_device, "netns", right.name)
    for space, device, host in ((left, left_device, 1), (right, right_device, 2)):
        add_address(space, device, f"10.77.{number}.{host}", 24)
        add_address(space, device, f"fd77:{number}::{host}", 64)
        space.ip("link", "set", device, "up")
        space.addresses[number] = {4: f"10.77.{number}.{host}", 6: f"fd77:{number}::{host}"}


def add_address(space, device, address, bits):
    # nodad: an IPv6 address is usable at once.
    extra = ["nodad"] if ":" in address else []
    space.ip("address", "add", f"{address}/{bits}", "dev", device, *extra)


def eventually(condition, within=PATIENCE):
    """Waits for the condition; the last value it had. It is asked less often the longer it takes:
    to ask may be to run a program, and others need the processor."""
    begun = time.monotonic()
    while True:
        value = condition()
        waited = time.monotonic() - begun
        if value or waited > within:
            return value
        time.sleep(min(max(0.005, waited / 10), 0.1))
