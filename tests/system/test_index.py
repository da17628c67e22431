"""The index of clients: it spares the daemon, the guard and the tool their work, and never hides a
change."""

import ctypes
import json
import os
import subprocess
import time

import openme
from daemon import program
from netns import PATIENCE
from tool import CONFIG, FAILED
from world import LONG, WorldTest

MANY = 1001  # new keys, and the daemon makes an index by itself
SETTLED = 2.2  # seconds, after which a file is kept in it
WRITTEN = "the index of clients was written"
REFUSED = "the index of clients is not used"
CHANGED = "it was cut or changed"


class Opened:
    """How often a file is opened."""

    IN_OPEN, EVENT_BYTES = 0x20, 16

    def __init__(self, path):
        libc = ctypes.CDLL(None)
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self.descriptor, os.fsencode(path), self.IN_OPEN) > 0

    def __enter__(self):
        return self

    def times(self):
        try:
            return len(os.read(self.descriptor, 1024)) // self.EVENT_BYTES
        except BlockingIOError:
            return 0

    def __exit__(self, *_):
        os.close(self.descriptor)


class IndexTest(WorldTest):
    server_settings = {"knock_timeout": LONG}
    crowd = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.crowd = {f"client{i}": cls.client_entry(openme.ClientKey()) for i in range(MANY)}

    def begin(self, clients=None):
        """A daemon that has read its files, which are settled, with the index that is wanted of it."""
        self.start(self.configuration(clients))
        self.index = self.daemon.state / "clients.index"
        time.sleep(SETTLED)

    def written(self):
        return len(self.daemon.events(message=WRITTEN))

    def make(self, *words, check=True):
        return self.postern("index", "--state-dir", self.daemon.state, *words, check=check)

    def report(self):
        return json.loads(self.make("--json"))

    def damage(self):
        data = bytearray(self.index.read_bytes())
        data[len(data) // 2] ^= 1
        self.index.write_bytes(data)

    def check(self):
        return subprocess.run(self.daemon.command("--check"), text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE)

    def put_bob(self, revoked):
        """In a file of his own, with the same size and time as before."""
        path = self.daemon.folder / "clients.d/bob.yaml"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        before = path.stat() if path.exists() else None
        path.touch(mode=0o600)
        path.write_text(f"clients:\n  bob:\n    ed25519_pubkey: {openme.text(self.bob.public)}\n"
                        f"    revoked: {'yes' if revoked else 'no '}\n")
        if before:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            self.assertEqual((before.st_size, before.st_mtime_ns),
                             (path.stat().st_size, path.stat().st_mtime_ns))

    def test_the_daemon_makes_it_for_many(self):
        self.begin(self.crowd)
        self.assertFalse(self.index.exists(), "a file before the daemon's own")
        self.daemon.reload()
        self.assertEqual(self.written(), 1)
        self.assertEqual(self.index.stat().st_mode & 0o777, 0o600)
        for how in ("reload", "stop", "reload"):
            getattr(self.daemon, how)()
            if how == "stop":
                self.daemon.start()
            self.assertEqual(self.written(), 1, "made anew for nothing")
        self.assertEqual(self.daemon.events(message=REFUSED), [])
        self.knock()
        self.assert_opens()
        done = self.report()
        self.assertEqual((done["keys_vetted"], done["clients_parsed"]), (0, 0))

    def test_the_daemon_makes_none_for_few(self):
        self.begin()
        self.daemon.reload()
        self.assertFalse(self.index.exists())

    def test_a_first_start_stays_a_first_start(self):
        """The replay guard would refuse every knock for a while if it took the folder for used."""
        self.start(self.configuration(self.crowd),
                   prepare=lambda folder: (folder / "state").mkdir(mode=0o700))
        self.assertEqual(self.daemon.events(file="replay"), [])
        self.knock()
        self.assert_opens()

    def test_a_damaged_one_is_said_and_made_anew(self):
        self.begin()
        self.make()
        self.damage()
        self.assertIn(CHANGED, self.check().stderr)
        self.daemon.reload()
        refused = self.daemon.events(message=REFUSED)
        self.assertEqual(len(refused), 1)
        self.assertIn(CHANGED, refused[0]["why"])
        self.assertEqual(self.written(), 1)
        self.knock()
        self.assert_opens()
        self.daemon.reload()
        self.assertEqual(len(self.daemon.events(message=REFUSED)), 1)
        self.assertEqual(self.check().stderr, "")
        self.index.chmod(0o622)
        self.daemon.stop()
        self.daemon.start()
        self.assertIn("lets others write it", self.daemon.events(message=REFUSED)[-1]["why"])
        self.assertEqual(self.index.stat().st_mode & 0o777, 0o600)

    def test_the_guard_reads_it(self):
        self.begin()
        self.make()
        self.daemon.stop()
        self.damage()
        done = self.server.run(program("postern-guard"), "-c", self.daemon.file, "--state-dir",
                               self.daemon.state, check=False)
        self.assertIn(CHANGED, done)

    def test_a_revocation_in_place_is_seen(self):
        self.start(self.configuration({"bob": None}))
        self.put_bob(revoked=False)
        time.sleep(SETTLED)
        self.make()
        self.assertEqual(self.report()["clients_parsed"], 0)
        self.daemon.reload()
        self.knock(self.bob)
        self.assert_opens()
        self.put_bob(revoked=True)
        self.daemon.reload()
        self.assert_shut()

    def test_the_tool_revokes_past_it(self):
        self.begin()
        self.make()
        self.daemon.reload()
        self.knock()
        self.assert_opens()
        self.postern("revoke", "alice")
        self.assert_shut()

    def test_postern_index(self):
        self.begin(self.crowd)
        count = MANY + 3
        text = self.make()
        self.assertRegex(text, f"{count} clients, {count} of them parsed, {count} keys vetted, ")
        self.assertRegex(self.make(), f"{count} clients, 0 of them parsed, 0 keys vetted, ")
        done = self.report()
        self.assertEqual(done["index"], str(self.index))
        self.assertEqual(done["clients"], count)
        self.assertEqual(self.make("--quiet"), "")
        self.damage()
        bad = self.tool()
        self.assertIn(f"{CHANGED}; made anew", bad.stderr)
        self.assertEqual(bad.returncode, 0)

    def tool(self, *words):
        return subprocess.run(
            [program("postern"), "--config", self.daemon.file, "index", "--state-dir",
             self.daemon.state, *words], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=PATIENCE)

    def test_postern_index_that_cannot_be(self):
        self.begin()
        self.make()
        before = self.index.read_bytes()
        fresh = self.daemon.folder / "fresh"
        fresh.mkdir(mode=0o700)
        for folder in (fresh, fresh / "none"):
            done = self.tool("--state-dir", folder)
            self.assertEqual(done.returncode, FAILED)
            self.assertIn("start posternd first", done.stderr)
        self.assertEqual(os.listdir(fresh), [])
        self.daemon.configure(self.configuration({"alice": {"ed25519_pubkey": "AAAA"}}))
        done = self.tool()
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("clients.alice.ed25519_pubkey", done.stderr)
        self.assertEqual(self.index.read_bytes(), before)

    def test_the_tool_reads_the_usual_one(self):
        """In /var/lib/postern, here of a mount namespace of its own."""
        self.begin()
        self.make()
        lib = self.daemon.folder / "lib"
        lib.mkdir(mode=0o755)
        self.daemon.state.rename(lib / "postern")
        index = lib / "postern/clients.index"
        in_its_place = ["unshare", "--mount", "sh", "-ec",
                        f'mount --bind {lib} /var/lib; exec "$@"', "-", program("postern"),
                        "--config", self.daemon.file]
        listed = subprocess.run([*in_its_place, "list"], stdout=subprocess.PIPE, timeout=PATIENCE)
        for words in (["list"], ["config", "check"], ["revoke", "--no-reload", "bob"],
                      ["add", "--no-reload", "eve"]):
            with self.subTest(words=words), Opened(index) as opened:
                subprocess.run([*in_its_place, *words], check=True, timeout=PATIENCE,
                               stdout=subprocess.DEVNULL)
                self.assertGreater(opened.times(), 0)
        index.write_bytes(b"nothing")
        self.assertIn(b"eve", subprocess.run(
            [*in_its_place, "list"], check=True, stdout=subprocess.PIPE, timeout=PATIENCE).stdout)
        self.assertEqual(listed.stdout.count(b"never"), 3)
        (lib / "postern").rename(self.daemon.state)
