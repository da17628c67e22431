"""UDP datagrams from forged IPv4 sources, one at a time or as a flood."""

import itertools
import socket
import struct
import threading
import time

CHUNK = 20


class Forger:
    """Sends from any source, out of a namespace."""

    def __init__(self, space, to, port):
        self.to, self.port = to, port
        self.socket = space.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(self, packet, source, source_port=40000):
        # The kernel fills in length and checksum of the IP header; UDP's 0 means none.
        header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0,
                             socket.inet_aton(source), socket.inet_aton(self.to))
        udp = struct.pack(">HHHH", source_port, self.port, 8 + len(packet), 0)
        self.socket.sendto(header + udp + packet, (self.to, 0))

    def close(self):
        self.socket.close()


class Flood:
    """Sends `packets` and `sources`, over and over, about `rate` a second while it is entered."""

    def __init__(self, forger, packets, sources, rate):
        self.forger, self.rate = forger, rate
        self.what = zip(itertools.cycle(packets), itertools.cycle(sources))
        self.sent = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        due = time.monotonic()
        while not self.over.is_set():
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
