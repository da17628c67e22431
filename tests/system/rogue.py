"""A doorman that has been taken over, from the side of the tests: see rogue_doorman.c."""

import subprocess
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import openme
from daemon import Daemon, program
from netns import PATIENCE
from world import WorldTest

SOURCE = "10.77.1.2"
LONG = "120s"  # whatever was opened is still there when the test looks


class Rogue:
    """rogue_doorman, a line there and a line back."""

    def __init__(self, space, log, *arguments):
        self.log = open(log, "ab")
        self.process = space.popen(
            program("tests/system/rogue_doorman"), program("postern-keeper"), *arguments,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.fds = {name: 1 << bit for bit, name in
                    enumerate(self.process.stdout.readline().split())}
        rows = [row.split(",") for row in self.process.stdout.readline().split()]
        self.table = {row[0]: (row[1], row[2], int(row[3]), int(row[4])) for row in rows}

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        assert answer, f"no answer to {words[0]}"
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(PATIENCE)
        self.log.close()


class RogueWorld(WorldTest):
    """The real keeper, with a rogue doorman, and nobody else."""

    def setUp(self):
        super().setUp()
        self.daemon = Daemon(self.server, Path(tempfile.mkdtemp(dir=self.folder)),
                             self.configuration(knock_timeout=LONG))
        self.daemon.log_path.touch()

    def rogue(self, *arguments):
        found = Rogue(self.server, self.daemon.log_path, *arguments)
        self.addCleanup(found.close)
        return found

    def configured(self):
        rogue = self.rogue()
        answer = rogue("configure", self.daemon.file)
        self.assertEqual(answer[:2], ["configured", "0"])
        self.clients = answer[2:]
        self.generation = 1
        return rogue

    def index(self, name):
        return self.clients.index(name)

    def key_of(self, packet):
        """What a doorman that holds the server's secret finds."""
        shared = self.server_key.private.exchange(X25519PublicKey.from_public_bytes(packet[1:33]))
        return HKDF(hashes.SHA256(), 32, salt=bytes(32), info=openme.INFO).derive(shared)

    def say(self, rogue, packet, client="alice", source=SOURCE, key=None, guessed=0, size=None,
            generation=None, times=1):
        number = client if isinstance(client, int) else self.index(client)
        self.assertEqual(rogue(
            "knock", self.generation if generation is None else generation, number, guessed,
            len(packet) if size is None else size, openme.target_bytes(source).hex(),
            (key or self.key_of(packet)).hex(), packet.hex(), times), ["sent"])

    def fresh(self, key=None, **fields):
        return openme.knock(key or self.alice, self.server_key.public, **fields)

    def expect(self, rogue, *open_for):
        """Only these are open, once everything said has been dealt with."""
        self.assertEqual(rogue("settle")[0], "settled")
        self.assertEqual(self.granted(), set(open_for))
