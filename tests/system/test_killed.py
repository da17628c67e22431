"""The tool is killed before each system call that can change a file, or runs on a full disk: what is
left then, and what the next run makes of it."""

import base64
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import openme
import spa_server
from daemon import program
from spa_tool import has_openspa
from tool import HOST, ToolTest

KILLED = 137
MOST_CALLS = 200
# There a file gets its name by a hidden one: what it is otherwise taken from is not to be had.
WITHOUT_PROC = ["unshare", "--mount", "sh", "-ec", 'mount -t tmpfs none /proc; exec "$@"', "-"]
HIDDEN = re.compile(r"\.postern-[0-9a-f]{16}")


def public_of(private):
    """The public half, as text, of a key in an openme profile."""
    return openme.text(openme.public_bytes(
        Ed25519PrivateKey.from_private_bytes(base64.b64decode(private)[:32])))


class Killing(ToolTest):
    def setUp(self):
        super().setUp()
        self.out = self.room / "out"

    def run_to(self, at, *words, before=(), **more):
        """The status of the tool, whose standard output is a file; `at` None: nobody kills it."""
        command = [program("postern"), "--config", self.config, "--control", self.control,
                   *map(str, words)]
        if at is not None:
            command = [program("tests/system/killed"), str(at), *command]
        with open(self.out, "w") as out:
            done = subprocess.run([*before, *command], stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.PIPE, text=True, timeout=60, **more)
        self.assertEqual(done.returncode == KILLED, "KILLED" in done.stderr, done.stderr)
        return done.returncode

    def names(self):
        """All but what standard output went to."""
        return {str(p.relative_to(self.room)) for p in self.room.rglob("*") if p != self.out}

    def hidden(self):
        return [n for n in self.names() if Path(n).name.startswith(".")]

    def begin_again(self):
        for path in self.room.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        for name, data in self.prepared.items():
            path = self.room / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o600)

    def prepare(self, *commands):
        for words in commands:
            self.tool(*words)
        self.prepared = {n: (self.room / n).read_bytes() for n in self.names()
                         if (self.room / n).is_file()}

    def sweep(self, *words, at_least, **more):
        """Kills it ever later, until it ends by itself; a step each."""
        for at in range(1, MOST_CALLS):
            self.begin_again()
            status = self.run_to(at, *words, **more)
            with self.subTest(at=at):
                yield status
            if status != KILLED:
                self.assertEqual(status, 0)
                self.assertGreaterEqual(at - 1, at_least)
                return
        self.fail("no end")

    def is_sound(self):
        subprocess.run([program("posternd"), "--check", "-c", self.config], check=True,
                       stdout=subprocess.DEVNULL)

    def profile_of(self, name):
        """What was printed belongs to the client that is registered by that name."""
        client = yaml.safe_load((self.room / f"server/clients.d/{name}.yaml").read_text())
        profile = yaml.safe_load(self.out.read_text())["profiles"]["default"]
        self.assertEqual(public_of(profile["private_key"]),
                         client["clients"][name]["ed25519_pubkey"])

    def nobody_without_a_key(self, name):
        """True: the client is there, and somebody has its key."""
        self.is_sound()
        if not (self.room / f"server/clients.d/{name}.yaml").exists():
            return False
        self.profile_of(name)
        return True


class KilledTest(Killing):

    def test_add(self):
        self.prepare(["init", "--server", HOST])
        for status in self.sweep("add", "bob", "--qr-out", self.room / "bob.png", at_least=8):
            self.assertEqual(self.hidden(), [])
            self.assertLessEqual(self.names(), {
                "server", "server/config.yaml", "server/clients.d", "server/clients.d/bob.yaml",
                "bob.png"})
            there = self.nobody_without_a_key("bob")
            if status == KILLED and not there:
                self.assertEqual(self.run_to(None, "add", "bob"), 0)
                self.profile_of("bob")

    def test_add_where_every_file_has_a_name(self):
        self.prepare(["init", "--server", HOST])
        left = 0
        for status in self.sweep("add", "bob", at_least=8, before=WITHOUT_PROC):
            for name in self.hidden():
                left += 1
                self.assertRegex(Path(name).name, HIDDEN)
            self.nobody_without_a_key("bob")
            if status == KILLED:
                self.assertEqual(self.run_to(None, "add", "carol"), 0)
                self.profile_of("carol")
                self.assertEqual(self.hidden(), [])
        self.assertGreater(left, 0, "no hidden file, so this shows nothing")

    def test_a_hidden_file_in_use_is_nobodys_leftover(self):
        self.prepare(["init", "--server", HOST], ["add", "alice"])
        folder = self.room / "server/clients.d"
        for name in (".postern-0123456789abcdef", ".postern-0123456789abcdeg", ".postern-012",
                     ".other"):
            (folder / name).touch()
        (folder / ".postern-1123456789abcdef").symlink_to(self.config)
        (folder / ".postern-2123456789abcdef").mkdir()
        used = subprocess.Popen(
            ["flock", "-x", folder / ".postern-3123456789abcdef", "sh", "-c", "echo; cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(used.communicate)
        used.stdout.readline()
        before = set(self.hidden())
        self.tool("add", "bob")
        self.assertEqual(before - set(self.hidden()),
                         {"server/clients.d/.postern-0123456789abcdef"})

    # --- init and revoke

    def test_init(self):
        self.prepare()
        for _ in self.sweep("init", "--server", HOST, at_least=4):
            self.assertLessEqual(self.names(), {"server", "server/config.yaml"})
            if self.config.exists():
                self.is_sound()

    def test_init_in_the_place_of_another(self):
        """Only a name can take another's place, so a hidden one is there for an instant."""
        self.prepare(["init", "--server", HOST])
        left = 0
        for status in self.sweep("init", "--server", HOST, "--force", at_least=4):
            self.is_sound()
            left += len(self.hidden())
            self.assertLessEqual(len(self.hidden()), 1)
            if status == KILLED:
                self.assertEqual(self.run_to(None, "init", "--server", HOST, "--force"), 0)
                self.assertEqual(self.hidden(), [])
        self.assertEqual(left, 1)

    def test_revoke(self):
        self.prepare(["init", "--server", HOST], ["add", "alice"])
        for _ in self.sweep("revoke", "alice", at_least=3):
            self.is_sound()
            self.assertEqual(self.hidden(), [])

    # --- OpenSPA

    def prepare_openspa(self):
        if not has_openspa():
            self.skipTest("built without OpenSPA")
        self.prepare()
        self.prepared["server.pub"] = spa_server.public_pem(spa_server.new_key()).encode()

    def is_a_pair(self, public, ospa):
        key = serialization.load_pem_private_key(
            yaml.safe_load(ospa.read_text())["privateKey"].encode(), None)
        self.assertEqual(public.read_text(), spa_server.public_pem(key))

    def test_gen_client(self):
        """No server gets to know a device whose key nobody has; what is not whole is told."""
        self.prepare_openspa()
        unfinished = 0
        for status in self.sweep("openspa", "gen-client", "--no-input", self.room / "server.pub",
                                 "-o", self.room, at_least=8):
            self.assertEqual(self.hidden(), [])
            folders = [p for p in self.room.iterdir() if p.is_dir()]
            for folder in folders:
                public, ospa = folder / f"{folder.name}.pub", folder / "client.ospa"
                self.assertLessEqual(set(folder.iterdir()), {public, ospa})
                if public.exists():
                    self.is_a_pair(public, ospa)
            done = self.run_tool("openspa", "gen-client", "--no-input", self.room / "server.pub",
                                 "-o", self.room)
            for folder in folders:
                whole = len(list(folder.iterdir())) == 2
                told = f"{folder} was not finished" in done.stderr
                self.assertTrue(told or whole, done.stderr)
                if status == 0:
                    self.assertFalse(told)
                    self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o700)
                unfinished += told
        self.assertGreaterEqual(unfinished, 3)

    def test_gen_client_for_a_server_at_hand(self):
        """With the server's folder of devices."""
        self.prepare_openspa()
        device = "8e29c98d-cb57-40a6-8e79-4e1a21bc54dd"
        key = spa_server.new_key()
        self.prepared["key"] = spa_server.private_pem(key).encode()
        self.prepared["devices.d/other.pub"] = b""
        public, ospa = self.room / f"devices.d/{device}.pub", self.room / "alice.ospa"
        alone = 0
        for status in self.sweep(
                "openspa", "gen-client", "--no-input", self.room / "server.pub", "--out", ospa,
                "--devices", self.room / "devices.d", "--client-device-id", device,
                "--private-key", self.room / "key", at_least=7):
            self.assertEqual(self.hidden(), [])
            self.assertLessEqual(self.names() - {*self.prepared, "devices.d"},
                                 {"alice.ospa", f"devices.d/{device}.pub"})
            if public.exists():
                self.is_a_pair(public, ospa)
            elif ospa.exists():
                alone += 1
                self.assertEqual(status, KILLED)
        self.assertGreater(alone, 0, "is what the manual page tells of")

    def test_gen_server_key(self):
        self.prepare_openspa()
        self.prepared = {}
        for _ in self.sweep("openspa", "gen-server-key", self.room, at_least=6):
            self.assertEqual(self.hidden(), [])
            self.assertLessEqual(self.names(), {"server.pub", "server.key"})


class FullDiskTest(Killing):
    """The room is a small file system of its own, filled but for so many pages."""

    def setUp(self):
        super().setUp()
        self.disk = Path(tempfile.mkdtemp(prefix="postern-disk-"))
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "none", self.disk],
                       check=True)
        self.addCleanup(self.disk.rmdir)
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)
        self.room = self.disk
        self.config = self.room / "server/config.yaml"

    def fill(self, pages):
        space = os.statvfs(self.room)
        (self.room / "filler").write_bytes(bytes(max(space.f_bavail - pages, 0) * space.f_frsize))

    def runs(self, *words):
        """The tool's status with ever more room; a step each. Until it has what it needs it fails, says
        why, and leaves nothing."""
        for before in ((), WITHOUT_PROC):
            failed = 0
            for pages in range(9):
                self.begin_again()
                self.fill(pages)
                with self.subTest(words=words, pages=pages, before=before):
                    status, said = self.run_printing(*words, before=before)
                    self.assertEqual(self.hidden(), [])
                    if status != 0:
                        failed += 1
                        self.assertIn("No space left", said)
                        self.assert_as_before()
                    yield status
            with self.subTest(words=words, before=before):
                self.assertIn(failed, range(1, 9))

    def run_printing(self, *words, before):
        with open(self.out, "w") as out:
            done = subprocess.run(
                [*before, program("postern"), "--config", self.config, "--control", self.control,
                 *map(str, words)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60)
        return done.returncode, done.stderr

    def assert_as_before(self):
        files = {n for n in self.names() if (self.room / n).is_file()}
        self.assertEqual(files, {*self.prepared, "filler"})
        for name, data in self.prepared.items():
            self.assertEqual((self.room / name).read_bytes(), data, name)

    def test_init(self):
        self.prepare()
        for status in self.runs("init", "--server", HOST):
            if status == 0:
                self.is_sound()

    def test_init_in_the_place_of_another(self):
        self.prepare(["init", "--server", HOST])
        for _ in self.runs("init", "--server", HOST, "--force"):
            self.is_sound()

    def test_add(self):
        """A client is there when its profile was printed, whole, to the same disk, and its picture is in
        place."""
        self.out = self.disk / "out"
        self.prepare(["init", "--server", HOST])
        for more in ((), ("--qr-out", self.room / "bob.png")):
            for status in self.runs("add", "bob", *more):
                if status == 0:
                    self.assertTrue(self.nobody_without_a_key("bob"))
                    self.assertTrue(not more or (self.room / "bob.png").read_bytes().endswith(
                        b"IEND\xaeB`\x82"))

    def test_revoke(self):
        """Somebody who cannot be revoked is not said to be."""
        self.prepare(["init", "--server", HOST], ["add", "alice"])
        for status in self.runs("revoke", "alice"):
            self.is_sound()
            listed = subprocess.run([program("postern"), "--config", self.config, "list"],
                                    stdout=subprocess.PIPE, text=True, check=True).stdout
            self.assertEqual("revoked" in listed, status == 0, listed)
