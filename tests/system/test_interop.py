"""Knocks with a lookup hint, and knocks without, at a server that understands hints and at one that
does not: all four are valid openme v1.

The server that knows of no hints is the reader below, made from the text of the protocol and without
any of Postern's code, which judges a datagram as the original does: size and version, X25519 and
HKDF, the seal, the clients' keys one after the other, and the age."""

import hashlib
import hmac
import os
import socket
import struct
import subprocess
import unittest

import openme
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from daemon import program
from module import main
from netns import eventually
from world import FAMILIES, LONG, WorldTest

CURVE = 2**255 - 19
DAY = 86_400 * openme.SECOND
SIZES = (1, 256, 257)


class Refused(Exception):
    pass


class StockServer:
    """Reads a datagram as a server that knows nothing but openme v1."""

    def __init__(self, key, clients, window=60 * openme.SECOND):
        self.key, self.clients, self.window = key, clients, window
        self.seen = set()

    def read(self, datagram):
        """Who knocks and for which address; Refused."""
        if len(datagram) != openme.PACKET_BYTES or datagram[0] != 1:
            raise Refused("size or version")
        shared = self.key.private.exchange(X25519PublicKey.from_public_bytes(datagram[1:33]))
        key = HKDF(hashes.SHA256(), 32, salt=bytes(32), info=openme.INFO).derive(shared)
        try:
            plain = ChaCha20Poly1305(key).decrypt(datagram[33:45], datagram[45:101], None)
        except InvalidTag as why:
            raise Refused("seal") from why
        stamp, nonce, target = struct.unpack(">q16s16s", plain)
        name = self.signer(datagram)
        if abs(openme.now_ns() - stamp) > self.window:
            raise Refused("age")
        if nonce in self.seen:
            raise Refused("replay")
        self.seen.add(nonce)
        return name, target, stamp, nonce

    def signer(self, datagram):
        for name, public in self.clients.items():
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(datagram[101:], datagram[:101])
                return name
            except InvalidSignature:
                pass
        raise Refused("signer")


# The hint, from the text of the protocol.

def to_x25519(public):
    """The Montgomery form of an Ed25519 key: (1 + y) / (1 - y)."""
    y = int.from_bytes(public, "little") & (2**255 - 1)
    return ((1 + y) * pow(1 - y, -1, CURVE) % CURVE).to_bytes(32, "little")


def hint_key(server, client_public):
    shared = server.private.exchange(X25519PublicKey.from_public_bytes(to_x25519(client_public)))
    return HKDF(hashes.SHA256(), 32, salt=bytes(32),
                info=b"postern-hint-v1" + server.public + client_public).derive(shared)


def client_hint_key(client, server_public):
    scalar = hashlib.sha512(openme.private_bytes(client.private)).digest()[:32]
    shared = X25519PrivateKey.from_private_bytes(scalar).exchange(
        X25519PublicKey.from_public_bytes(server_public))
    return HKDF(hashes.SHA256(), 32, salt=bytes(32),
                info=b"postern-hint-v1" + server_public + client.public).derive(shared)


def hint(key, stamp, target, ephemeral, random):
    day = struct.pack(">i", stamp // DAY)
    nonce = random + hmac.digest(key, b"\x01" + day, "sha256")[:4]
    return nonce + hmac.digest(
        key, b"\x02" + struct.pack(">q", stamp) + nonce + target + ephemeral, "sha256")[:6]


def hinted(client, server_public, stamp=None, target=openme.WILDCARD, spoil=None, signer=None):
    """A knock with a hint. `spoil` is a byte of the nonce to change, `signer` another one who signs
    it."""
    stamp = openme.now_ns() if stamp is None else stamp
    ephemeral = X25519PrivateKey.generate()
    public = openme.public_bytes(ephemeral)
    nonce = bytearray(hint(client_hint_key(client, server_public), stamp, target, public,
                           os.urandom(6)))
    if spoil is not None:
        nonce[spoil] ^= 1
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(server_public))
    key = HKDF(hashes.SHA256(), 32, salt=bytes(32), info=openme.INFO).derive(shared)
    aead_nonce = os.urandom(12)
    packet = b"\x01" + public + aead_nonce + ChaCha20Poly1305(key).encrypt(
        aead_nonce, struct.pack(">q", stamp) + bytes(nonce) + target, None)
    return packet + (signer or client).private.sign(packet)


class OurClientStockServer(unittest.TestCase):
    """Knocks of `postern knock`, caught on loopback."""

    def setUp(self):
        self.server_key, self.alice = openme.ServerKey(), openme.ClientKey()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(30)
        self.stock = StockServer(self.server_key, {"bob": openme.ClientKey().public,
                                                   "alice": self.alice.public})

    def knock(self, *words):
        profile = "\n".join(["profiles:", "  home:", "    server_host: 127.0.0.1",
                             f"    server_udp_port: {self.socket.getsockname()[1]}",
                             f"    server_pubkey: {openme.text(self.server_key.public)}",
                             f"    private_key: {openme.text(self.alice.secret)}",
                             f"    public_key: {openme.text(self.alice.public)}", ""])
        subprocess.run([program("postern"), "--client-config", "-", "knock", "home", *words],
                       input=profile, text=True, check=True, stdout=subprocess.DEVNULL)
        return self.socket.recv(1000)

    def test_is_read_by_a_server_that_knows_of_no_hints(self):
        for _ in range(20):
            self.assertEqual(self.stock.read(self.knock())[:2], ("alice", openme.WILDCARD))
        name, target, _, _ = self.stock.read(self.knock("--ip", "203.0.113.5"))
        self.assertEqual((name, target), ("alice", openme.target_bytes("203.0.113.5")))

    def test_hints_at_its_client_and_at_nobody_else(self):
        mine = hint_key(self.server_key, self.alice.public)
        self.assertEqual(mine, client_hint_key(self.alice, self.server_key.public))
        others = hint_key(self.server_key, openme.ClientKey().public)
        for words in ((), ("--ip", "203.0.113.5"), ("--ip", "2001:db8::7")):
            datagram = self.knock(*words)
            _, target, stamp, nonce = self.stock.read(datagram)
            self.assertEqual(nonce, hint(mine, stamp, target, datagram[1:33], nonce[:6]))
            self.assertNotEqual(nonce, hint(others, stamp, target, datagram[1:33], nonce[:6]))

    def test_looks_random(self):
        """No byte of the nonce, nor of anything else but the version, is the same twice too often."""
        nonces = [self.stock.read(self.knock())[3] for _ in range(40)]
        for place in (*range(6), *range(10, 16)):
            self.assertGreater(len({nonce[place] for nonce in nonces}), 20)


class OurServer(WorldTest):
    """Among many clients whose signatures nobody can try in passing: a closed trial queue would show
    a hint that is not understood; so does the count of signatures."""

    def crowd(self, count):
        return {f"c{i:05}": self.client_entry(openme.ClientKey()) for i in range(count - 3)}

    def wait_for_hints(self, count):
        self.assertTrue(eventually(lambda: self.daemon.events(
            message=f"ready for hints of {count} clients")), "the keys were not made")

    def test_takes_all_that_stock_clients_and_ours_send(self):
        for size in SIZES:
            clients = self.crowd(size) if size > 1 else {"bob": None, "marker": None}
            self.start(self.configuration(clients=clients, knock_timeout=LONG))
            self.wait_for_hints(size)
            for family in FAMILIES:
                granted = self.counted("granted")
                self.deliver(hinted(self.alice, self.server_key.public), family)
                self.knock(self.alice, family)
                self.assertTrue(eventually(
                    lambda g=granted: self.counted("granted") == g + 2), f"{size} clients")

    def test_a_hint_spares_the_search(self):
        """From addresses that nobody has knocked from: with its hint no key but the client's own is
        tried, so that not one is once none may be."""
        self.start(self.configuration(clients=self.crowd(256), knock_timeout=LONG))
        self.wait_for_hints(256)
        targets = [f"198.51.100.{i}" for i in range(1, 101)]
        for target in targets:
            self.deliver(hinted(self.alice, self.server_key.public,
                                target=openme.target_bytes(target)))
        self.assertTrue(eventually(lambda: self.counted("granted") == len(targets)))

    def test_a_hint_that_does_not_fit_is_no_hint(self):
        self.start(self.configuration(knock_timeout=LONG))
        self.wait_for_hints(3)
        for byte in range(16):
            granted = self.counted("granted")
            self.deliver(hinted(self.alice, self.server_key.public, spoil=byte))
            self.assertTrue(eventually(lambda g=granted: self.counted("granted") == g + 1), byte)

    def test_a_hint_opens_nothing(self):
        """Signed by nobody, by another client, or too old."""
        self.start(self.configuration(knock_timeout=LONG))
        self.wait_for_hints(3)
        stranger = openme.ClientKey()
        self.deliver(hinted(self.alice, self.server_key.public, signer=stranger))
        self.deliver(hinted(self.alice, self.server_key.public, signer=self.bob))
        self.assertTrue(eventually(lambda: self.counted("unknown_signer") == 2))
        self.deliver(hinted(self.alice, self.server_key.public, openme.now_ns() - DAY))
        self.assertTrue(eventually(lambda: self.counted("stale") == 1))
        self.assertEqual(self.counted("granted"), 0)

    def test_a_replay_stays_one(self):
        self.start(self.configuration(knock_timeout=LONG))
        self.wait_for_hints(3)
        packet = hinted(self.alice, self.server_key.public)
        for _ in range(10):
            self.deliver(packet)
        self.assertTrue(eventually(lambda: self.counted("replayed") == 9))
        self.assertEqual(self.counted("granted"), 1)

    def test_a_revoked_client_stays_revoked(self):
        self.start(self.configuration(clients={"alice": {"revoked": "true"}}))
        self.wait_for_hints(3)
        self.deliver(hinted(self.alice, self.server_key.public))
        self.assertTrue(eventually(lambda: self.counted("revoked") == 1))

    def test_a_reload_takes_new_clients_and_numbers_them_anew(self):
        self.start(self.configuration(clients=self.crowd(257), knock_timeout=LONG))
        self.wait_for_hints(257)
        carol = openme.ClientKey()
        self.deliver(hinted(carol, self.server_key.public))
        self.assertTrue(eventually(lambda: self.counted("unknown_signer") == 1))
        for round_ in range(3):
            folder = self.daemon.folder / "clients.d"
            folder.mkdir(exist_ok=True)
            newcomer = openme.ClientKey()
            (folder / f"a{round_}.yaml").write_text(
                f"clients:\n  a{round_}:\n    ed25519_pubkey: {openme.text(newcomer.public)}\n"
                "    allowed_ports: [default]\n")
            self.postern("reload")
            self.wait_for_hints(258 + round_)
            for who in (self.alice, newcomer):
                granted = self.counted("granted")
                self.deliver(hinted(who, self.server_key.public))
                self.assertTrue(eventually(lambda g=granted: self.counted("granted") == g + 1))


if __name__ == "__main__":
    main()
