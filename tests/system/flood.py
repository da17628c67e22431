"""UDP datagrams from forged sources, one at a time or as a flood."""

import contextlib
import itertools
import os
import socket
import struct
import threading
import time
from pathlib import Path

from netns import family_of

CHUNK = 20


SOURCE_PORT = 40000


def checksum(data):
    """Of the Internet's kind."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total >> 16) + (total & 0xffff)
    return ~total & 0xffff or 0xffff


def ipv4(source, to, udp):
    # The kernel fills in length and checksum of the header; UDP's 0 means none.
    return struct.pack(">BBHHHBBH", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0) + \
        socket.inet_aton(source) + socket.inet_aton(to) + udp


def ipv6(source, to, udp):
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to)
    check = checksum(ends + struct.pack(">II", len(udp), socket.IPPROTO_UDP) + udp)
    header = struct.pack(">IHBB", 6 << 28, len(udp), socket.IPPROTO_UDP, 64)
    return header + ends + udp[:6] + struct.pack(">H", check) + udp[8:]


class Forger:
    """Sends from any source, out of a namespace."""

    def __init__(self, space, to, port):
        self.to, self.port = to, port
        self.build = ipv6 if ":" in to else ipv4
        self.socket = space.socket(family_of(to), socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(self, packet, source):
        udp = struct.pack(">HHHH", SOURCE_PORT, self.port, 8 + len(packet), 0) + packet
        self.socket.sendto(self.build(source, self.to, udp), (self.to, 0))

    def close(self):
        self.socket.close()


HASTE = -15


def set_priority(pid, nice):
    """Of a process, or of this thread (0)."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)


def set_priority_of_session(nice):
    """Which counts where the kernel shares the processors by sessions."""
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(nice))


def hurry(test):
    """The daemon and a flood go before all else that the machine does: a test of how much gets done
    is not to be one of how busy others are."""
    test.addCleanup(set_priority_of_session, 0)
    set_priority_of_session(HASTE)
    for pid in test.daemon.living():
        set_priority(pid, HASTE)


class Starving:
    """Whether the roles have not got a processor for a good part of the time that they wanted one,
    and packets pile up: then it is the machine that does not keep up, and not they."""

    MANY_BYTES = 1 << 20  # of the daemon's 4 MiB: some 800 knocks

    def __init__(self, pids, unread):
        self.pids, self.unread = pids, unread
        self.before = self._times()

    def _times(self):
        """Run, and waited to run, in all."""
        rows = [Path(f"/proc/{pid}/schedstat").read_text().split() for pid in self.pids]
        return [sum(int(row[i]) for row in rows) for i in range(2)]

    def __call__(self):
        if self.unread() < self.MANY_BYTES:
            return False
        run, waited = (now - before for now, before in zip(self._times(), self.before))
        return waited > run / 2


class Flood:
    """Sends `packets` and `sources`, over and over, about `rate` a second while it is entered, and
    less while `is_full` says that the machine does not keep up."""

    def __init__(self, forger, packets, sources, rate, is_full=lambda: False):
        self.forger, self.rate, self.is_full = forger, rate, is_full
        self.what = zip(itertools.cycle(packets), itertools.cycle(sources))
        self.sent = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        set_priority(0, HASTE)
        due = time.monotonic()
        while not self.over.is_set():
            if self.is_full():
                time.sleep(0.002)
                continue
            for packet, source in itertools.islice(self.what, CHUNK):
                self.forger.send(packet, source)
                self.sent += 1
            # What was missed on a busy machine is not made up for in one burst.
            due = max(due + CHUNK / self.rate, time.monotonic() - 0.05)
            time.sleep(max(0, due - time.monotonic()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
