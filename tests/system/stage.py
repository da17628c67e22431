"""A daemon that is none: answers the control socket with whatever a test wants it to have said."""

import socket
import struct
import threading

import control


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return bytes([len(data)]) + data


def address(value):
    if ":" in value:
        return socket.inet_pton(socket.AF_INET6, value)
    return bytes(10) + b"\xff\xff" + socket.inet_pton(socket.AF_INET, value)


def record(kind, body=b""):
    return struct.pack(">BBH", 1, kind, len(body)) + body


def stat(name, value):
    return record(control.STAT, text(name) + struct.pack(">Q", value))


def seen(label, when_ns, source="203.0.113.7"):
    return record(control.LAST_SEEN, text(label) + struct.pack(">q", when_ns) + address(source))


def grant(label, opened_ns, left_ms, source="203.0.113.7", ports=((6, 22, 22),), flags=0):
    return record(control.SESSION, text(label) + address(source) +
                  struct.pack(">qQBH", opened_ns, left_ms, flags, len(ports)) +
                  b"".join(struct.pack(">BHH", *port) for port in ports))


class Stage:
    """Answers at `path` until the end of the `with`: `stats` and `sessions` are lists of records,
    and `end` closes each answer. `asked` are the kinds of all questions so far."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        path.chmod(0o777)
        self.listener.listen(64)
        self.stats, self.sessions, self.end = [], [], record(control.DONE)
        self.silent = False
        self.asked, self.at_once, self.most_at_once = [], 0, 0
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(link,), daemon=True).start()

    def answer(self, link):
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        with link:
            try:
                kind = link.recv(4096)[1]
                self.asked.append(kind)
                if self.silent:
                    link.recv(1)  # until whoever asks gives up
                    return
                for packet in [*(self.stats if kind == control.STATS else self.sessions), self.end]:
                    link.send(packet)
            except (OSError, IndexError):
                pass
            finally:
                self.at_once -= 1
