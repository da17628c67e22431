"""The control socket, spoken to byte by byte."""

import re
import socket
import struct
from pathlib import Path

from netns import PATIENCE

VERDICTS = Path(__file__).parents[2] / "src/admit/verdict.h"

SESSIONS, RELOAD, STATS = 1, 2, 3
SESSION, LAST_SEEN, STAT, DONE, ERROR = range(65, 70)


def request(kind, body=b"", version=1):
    return struct.pack(">BBH", version, kind, len(body)) + body


def connect(path, timeout=PATIENCE):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(str(path))  # waits for a place in the queue
    s.settimeout(timeout)
    return s


def answers(s):
    """(type, body) of every record up to the last."""
    found = []
    while not found or found[-1][0] not in (DONE, ERROR):
        try:
            packet = s.recv(4096)
        except ConnectionResetError:
            continue  # said once, when our words were not read; what was said to us comes after
        if not packet:
            break
        found.append((packet[1], packet[4:]))
    return found


def ask(path, kind):
    with connect(path) as s:
        try:
            s.send(request(kind))
        except BrokenPipeError:
            pass  # refused unheard; the reason is there to be read
        return answers(s)


def stats(path):
    """Name to number."""
    records = [body for kind, body in ask(path, STATS) if kind == STAT]
    return {body[1:-8].decode(): struct.unpack(">Q", body[-8:])[0] for body in records}


def verdicts(path):
    """The same, of verdicts alone."""
    names = re.findall(r'X\(\w+, "(\w+)", [A-Z]+, "', VERDICTS.read_text())
    assert len(names) > 20, "the table cannot be read"
    return {name: count for name, count in stats(path).items() if name in names}
