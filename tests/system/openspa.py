"""An OpenSPA v1 client of our own making, from the protocol document alone and with RSA and AES of
python3-cryptography: it shares no code with the program under test."""

import secrets
import struct
import time
import uuid
from ipaddress import ip_address

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

REQUEST_BYTES, RESPONSE_BYTES = 610, 562
REQUEST = struct.Struct(">q16s3sBHHBBH16s16s")
RESPONSE = struct.Struct(">q3sBHHHB5s")
ICMP, IPV4, TCP, UDP, ICMPV6 = 1, 4, 6, 17, 58
PEM = serialization.Encoding.PEM


def address_bytes(text):
    address = ip_address(text)
    return bytes(10) + b"\xff\xff" + address.packed if address.version == 4 else address.packed


class Key:
    """An RSA pair in the forms that files want."""

    def __init__(self, bits=2048):
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        self.public = self.private.public_key()

    def private_pem(self):
        return self.private.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                          serialization.NoEncryption()).decode()

    def public_pem(self):
        return self.public.public_bytes(
            PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def private_operation_s(key):
    """Processor time of one, the shortest of some: others on the machine make it longer, never
    shorter."""
    def once():
        began = time.thread_time()
        key.private.sign(b"", rsa_padding.PKCS1v15(), hashes.SHA256())
        return time.thread_time() - began

    return min(once() for _ in range(20))


class Device:
    def __init__(self):
        self.key = Key()
        self.uuid = uuid.uuid4()


def sign(header, payload, signer):
    return payload + signer.sign(header + payload, rsa_padding.PKCS1v15(), hashes.SHA256())


def wrap(header, signed, receiver):
    """The envelope alone: `signed` may be anything."""
    key, iv = secrets.token_bytes(32), secrets.token_bytes(16)
    pad = padding.PKCS7(128).padder()
    plain = pad.update(signed) + pad.finalize()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return (header + receiver.encrypt(key, rsa_padding.PKCS1v15()) + iv +
            cipher.update(plain) + cipher.finalize())


def unwrap(packet, private):
    """What wrap() was given as `signed`, and the key of the envelope."""
    key = private.decrypt(packet[2:258], rsa_padding.PKCS1v15())
    cipher = Cipher(algorithms.AES(key), modes.CBC(packet[258:274])).decryptor()
    unpad = padding.PKCS7(128).unpadder()
    plain = cipher.update(packet[274:]) + cipher.finalize()
    return unpad.update(plain) + unpad.finalize(), key


def seal(header, payload, signer, receiver):
    return wrap(header, sign(header, payload, signer), receiver)


def request(device, server_public, protocol, first, last=None, client="10.0.0.1",
            server="0.0.0.0", timestamp=None, nat=False, signer=None):
    """The 610 bytes of a request; `signer` signs in the device's place."""
    payload = REQUEST.pack(int(time.time()) if timestamp is None else timestamp,
                           device.uuid.bytes, secrets.token_bytes(3), protocol, first,
                           first if last is None else last, 1, 0x80 if nat else 0, 0,
                           address_bytes(client), address_bytes(server))
    packet = seal(b"\x10\x01", payload, (signer or device.key).private, server_public)
    assert len(packet) == REQUEST_BYTES
    return packet


def open_response(packet, device, server_public):
    """What a response says, its signature verified: (time, protocol, first, last, seconds)."""
    assert len(packet) == RESPONSE_BYTES and packet[:2] == b"\x18\x01"
    plain, _ = unwrap(packet, device.key.private)
    payload, signature = plain[:RESPONSE.size], plain[RESPONSE.size:]
    server_public.verify(signature, packet[:2] + payload, rsa_padding.PKCS1v15(), hashes.SHA256())
    stamp, _, protocol, first, last, seconds, method, reserved = RESPONSE.unpack(payload)
    assert method == 1 and reserved == bytes(5)
    return stamp, protocol, first, last, seconds
