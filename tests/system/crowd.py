"""Crowds: as many clients or devices as wanted, and where a configuration may have them. The keys
of clients are made by crowd.c, and the private ones from a number: nothing has to be kept."""

import base64
import hashlib
import subprocess
import uuid

import openme
from daemon import program, yaml

SEED = b"Postern's key for tests "
RULE = "1-65535/tcp"  # what a device may ask for
NO_KEY = base64.b64encode(bytes(32)).decode()  # of small order: vetting refuses it


def some(count):
    """The numbers of the first, the one in the middle and the last."""
    return sorted({0, count // 2, count - 1})


def client_key(number):
    return openme.ClientKey(hashlib.sha256(SEED + str(number).encode()).digest())


def client_name(number):
    return f"c{number:07}"


def device_uuid(number):
    return uuid.UUID(int=number + 1)


def public_keys(count):
    """Of that many clients, in base64."""
    return subprocess.run([program("tests/system/crowd"), str(count)], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.splitlines()


def client_text(number, key):
    return (f"  {client_name(number)}:\n    ed25519_pubkey: {key}\n"
            "    allowed_ports: [default]\n")


KEY_LINE = 2  # of such a text


def write_private(path, parts):
    path.touch(mode=0o600)
    with open(path, "w", encoding="ascii") as to:
        to.writelines(parts)


class ClientsInFile:
    """All of them in the main file."""

    def __init__(self, folder):
        self.file = folder / "config.yaml"
        self.head = ""

    def write(self, configuration, keys):
        """`configuration` without clients."""
        self.head = yaml(configuration) + "\nclients:\n"
        write_private(self.file,
                      [self.head, *(client_text(i, key) for i, key in enumerate(keys))])

    def place(self, number):
        """File and line of a key."""
        lines_of_one = client_text(0, "").count("\n")
        return f"{self.file}:{self.head.count(chr(10)) + number * lines_of_one + KEY_LINE}"


class ClientsInFolder:
    """A file of clients.d for each; those that are right already are left as they are."""

    def __init__(self, folder):
        self.file = folder / "config.yaml"
        self.folder = folder / "clients.d"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.keys = []

    def write(self, configuration, keys):
        write_private(self.file, [yaml(configuration) + "\n"])
        for i, key in enumerate(keys):
            if i >= len(self.keys) or self.keys[i] != key:
                write_private(self.path(i), ["clients:\n", client_text(i, key)])
        for i in range(len(keys), len(self.keys)):
            self.path(i).unlink()
        self.keys = list(keys)

    def path(self, number):
        return self.folder / f"{client_name(number)}.yaml"

    def place(self, number):
        return f"{self.path(number)}:{1 + KEY_LINE}"


class Devices:
    """Their keys in devices.d and, with `entries`, what they may ask for in the main file. The
    first, the one in the middle and the last have keys of their own, all others the same one."""

    def __init__(self, folder, own, other, entries):
        self.file = folder / "config.yaml"
        self.folder = folder / "devices.d"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.own, self.other, self.entries = own, other.public_pem(), entries
        self.texts = []

    def number(self, number, count):
        """One that has a key of its own, ready to ask."""
        device = self.own[{0: 0, count - 1: 2}.get(number, 1)]
        device.uuid = device_uuid(number)
        return device

    def write(self, configuration, count):
        entries = {str(device_uuid(i)): {"name": f"d{i:07}", "rules": [RULE]}
                   for i in range(count)} if self.entries else {}
        configuration["openspa"]["clients"] = entries
        write_private(self.file, [yaml(configuration) + "\n"])
        texts = [self.other] * count
        for number in some(count):
            texts[number] = self.number(number, count).key.public_pem()
        self.fill(texts)

    def fill(self, texts):
        for i, text in enumerate(texts):
            if i >= len(self.texts) or self.texts[i] != text:
                write_private(self.path(i), [text])
        for i in range(len(texts), len(self.texts)):
            self.path(i).unlink()
        self.texts = texts

    def path(self, number):
        return self.folder / f"{device_uuid(number)}.pub"
