"""A TCP and UDP echo service behind the gate, in a thread of the test."""

import selectors
import socket
import threading

from netns import eventually


class Echo:
    """Listens on both families at the ports given, inside `space`."""

    def __init__(self, space, tcp=(), udp=()):
        self.selector = selectors.DefaultSelector()
        for port in tcp:
            self._listen(space, socket.SOCK_STREAM, port, self._accept)
        for port in udp:
            self._listen(space, socket.SOCK_DGRAM, port, self._answer)
        self.running = True
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _listen(self, space, kind, port, handler):
        s = space.socket(socket.AF_INET6, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # A previous listener's closing connections may hold the port for a moment.
        assert eventually(lambda: self._binds(s, port)), f"port {port} is taken"
        if kind == socket.SOCK_STREAM:
            s.listen(4096)
        self.selector.register(s, selectors.EVENT_READ, handler)

    @staticmethod
    def _binds(s, port):
        try:
            s.bind(("::", port))
            return True
        except OSError:
            return False

    def _accept(self, listener):
        connection, _ = listener.accept()
        self.selector.register(connection, selectors.EVENT_READ, self._echo)

    def _echo(self, connection):
        try:
            data = connection.recv(4096)
            if data:
                connection.sendall(data)
                return
        except OSError:
            pass
        self.selector.unregister(connection)
        connection.close()

    def _answer(self, s):
        data, peer = s.recvfrom(4096)
        s.sendto(data, peer)

    def _serve(self):
        while self.running:
            for key, _ in self.selector.select(timeout=0.1):
                key.data(key.fileobj)

    def close(self):
        self.running = False
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


def echoes(connection, message=b"hello"):
    """True when the far end of an open connection still answers."""
    try:
        connection.sendall(message)
        return connection.recv(len(message)) == message
    except OSError:
        return False


def udp_echoes(space, address, port, timeout=0.3):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with space.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        try:
            s.sendto(b"hello", (address, port))
            return s.recv(16) == b"hello"
        except OSError:
            return False
