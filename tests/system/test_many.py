"""The whole life of the daemon with few clients and with many: what works with 2 has to work with
256, 257 and 10,000, which take other ways through the C library and the kernel."""

import os
import uuid

import openme
from netns import PATIENCE, eventually
from spa_world import SpaWorldTest
from world import LONG

# More by hand: POSTERN_SIZES=100000 tests/run.py many
SIZES = tuple(map(int, os.environ.get("POSTERN_SIZES", "1 2 255 256 257 1000 10000").split()))

def strangers(count):
    """That many entries of clients who never knock."""
    return {f"client{i}": {"ed25519_pubkey": openme.text(openme.ClientKey().public),
                           "allowed_ports": ["default"]} for i in range(count)}

class ManyTest(SpaWorldTest):
    server_settings = {"knock_timeout": LONG}
    crowd = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.crowd = strangers(max(SIZES))

    def clients(self, count):
        """A configuration with that many, alice as the last of them by name."""
        configuration = self.configuration({"bob": None, "marker": None})
        people = dict(list(self.crowd.items())[:count - 1])
        people["zoe"] = configuration["clients"].pop("alice")
        configuration["clients"] = people
        return configuration

    def files_of(self, count):
        """Keys of that many devices; the one that asks has a key of its own."""
        other = self.laptop.key.public_pem()
        files = {f"devices.d/{uuid.UUID(int=i + 1)}.pub": other for i in range(count - 1)}
        return {"server.key": self.spa_key.private_pem(), **files,
                f"devices.d/{self.phone.uuid}.pub": self.phone.key.public_pem()}

    def test_clients_from_the_start(self):
        for count in SIZES:
            with self.subTest(clients=count):
                self.start(self.clients(count))
                self.knock()
                # Whose it is takes a trial of each client, on a processor that others use, too.
                self.assertTrue(eventually(self.reaches, within=PATIENCE + count / 1000))
                self.assertEqual(self.postern("list").count("never"), count)
                self.assertEqual(self.daemon.stop(), 0)

    def test_reloads_up_and_down(self):
        self.start(self.clients(3))
        for count in (257, 3, *SIZES, *reversed(SIZES)):
            with self.subTest(clients=count):
                self.daemon.configure(self.clients(count))
                self.daemon.reload()
                self.assertIsNone(self.daemon.process.poll(), "a reload ended the daemon")
                self.assertTrue(self.daemon.events(
                    message=f"reloaded: {count} clients, 0 devices"))
                self.knock()
                self.assert_opens()

    def test_devices(self):
        for count in SIZES:
            with self.subTest(devices=count):
                configuration = self.configuration(guard="all")
                configuration["openspa"] = self.settings(duration=LONG)
                self.start_with_files(configuration, self.files_of(count))
                self.assertIsNotNone(self.ask(self.request()), "no answer")
                self.assert_opens()
                self.daemon.reload()
                self.assertIsNone(self.daemon.process.poll(), "a reload ended the daemon")
                self.assertIsNotNone(self.ask(self.request()), "no answer after a reload")
                self.assertEqual(self.daemon.stop(), 0)
