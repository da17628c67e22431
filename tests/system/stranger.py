"""Somebody who tries to connect without a pause."""

import threading

from world import SERVICE_PORT


class Stranger(threading.Thread):
    """Counts its tries, and what gets through."""

    def __init__(self, space, address, port=SERVICE_PORT, source=None):
        super().__init__()
        self.tries = self.connections = 0
        self.ends = threading.Event()
        self.space, self.where, self.source = space, (address, port), source

    def run(self):
        while not self.ends.is_set():
            self.tries += 1
            self.connections += self.space.connects(*self.where, self.source, timeout=0.02)

    def count(self):
        self.ends.set()
        self.join()
        return self.connections
