"""What our programs make of the files in tests/corpus, and the tables beside them that say what
the originals and ours do with each."""

import base64
import hashlib
import json
import re
import socket
import subprocess
import threading
import uuid
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import openme
import spa_server
import spa_tool
import test_tool_knock as knocks
from daemon import program
from netns import PATIENCE

CORPUS = Path(__file__).parents[1] / "corpus"
SOURCE = "198.51.100.7"
REFUSED = r"(?m)^refused: (\w+)"
UNDECIDED = 4  # exit status of --explain when a script decides
OPENED = r"(?m)^granted: opens (.*) for {}, for (.*) s$"


def table(name):
    """Rows by the name of the file that they are about."""
    return yaml.safe_load((CORPUS / f"{name}.yaml").read_text())


def seed(name):
    """All keys of the corpus are made from such words."""
    return hashlib.sha256(f"postern corpus {name}".encode()).digest()


SERVER_SECRET = seed("server")
SERVER_PUBLIC = openme.public_bytes(X25519PrivateKey.from_private_bytes(SERVER_SECRET))
CLIENTS = {name: openme.ClientKey(seed(name)) for name in ("alice", "bob", "carol", "dave")}


def base64_of(data):
    return base64.b64encode(data).decode()


def run(*words, **more):
    return subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, **more)


def converted(file):
    """What `postern config convert` makes of a file, beside it; empty where it refuses."""
    done = run(program("postern"), "config", "convert", file)
    other = file.with_suffix(".converted")
    other.touch(0o600)
    other.write_text(done.stdout)
    return other


def ports(text):
    """A set of (protocol, number) for ports in text, as both programs print them."""
    found = set()
    for word in re.split(r"[ ,]+", text.strip()):
        first, last, protocol = re.fullmatch(r"(\d+)(?:-(\d+))?/(\w+)", word).groups()
        found.update((protocol.lower(), n) for n in range(int(first), int(last or first) + 1))
    return found


class Served:
    """An openme server's file in our hands: `code` and `said` of the check, and what each of the
    clients named gets for a knock: its ports, or the verdict."""

    def __init__(self, file, clients, public=SERVER_PUBLIC):
        self.file = file
        check = run(program("posternd"), "-c", file, "--check")
        self.code, self.said = check.returncode, check.stderr
        self.gets, self.seconds = {}, None
        if self.code == 0:
            for name in clients:
                self.gets[name] = self.knocked(CLIENTS[name], public)

    def knocked(self, client, public):
        packet = self.file.with_suffix(".knock")
        packet.write_bytes(openme.knock(client, public))
        text = run(program("posternd"), "-c", self.file, "--explain", packet, "--source", SOURCE).stdout
        opened = re.search(OPENED.format(re.escape(SOURCE)), text)
        if opened:
            self.seconds = float(opened[2])
            return opened[1]
        return re.search(REFUSED, text)[1]

    def names(self):
        listed = run(program("postern"), "--config", self.file, "--control", "/nonexistent", "list",
                     "--json")
        return {client["name"] for client in json.loads(listed.stdout)["clients"]}

    def shown(self):
        return run(program("postern"), "--config", self.file, "config", "show").stdout


# --- The client's side: programs run inside a namespace, what they send is taken from the wire

KNOCK_PORTS = (54154, 7777)
ASK_PORTS = (22211, 22212)
LOOPBACK = "127.0.0.1"
BOTH_FAMILIES = "::"


def listen(space, port):
    wire = space.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    wire.bind((BOTH_FAMILIES, port))
    return wire


class Wires:
    """Listens where the profiles of the corpus lead to."""

    def __init__(self, space):
        self.space = space
        self.sockets = {port: listen(space, port) for port in KNOCK_PORTS}

    def close(self):
        for wire in self.sockets.values():
            wire.close()

    def taken(self):
        """(port, packet) of all that has come."""
        found = []
        for port, wire in self.sockets.items():
            try:
                while True:
                    found.append((port, wire.recv(2000, socket.MSG_DONTWAIT)))
            except BlockingIOError:
                pass
        return found


def signer(packet):
    """Whose knock it is, sealed for the server of the corpus; "nobody" when it is not one."""
    for name, client in CLIENTS.items():
        try:
            knocks.opened(packet, SERVER_SECRET, client.public)
            return name
        except Exception:  # another's, or not to be opened
            continue
    return "nobody"


class Knocked:
    """A client's file in our hands: `code` and `said` of a knock with the profile, `sent`: whose
    knocks came, `port`: where."""

    def __init__(self, file, profile, wires):
        words = ("knock", "--quiet", "--", profile) if profile else ("knock", "--quiet")
        with wires.space.entered():
            done = run(program("postern"), "--client-config", file, *words)
        self.code, self.said = done.returncode, done.stderr
        came = wires.taken()
        self.sent = {signer(packet) for _, packet in came}
        self.ports = {port for port, _ in came}


def profiles(file):
    done = run(program("postern"), "--client-config", file, "profiles", "--json")
    return {p["name"]: p for p in json.loads(done.stdout)["profiles"]} if done.returncode == 0 else {}


class Desk:
    """Answers requests as an OpenSPA server would."""

    def __init__(self, space):
        self.server_key, self.device_key = spa_tool.captured_keys()
        self.sockets = {port: listen(space, port) for port in ASK_PORTS}
        self.space, self.asked = space, []
        for port, wire in self.sockets.items():
            threading.Thread(target=self.serve, args=(port, wire), daemon=True).start()

    def serve(self, port, wire):
        while True:
            packet, source = wire.recvfrom(2000)
            request = spa_server.open_request(packet, self.server_key, self.device_key)
            self.asked.append((port, str(uuid.UUID(bytes=request.device))))
            wire.sendto(spa_server.response(self.server_key, self.device_key), source)

    def ask(self, file):
        """The tool's exit status and complaints for a request with this file."""
        self.asked = []
        text = file.read_bytes()
        client = "::1" if b"::1" in text else LOOPBACK
        server = () if b"::1" in text or LOOPBACK.encode() in text else ("-s", LOOPBACK)
        with self.space.entered():
            done = run(program("postern"), "request", file, "-c", client, "-p", 22, "-r", 1,
                       "--no-input", "--quiet", *server)
        return done.returncode, done.stderr


class Asked:
    """An OpenSPA server's file in our hands, with keys and scripts beside it."""

    def __init__(self, file, request):
        check = run(program("posternd"), "-c", file, "--check")
        self.code, self.said = check.returncode, check.stderr
        self.explained = None
        if self.code == 0:
            packet = file.with_suffix(".request")
            packet.write_bytes(request)
            self.explained = run(program("posternd"), "-c", file, "--explain", packet,
                                 "--source", SOURCE)

    def outcome(self):
        """served: its scripts are asked; otherwise why not."""
        if self.code != 0:
            return "refused"
        if self.explained.returncode == UNDECIDED:
            return "served"
        return re.search(REFUSED, self.explained.stdout)[1]
