"""A daemon that is measured under load: its namespaces, its clients and what it spends."""

import json
import shutil
import subprocess
import time
from pathlib import Path

from measure import cpu_ns, program, proportional_kib

import control
import openme
import openspa
from crowd import client_key, client_name, public_keys
from daemon import BUILD, Daemon, command_line, yaml
from flood import Forger
from netns import Namespace, eventually, link, run
from world import KNOCK_PORT, SERVICE_PORT, granted_in

UDP_SERVICE = 2223
SPA_PORT = 22211
CLIENTS = 100
EXTRA = 1  # one more, whose knocks a flood may be made of
NETWORKS = {4: ("10.128.0.0/9", "10.77.1.2"), 6: ("2001:db8::/32", "fd77:1::2")}
AT_ONCE = 8  # strangers whose first knocks are judged at a time


def roles_of(pids):
    """Role name to all its process ids: there may be several of one."""
    found = {}
    for pid in pids:
        words = command_line(pid).decode().split("\0")
        name = Path(words[0]).name.removeprefix("postern-")
        found.setdefault("main" if name == "posternd" else name, []).append(pid)
    return found


class Net:
    """Server and client with a cable between them; what has a forged source finds its way."""

    def __init__(self):
        self.server, self.client = Namespace("server"), Namespace("client")
        link(self.server, self.client, 1)
        for network, way in NETWORKS.values():
            self.server.ip("route", "add", network, "via", way)
        # What is forged does not resolve it: its source is not here.
        self.client.send(b"", self.server.addresses[1][6], KNOCK_PORT)
        assert eventually(lambda: "lladdr" in self.client.ip("-6", "neighbour", "show", "to",
                                                             self.server.addresses[1][6]))

    def close(self):
        self.server.close()
        self.client.close()


class Gate:
    """One daemon in a folder of its own."""

    def __init__(self, net, folder, settings=None, clients=CLIENTS, family=4, spa=False):
        self.net, self.folder, self.family = net, Path(folder), family
        self.folder.mkdir(mode=0o755)
        self.server_key = openme.ServerKey()
        self.shield_key = openme.text(openme.ServerKey().secret)
        self.address = net.server.addresses[1][family]
        self.keys = public_keys(clients + EXTRA)
        self.extra = clients  # the number of that client
        self.expected = set()
        self.daemon = Daemon(net.server, self.folder / "daemon", "")
        configuration = self.configuration(settings or {})
        if spa:
            configuration["openspa"] = self.openspa()
        self.daemon.configure(yaml(configuration) + "\n")

    def configuration(self, settings):
        server = {"udp_port": KNOCK_PORT, "firewall": "nft", "knock_timeout": "1h",
                  "drop_ports": True, "client_quota": 65536,
                  "private_key": openme.text(self.server_key.secret), **settings}
        if settings.get("shield", "off") != "off":
            server["shield_key"] = self.shield_key
        return {"server": server,
                "ports": {"default": [f"{SERVICE_PORT}/tcp", f"{UDP_SERVICE}/udp"]},
                "clients": {client_name(i): {"ed25519_pubkey": key, "allowed_ports": ["default"]}
                            for i, key in enumerate(self.keys)}}

    def openspa(self):
        self.spa_key, self.device = openspa.Key(), openspa.Device()
        devices = self.folder / "daemon/devices.d"
        devices.mkdir(mode=0o700)
        for path, text in ((self.folder / "daemon/spa.key", self.spa_key.private_pem()),
                           (devices / f"{self.device.uuid}.pub", self.device.key.public_pem())):
            path.write_text(text)
            path.chmod(0o600)
        return {"private_key": "spa.key", "port": SPA_PORT, "duration": "1h"}

    def accepts(self):
        """What the daemon says of its file; empty when it takes it."""
        done = subprocess.run(
            [str(BUILD / "posternd"), "-c", str(self.daemon.file), "--state-dir",
             str(self.folder / "no-state"), "--check"], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
        return "" if done.returncode == 0 else done.stdout.strip().splitlines()[-1]

    def start(self):
        self.daemon.start()
        return self

    def close(self):
        self.daemon.close()
        self.net.server.run("nft", "flush", "ruleset", check=False)
        shutil.rmtree(self.folder)

    # Packets

    def write(self, name, kind, *options):
        """Packets that bench-load makes, in a file."""
        path = self.folder / name
        run(program("bench-load"), "--server-key", openme.text(self.server_key.public),
            *options, "--write", path, kind)
        return path

    def introduce(self, pairs):
        """Lets the daemon know clients, by number, at addresses, without opening for these."""
        forger = Forger(self.net.client, self.address, KNOCK_PORT)
        pairs = list(pairs)
        for at in range(0, len(pairs), AT_ONCE):
            before, some = self.stats()["granted"], pairs[at:at + AT_ONCE]
            for number, source in some:
                target = f"203.0.{len(self.expected) // 256}.{len(self.expected) % 256}"
                self.expected.add(target)
                forger.send(openme.knock(client_key(number), self.server_key.public,
                                         target=target), source)
            known = eventually(lambda n=before + len(some): self.stats()["granted"] >= n, within=5)
            if not known:
                print("    not all could be introduced", flush=True)
        forger.close()

    # Looking

    def stats(self):
        return control.stats(self.daemon.control)

    def granted(self):
        text = self.net.server.run("nft", "-j", "list", "table", "inet", "postern")
        return granted_in(json.loads(text)["nftables"])

    def cpu(self):
        """Seconds of processor time by role so far."""
        return {role: sum(map(cpu_ns, pids)) / 1e9
                for role, pids in roles_of(self.daemon.living()).items()}

    def memory_kib(self):
        return proportional_kib(self.daemon.living())

    def _sockets(self, port):
        rows = [row.split() for name in ("udp", "udp6")
                for row in Path(f"/proc/{self.daemon.process.pid}/net/{name}").read_text()
                .splitlines()[1:]]
        return [row for row in rows if row[1].endswith(f":{port:04X}")]

    def drops(self, port=KNOCK_PORT):
        """Datagrams that the daemon's sockets had no room for."""
        return sum(int(row[-1]) for row in self._sockets(port))

    def unread(self, port=KNOCK_PORT):
        """Bytes that wait there."""
        return sum(int(row[4].split(":")[1], 16) for row in self._sockets(port))

    def load(self, kind, rate, seconds, *options, port=KNOCK_PORT):
        """bench-load, ready to begin."""
        return Load(self.net.client, kind, self.address, port, "--rate", rate, "--seconds", seconds,
                    "--server-key", openme.text(self.server_key.public), *options)


def known(net, folder, settings):
    """What the daemon says of these settings; empty when it knows them."""
    gate = Gate(net, Path(folder) / "known", settings)
    complaint = gate.accepts()
    gate.daemon.notices.close()
    shutil.rmtree(gate.folder)
    return complaint


class Load:
    """bench-load in a namespace; it makes its packets, and waits for begin()."""

    def __init__(self, space, kind, address, port, *options):
        self.process = space.popen(program("bench-load"), "--wait", *options, kind, address, port,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "bench-load did not start"

    def begin(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return time.monotonic()

    def result(self):
        """What it did, when it has ended."""
        return json.loads(self.process.communicate()[0])

    def close(self):
        self.process.kill()
        self.process.communicate()
