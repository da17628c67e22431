"""openme v1 knocks with a lookup hint, made from the text of the protocol and without any of Postern's
code."""

import hashlib
import hmac
import os
import struct

import openme
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CURVE = 2**255 - 19
DAY = 86_400 * openme.SECOND


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
