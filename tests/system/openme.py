"""openme v1 knocks, made from the text of the protocol and without any of Postern's code.

1 version, 32 ephemeral X25519, 12 AEAD nonce, 56 sealed, 64 Ed25519 signature: 165 bytes."""

import base64
import ipaddress
import os
import struct
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PACKET_BYTES = 165
SECOND = 1_000_000_000
INFO = b"openme-v1-chacha20poly1305"
RAW = serialization.Encoding.Raw
WILDCARD = bytes(16)


def public_bytes(private):
    return private.public_key().public_bytes(RAW, serialization.PublicFormat.Raw)


def private_bytes(private):
    return private.private_bytes(
        RAW, serialization.PrivateFormat.Raw, serialization.NoEncryption())


def text(data):
    return base64.b64encode(data).decode()


class ServerKey:
    def __init__(self):
        self.private = X25519PrivateKey.generate()
        self.secret = private_bytes(self.private)
        self.public = public_bytes(self.private)


class ClientKey:
    def __init__(self, seed=None):
        self.private = (Ed25519PrivateKey.from_private_bytes(seed) if seed
                        else Ed25519PrivateKey.generate())
        self.public = public_bytes(self.private)
        self.secret = private_bytes(self.private) + self.public


def target_bytes(target):
    """16 bytes: as they are, or from an address in text (IPv4 is mapped)."""
    if isinstance(target, bytes):
        return target
    address = ipaddress.ip_address(target)
    if address.version == 4:
        return bytes(10) + b"\xff\xff" + address.packed
    return address.packed


def now_ns():
    return time.time_ns()


def knock(client, server_public, timestamp=None, target=WILDCARD, nonce=None, version=1,
          tag=None):
    """A knock signed by `client` and sealed for `server_public`; `tag` makes the nonce of the seal, of
    the timestamp and the ephemeral key."""
    ephemeral = X25519PrivateKey.generate()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(server_public))
    key = HKDF(hashes.SHA256(), 32, salt=bytes(32), info=INFO).derive(shared)
    timestamp = now_ns() if timestamp is None else timestamp
    plain = struct.pack(">q", timestamp)
    plain += nonce or os.urandom(16)
    plain += target_bytes(target)
    aead_nonce = tag(timestamp, public_bytes(ephemeral)) if tag else os.urandom(12)
    packet = bytes([version]) + public_bytes(ephemeral) + aead_nonce
    packet += ChaCha20Poly1305(key).encrypt(aead_nonce, plain, None)
    packet += client.private.sign(packet)
    assert len(packet) == PACKET_BYTES
    return packet


def flipped(packet, bit):
    changed = bytearray(packet)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)
