"""The lookup hint, from the text of the protocol: it stands in the random nonce of a knock, and tells
the server whose it is."""

import hashlib
import hmac
import os
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from openme import SECOND

DAY = 86400 * SECOND


def _hmac(key, text):
    return hmac.digest(key, text, "sha256")


def key_of(client, server_public):
    """What client and server share, without a knock."""
    scalar = hashlib.sha512(client.secret[:32]).digest()[:32]
    shared = X25519PrivateKey.from_private_bytes(scalar).exchange(
        X25519PublicKey.from_public_bytes(server_public))
    info = b"postern-hint-v1" + server_public + client.public
    return HKDF(hashes.SHA256(), 32, salt=bytes(32), info=info).derive(shared)


def maker(client, server_public):
    """For openme.knock's `nonce`."""
    key = key_of(client, server_public)

    def nonce(timestamp, target, ephemeral):
        start = os.urandom(6) + _hmac(key, b"\x01" + struct.pack(">I", timestamp // DAY))[:4]
        covered = b"\x02" + struct.pack(">q", timestamp) + start + target + ephemeral
        return start + _hmac(key, covered)[:6]
    return nonce
