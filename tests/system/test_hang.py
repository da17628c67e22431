"""What hangs, or has others wait, is noticed, and nobody waits for it."""

import os
import socket
import tempfile
from pathlib import Path

from daemon import Daemon
from netns import eventually
from world import WorldTest


def fill(fd):
    """Until nothing more goes in, by a description of our own where there is one."""
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # a socket
        with socket.socket(fileno=os.dup(fd)) as s:
            try:
                while True:
                    s.send(b"x" * 100, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
    for size in (4096, 1):
        try:
            while True:
                os.write(own, b"x" * size)
        except BlockingIOError:
            pass
    os.close(own)


def drain(fd):
    os.set_blocking(fd, False)
    found = b""
    try:
        while True:
            found += os.read(fd, 1 << 16)
    except BlockingIOError:
        return found.decode(errors="replace")


class LogTest(WorldTest):
    """Standard error is something that nobody reads."""

    def start_with(self, ends):
        for end in ends:
            self.addCleanup(os.close, end)
        self.daemon = Daemon(self.server, Path(tempfile.mkdtemp(dir=self.folder)),
                             self.configuration(), "--log-level", "debug")
        self.daemon.start(log=ends[1])

    def assert_lives_on(self, ends):
        reads, writes = ends
        self.start_with(ends)
        fill(writes)
        for _ in range(50):
            self.knock()
        self.assert_opens()
        self.daemon.reload()
        self.knock(self.bob, target="203.0.113.1")
        self.assertTrue(eventually(lambda: "203.0.113.1" in self.granted()))
        drain(reads)
        self.daemon.reload()
        log = drain(reads)
        self.assertRegex(log, r'"main","message":"lines of this log were dropped[^}]*"count":"1"')
        self.assertEqual(log.count("were dropped"), 1)
        self.assertIn("reloaded: 3 clients", log)
        self.knock(self.bob, target="203.0.113.2")
        self.assertTrue(eventually(lambda: "203.0.113.2" in self.granted()))
        self.assertRegex(drain(reads), r'"keeper","message":"lines of this log were dropped')
        self.assertTrue(os.get_blocking(writes), "flags that are others' were changed")
        fill(writes)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.table(), [])

    def test_a_pipe(self):
        self.assert_lives_on(os.pipe())

    def test_a_socket(self):
        self.assert_lives_on([end.detach() for end in socket.socketpair()])

    def test_full_from_the_start(self):
        ends = os.pipe()
        fill(ends[1])
        self.start_with(ends)
        self.knock()
        self.assert_opens()
        self.assertEqual(self.daemon.stop(), 0)
