"""An OpenSPA server for the client under test: its own codec, and answers as a test wants them."""

import secrets
import socket
import threading
import time
from collections import namedtuple

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from openspa import REQUEST, REQUEST_BYTES, RESPONSE, RESPONSE_BYTES, seal

PKCS1 = rsa_padding.PKCS1v15()
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL

Request = namedtuple("Request", "time device nonce protocol first last method flags reserved "
                                "client server")


def new_key():
    return rsa.generate_private_key(65537, 2048)


def private_pem(key, passphrase=None, form=TRADITIONAL):
    lock = (serialization.BestAvailableEncryption(passphrase) if passphrase
            else serialization.NoEncryption())
    return key.private_bytes(serialization.Encoding.PEM, form, lock).decode()


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def open_request(packet, server, client):
    """The fields of a request; raises when seal, padding or signature do not fit."""
    assert len(packet) == REQUEST_BYTES and packet[:2] == b"\x10\x01", packet[:2]
    key = server.decrypt(packet[2:258], PKCS1)
    assert len(key) == 32
    aes = Cipher(algorithms.AES(key), modes.CBC(packet[258:274])).decryptor()
    unpad = padding.PKCS7(128).unpadder()
    plain = unpad.update(aes.update(packet[274:]) + aes.finalize()) + unpad.finalize()
    payload, signature = plain[:REQUEST.size], plain[REQUEST.size:]
    client.public_key().verify(signature, packet[:2] + payload, PKCS1, hashes.SHA256())
    return Request(*REQUEST.unpack(payload))


def response(signer, client, protocol=6, first=22, last=22, duration=60, when=0, nonce=None):
    """A response dated `when` seconds from now."""
    payload = RESPONSE.pack(int(time.time()) + when, nonce or secrets.token_bytes(3), protocol,
                            first, last, duration, 1, bytes(5))
    packet = seal(b"\x18\x01", payload, signer, client.public_key())
    assert len(packet) == RESPONSE_BYTES
    return packet


class Server:
    """Opens every request and sends what answer(request) gives: a list of packets, which may be
    interspersed with seconds to wait."""

    def __init__(self, key, client, answer=None, family=socket.AF_INET, address="127.0.0.1"):
        self.key, self.client = key, client
        self.answer = answer or self.grant
        self.requests = []
        self.wrong = []
        self.wire = socket.socket(family, socket.SOCK_DGRAM)
        self.wire.bind((address, 0))
        self.address, self.port = self.wire.getsockname()[:2]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def grant(self, request, **more):
        return [response(self.key, self.client, request.protocol, request.first, request.last,
                         **more)]

    def close(self):
        self.wire.sendto(b"end", (self.address, self.port))
        self.thread.join()
        self.wire.close()

    def _serve(self):
        while True:
            packet, source = self.wire.recvfrom(2000)
            if packet == b"end":
                return
            try:
                request = open_request(packet, self.key, self.client)
            except Exception as trouble:  # a test looks at them
                self.wrong.append(trouble)
                continue
            self.requests.append(request)
            threading.Thread(target=self._send, args=(request, source), daemon=True).start()

    def _send(self, request, source):
        for item in self.answer(request):
            if isinstance(item, (int, float)):
                time.sleep(item)
            elif self.wire.fileno() >= 0:
                self.wire.sendto(item, source)
