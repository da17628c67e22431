#!/usr/bin/python3
"""openspa_interop.py PEER VECTORS: our library against a codec written here, both ways.

This side knows the format from the protocol document alone and has RSA and AES from
python3-cryptography. PEER is openspa_peer.
"""
import json
import os
import pathlib
import secrets
import struct
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PEER, VECTORS = sys.argv[1:]
RUNNER = os.environ.get("MESON_EXE_WRAPPER", "").split()  # of programs for another processor
REQUEST = struct.Struct(">q16s3sBHHBBH16s16s")
RESPONSE = struct.Struct(">q3sBHHHB5s")
HEADERS = {REQUEST: b"\x10\x01", RESPONSE: b"\x18\x01"}
PROTOCOLS = {1: False, 4: False, 6: True, 17: True, 58: False}  # with ports?
PEM = serialization.Encoding.PEM
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def seal(form, values, signer, receiver, key=None, pad=True):
    payload = form.pack(*values)
    header = HEADERS[form]
    signature = signer.sign(header + payload, rsa_padding.PKCS1v15(), hashes.SHA256())
    key = secrets.token_bytes(32) if key is None else key
    iv = secrets.token_bytes(16)
    plain = payload + signature
    if pad:
        pkcs7 = padding.PKCS7(128).padder()
        plain = pkcs7.update(plain) + pkcs7.finalize()
    else:
        plain += bytes(-len(plain) % 16)
    aes = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    block = receiver.public_key().encrypt(key, rsa_padding.PKCS1v15())
    return header + block + iv + aes.update(plain) + aes.finalize()


def unseal(form, packet, signer, receiver):
    header, block, iv, body = packet[:2], packet[2:258], packet[258:274], packet[274:]
    assert header == HEADERS[form]
    key = receiver.decrypt(block, rsa_padding.PKCS1v15())
    assert len(key) == 32
    aes = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    pkcs7 = padding.PKCS7(128).unpadder()
    plain = pkcs7.update(aes.update(body) + aes.finalize()) + pkcs7.finalize()
    payload, signature = plain[:form.size], plain[form.size:]
    signer.public_key().verify(signature, header + payload, rsa_padding.PKCS1v15(), hashes.SHA256())
    return form.unpack(payload)


def peer(*words):
    words = [word if isinstance(word, (str, pathlib.Path)) else str(word) for word in words]
    return subprocess.run([*RUNNER, PEER, *words], check=True, capture_output=True, text=True).stdout.strip()


def some_ports(protocol):
    if not PROTOCOLS[protocol]:
        return 0, 0
    first = secrets.randbelow(65535) + 1
    return first, first + secrets.randbelow(65536 - first)


class Side:
    """A key pair, here and in files."""

    def __init__(self, folder, name, key=None):
        self.key = key or rsa.generate_private_key(65537, 2048)
        self.private = folder / name
        self.public = folder / (name + ".pub")
        self.private.write_bytes(self.pem())
        self.public.write_bytes(self.key.public_key().public_bytes(PEM, SPKI))

    def pem(self, form=serialization.PrivateFormat.TraditionalOpenSSL, passphrase=None):
        lock = (serialization.BestAvailableEncryption(passphrase) if passphrase
                else serialization.NoEncryption())
        return self.key.private_bytes(PEM, form, lock)


def check_requests(client, server):
    for protocol in PROTOCOLS:
        for nat in (0, 1):
            first, last = some_ports(protocol)
            device, nonce, mine, theirs = map(secrets.token_bytes, (16, 3, 16, 16))
            when = struct.unpack(">q", secrets.token_bytes(8))[0]
            values = (when, device, nonce, protocol, first, last, 1, 0x80 * nat, 0, mine, theirs)
            words = [str(when), device.hex(), nonce.hex(), protocol, first, last, nat, mine.hex(),
                     theirs.hex()]
            packet = bytes.fromhex(peer("request", client.private, server.public, *words))
            assert len(packet) == 610
            assert unseal(REQUEST, packet, client.key, server.key) == values
            packet = seal(REQUEST, values, client.key, server.key)
            got = peer("open-request", server.private, client.public, packet.hex())
            assert got == " ".join(map(str, words)), got


def check_responses(client, server):
    for protocol in PROTOCOLS:
        first, last = some_ports(protocol)
        nonce = secrets.token_bytes(3)
        when = struct.unpack(">q", secrets.token_bytes(8))[0]
        duration = secrets.randbelow(65535) + 1
        values = (when, nonce, protocol, first, last, duration, 1, bytes(5))
        words = [when, nonce.hex(), protocol, first, last, duration]
        packet = bytes.fromhex(peer("response", server.private, client.public, *words))
        assert len(packet) == 562
        assert unseal(RESPONSE, packet, server.key, client.key) == values
        packet = seal(RESPONSE, values, server.key, client.key)
        got = peer("open-response", client.private, server.public, packet.hex())
        assert got == " ".join(map(str, words)), got


def check_refusals(client, server, other):
    def opened(packet, signer=client):
        return peer("open-request", server.private, signer.public, packet.hex())

    def answered(packet):
        return peer("open-response", client.private, server.public, packet.hex())

    fine = (1, bytes(16), bytes(3), 6, 22, 22, 1, 0, 0, bytes(16), bytes(16))
    reply = (1, bytes(3), 6, 22, 22, 60, 1, bytes(5))
    refused = "refused: packet"
    assert opened(seal(REQUEST, fine, client.key, server.key)).startswith("1 ")
    assert opened(seal(REQUEST, fine, client.key, server.key), other) == refused
    assert opened(seal(REQUEST, fine, client.key, other.key)) == refused
    assert opened(seal(REQUEST, fine, client.key, server.key, pad=False)) == refused
    for size in (16, 24):  # AES keys, but not of 32 bytes
        packet = seal(REQUEST, fine, client.key, server.key, key=secrets.token_bytes(size))
        assert opened(packet) == refused
    assert answered(seal(RESPONSE, reply, server.key, client.key)).startswith("1 ")
    assert answered(seal(RESPONSE, reply, other.key, client.key)) == refused
    for at, value in ((2, 7), (3, 0), (4, 21), (5, 0), (6, 2), (7, b"\0\0\0\0\1")):
        wrong = reply[:at] + (value,) + reply[at + 1:]
        assert answered(seal(RESPONSE, wrong, server.key, client.key)) == refused, wrong


def check_captures(folder):
    for i, vector in enumerate(json.loads(pathlib.Path(VECTORS).read_text())["vectors"]):
        client, server = (Side(folder, f"{who}-{i}", serialization.load_pem_private_key(
            vector[f"{who}_private_key_pem"].encode(), None)) for who in ("client", "server"))
        payload = bytes.fromhex(vector["signed_payload"])
        assert unseal(REQUEST, bytes.fromhex(vector["request"]), client.key, server.key) == \
            REQUEST.unpack(payload)
        got = peer("open-request", server.private, client.public, vector["request"])
        assert int(got.split()[0]) == REQUEST.unpack(payload)[0]
        got = peer("open-response", client.private, server.public, vector["response"])
        assert got.split()[-1] == str(vector["duration_s"])
        again = peer("response", server.private, client.public, *got.split())
        assert unseal(RESPONSE, bytes.fromhex(again), server.key, client.key) == \
            RESPONSE.unpack(bytes.fromhex(vector["response_payload"]))


def check_keys(folder, client, server):
    """That a key was read as what it is shows in the request that it opens."""
    values = (1, bytes(16), bytes(3), 6, 22, 22, 1, 0, 0, bytes(16), bytes(16))
    packet = seal(REQUEST, values, client.key, server.key).hex()
    path = folder / "form"

    def opened(*passphrase):
        return peer("open-request", path, client.public, packet, *passphrase)

    for form in (serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8):
        path.write_bytes(server.pem(form))
        assert opened().startswith("1 ")
        path.write_bytes(server.pem(form, b"sesame"))
        assert opened("sesame").startswith("1 ")
        assert "no passphrase" in opened()
        assert "with this passphrase" in opened("Sesame")
    for bits, exponent in ((1024, 65537), (2048, 3), (3072, 65537)):
        odd = Side(folder, "form", rsa.generate_private_key(exponent, bits))
        assert opened().startswith("refused: key")
        assert peer("open-request", server.private, odd.public, packet).startswith("refused: key")


with tempfile.TemporaryDirectory() as name:
    place = pathlib.Path(name)
    os.chmod(place, 0o700)
    alice, gate, mallory = (Side(place, who) for who in ("alice", "gate", "mallory"))
    check_requests(alice, gate)
    check_responses(alice, gate)
    check_refusals(alice, gate, mallory)
    check_captures(place)
    check_keys(place, alice, gate)
