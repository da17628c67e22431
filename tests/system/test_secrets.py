"""Where keys lie while the daemon runs: read from the memory of its processes.

The doorman holds the private keys in locked memory. Nobody else has them, and no copy is left
behind of what the configuration said, nor of a key that opened a seal."""

import os
import tempfile
import unittest
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import openme
import openspa
from daemon import Daemon
from memory import places
from netns import PATIENCE, eventually
from spa_world import PORT, SpaWorldTest

def of_rsa(key):
    """What gives an RSA key away, as numbers of both byte orders, and in its file."""
    numbers = key.private.private_numbers()
    found = {}
    for name, value, size in (("d", numbers.d, 256), ("p", numbers.p, 128), ("q", numbers.q, 128),
                              ("dp", numbers.dmp1, 128), ("dq", numbers.dmq1, 128)):
        found[f"{name}, big-endian"] = value.to_bytes(size, "big")
        found[f"{name}, little-endian"] = value.to_bytes(size, "little")
    lines = key.private_pem().splitlines()
    found["PEM"] = lines[len(lines) // 2].encode()
    return found


def seal_key(server, packet):
    """The key of a knock's seal, as the server finds it."""
    shared = server.private.exchange(X25519PublicKey.from_public_bytes(packet[1:33]))
    return HKDF(hashes.SHA256(), 32, salt=bytes(32), info=openme.INFO).derive(shared)


class SecretsTest(SpaWorldTest):
    def setUp(self):
        super().setUp()
        self.shields = {name: os.urandom(32) for name in ("shield_key", "shield_key_old")}
        self.server_settings = {name: openme.text(key) for name, key in self.shields.items()}

    def everything(self):
        return {"openme": self.server_key.secret, **self.shields,
                **{f"{name} in base64": openme.text(key).encode()
                   for name, key in self.shields.items()},
                "openme in base64": openme.text(self.server_key.secret).encode(),
                **of_rsa(self.spa_key)}

    def assert_kept(self):
        """The doorman has the keys, in locked memory alone; the others have none."""
        roles = self.daemon.roles()
        path = {"path": str(self.daemon.file).encode()}
        self.assertTrue(places(roles["main"], path), "the search is blind")
        self.assertIn("doorman", roles)
        for role, pid in roles.items():
            found = places(pid, self.everything())
            if role == "doorman":
                names = {name for name, _ in found}
                self.assertLessEqual({"openme", "p, little-endian", *self.shields}, names, "the search is blind")
                found = [place for place in found if not place[1].locked]
            self.assertEqual([(role, name, region.head) for name, region in found], [])

    def test_the_keys_of_the_server(self):
        self.serve()
        self.assert_kept()

    def test_without_memory_that_can_be_locked(self):
        """With sandbox: best the key may get to swap then, and is nowhere else; test_ladder has what
        is said."""
        nothing = ["setpriv", "--bounding-set=-ipc_lock", "prlimit", "--memlock=0:0"]
        daemon = Daemon(self.server, Path(tempfile.mkdtemp(dir=self.folder)),
                        self.configuration(sandbox="best"))
        command = daemon.command
        daemon.command = lambda *more: [*nothing, *command(*more)]
        self.daemon = daemon
        daemon.start()
        found = places(daemon.roles()["doorman"], {"openme": self.server_key.secret})
        self.assertTrue(found)
        self.assertFalse(any(region.locked for _, region in found))
        self.knock()
        self.assert_opens()

    def test_after_reloads(self):
        self.serve()
        for _ in range(3):
            self.daemon.reload()
        self.assert_kept()

    def test_after_a_configuration_that_is_refused(self):
        """A file that breaks off behind the key, or that has a wrong value."""
        self.serve()
        good = self.daemon.file.read_text()
        for bad in (good + "  : {\n", good.replace("knock_timeout: 2s", "knock_timeout: soon")):
            self.assertNotEqual(bad, good)
            self.daemon.file.write_text(bad)
            self.daemon.reload()
        self.assert_kept()

    def test_the_key_of_a_seal_goes_with_its_packet(self):
        """Granted or refused, guessed right or wrong: it is nowhere any more, locked or not."""
        self.serve()
        keys, stale = {}, openme.now_ns() - 3600 * openme.SECOND
        for number, (key, fields) in enumerate((
                (self.alice, {}), (self.bob, {}), (openme.ClientKey(), {}), (self.alice, {}),
                (self.bob, {"timestamp": stale}), (self.alice, {"target": "127.0.0.1"}))):
            packet = self.knock(key, **fields)
            keys[f"knock {number}"] = seal_key(self.server_key, packet)
        for name, fields in (("granted", {}), ("stale", {"timestamp": stale // openme.SECOND}),
                             ("stranger", {"device": openspa.Device()}),
                             ("forged", {"signer": self.laptop.key})):
            packet = self.request(**fields)
            keys[name] = openspa.unwrap(packet, self.spa_key.private)[1]
            self.client.send(packet, self.address(4), PORT)
        self.assertTrue(eventually(lambda: len(self.verdicts("unknown_signer")) >= 3))
        self.settle()
        self.assertEqual(len(self.verdicts("stale")), 2)
        for role, pid in self.daemon.roles().items():
            found = [(role, name, region.head) for name, region in places(pid, keys)]
            self.assertEqual(found, [])
        self.assert_kept()


if __name__ == "__main__":
    unittest.main()
