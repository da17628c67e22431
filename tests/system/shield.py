"""The shield's tag, made from the text of the protocol and without any of Postern's code."""

import functools
import hashlib
import hmac
import os
import struct

import openme
from openme import SECOND

EPOCH_S = 128
MASK = (1 << 64) - 1


def rotated(x, bits):
    return (x << bits | x >> (64 - bits)) & MASK


def rounds(v0, v1, v2, v3, count):
    for _ in range(count):
        v0, v2 = (v0 + v1) & MASK, (v2 + v3) & MASK
        v1, v3 = rotated(v1, 13) ^ v0, rotated(v3, 16) ^ v2
        v0 = rotated(v0, 32)
        v2, v0 = (v2 + v1) & MASK, (v0 + v3) & MASK
        v1, v3 = rotated(v1, 17) ^ v2, rotated(v3, 21) ^ v0
        v2 = rotated(v2, 32)
    return v0, v1, v2, v3


def siphash_2_4(key, data):
    k0, k1 = struct.unpack("<QQ", key)
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v0, v1, v2, v3 = rounds(v0, v1, v2, v3 ^ word, 2)
        v0 ^= word
    v0, v1, v2, v3 = rounds(v0, v1, v2 ^ 0xFF, v3, 4)
    return struct.pack("<Q", v0 ^ v1 ^ v2 ^ v3)


def nonce(key, timestamp, ephemeral, early_s=0):
    """The nonce of the seal, with the tag of that time, or of `early_s` before it."""
    epoch = (timestamp // SECOND - early_s) // EPOCH_S
    epoch_key = hmac.digest(key, b"postern-shield-v1" + struct.pack(">q", epoch), hashlib.sha256)
    random = os.urandom(4)
    return random + siphash_2_4(epoch_key[:16], b"\x01" + ephemeral + random)


def tagging(key, early_s=0):
    """For openme.knock(tag=...)."""
    return functools.partial(nonce, key, early_s=early_s)
