"""postern-web under test: started beside a daemon, in the namespace of that, and asked over HTTP."""

import http.client
import json
import os
import pwd
import re
import socket
import tempfile
import time
from pathlib import Path

from netns import PATIENCE

USER = "postern-web"
UID = 64990  # where the host has no such user


def user():
    """(uid, gid) of postern-web."""
    try:
        entry = pwd.getpwnam(USER)
        return entry.pw_uid, entry.pw_gid
    except KeyError:
        return UID, UID


def with_user(folder, *command):
    """The command where there is a user postern-web, whether or not the host has one."""
    users = Path(folder) / "passwd"
    lines = [line for line in Path("/etc/passwd").read_text().splitlines()
             if not line.startswith(f"{USER}:")]
    uid, gid = user()
    users.write_text("\n".join([*lines, f"{USER}:x:{uid}:{gid}::/:/usr/sbin/nologin", ""]))
    return ["unshare", "--mount", "sh", "-ec", f'mount --bind {users} /etc/passwd; exec "$@"', "-",
            *map(str, command)]


class Connection(http.client.HTTPConnection):
    """HTTP over a socket that is there already."""

    def __init__(self, link):
        super().__init__("localhost")
        self.sock = link


class Web:
    """postern-web on free ports, or wherever else; ended at the end of the `with`."""

    def __init__(self, space, program, folder, control, *options, command=None):
        self.space = space
        self.errors = tempfile.TemporaryFile()
        places = () if "--listen" in options else (
            "--listen", "127.0.0.1:0", "--listen", "[::1]:0")
        words = [program, "--control", control, *places, *options]
        self.process = space.popen(*(command or with_user(folder, *words)), stderr=self.errors)

    def __enter__(self):
        self.wait_for("web: ready")
        self.ports = dict(re.findall(r"address=(\S+) port=(\d+)", self.said()))
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.errors.close()

    def said(self):
        return os.pread(self.errors.fileno(), 1 << 20, 0).decode()

    def wait_for(self, words):
        end = time.monotonic() + PATIENCE
        while words not in self.said():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"never said {words!r}: {self.said()}")
            time.sleep(0.01)

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.ports['127.0.0.1']}{path}"

    def connect(self, where="127.0.0.1"):
        if where.startswith("/"):
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.connect(where)
        else:
            link = self.space.connection(where, int(self.ports[where]), timeout=PATIENCE)
        link.settimeout(PATIENCE)
        return link

    def ask(self, path="/", where="127.0.0.1", method="GET", headers=None, body=None):
        """The response, closed, and its body."""
        connection = Connection(self.connect(where))
        connection.request(method, path, body, {"Host": "localhost"} | (headers or {}))
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response, text

    def data(self, path="/data.json", **more):
        return json.loads(self.ask(path, **more)[1])

    def metrics(self):
        """Name, with its labels, to value."""
        text = self.ask("/metrics")[1].decode()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in text.splitlines() if not line.startswith("#")}


