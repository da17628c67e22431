"""Stock clients, which give no hint, at addresses that are new for them: in networks where they were
seen before, also by a daemon that has ended since, and out of nowhere.

By hand, the whole of a morning (100 clients to a network; then all of them in 8 networks):
POSTERN_MORNING='10000 100 600' tests/run.py MorningTest
POSTERN_MORNING='10000 1250 600' tests/run.py MorningTest
POSTERN_NOWHERE='1000 60' tests/run.py NowhereTest
With POSTERN_RESULTS=FILE what was measured is added to that file."""

import json
import os
import threading
import time
from pathlib import Path

import openme
from crowd import ClientsInFile, client_key, client_name, public_keys
from daemon import Daemon
from flood import Flood, Forger, hurry
from netns import eventually
from world import KNOCK_PORT, WorldTest

# Clients, how many of them to a network, and the seconds in which all of them come.
COUNT, TO_A_NETWORK, SPAN = map(int, os.environ.get("POSTERN_MORNING", "400 100 20").split())
NOWHERE_COUNT, NOWHERE_SPAN = map(int, os.environ.get("POSTERN_NOWHERE", "100 6").split())
TIME_LIMIT = 300 + 3 * SPAN + 3 * NOWHERE_SPAN + COUNT // 5
JUNK = 100        # a second: sealed, signed by nobody, each from a source of its own
BATCH = 200       # clients that one configuration has on the days before
FORGOTTEN = 3     # seconds, after which their places in the replay guard are free for the next ones
HOSTS = 120       # of a network, on one day
LOOK = 0.005      # seconds between two looks at the log
KEPT_LINES = 50   # a second that the log has of those who are let in


class Log:
    """When the log names each client that was let in."""

    def __init__(self, path):
        self.path, self.seen = path, {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        with open(self.path, encoding="utf-8") as log:
            log.seek(0, os.SEEK_END)
            rest = ""
            while not self.over.is_set():
                rest += log.read()
                *lines, rest = rest.split("\n")
                now = time.monotonic()
                for line in map(json.loads, lines):
                    if line.get("verdict") == "granted":
                        self.seen.setdefault(line["client"], now)
                time.sleep(LOOK)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class CrowdTest(WorldTest):
    server_settings = {"knock_timeout": "600s", "client_quota": 8}

    def write(self, keys, **server):
        configuration = self.configuration(**server)
        del configuration["clients"]
        self.place.write(configuration, keys)

    def begin(self):
        self.daemon = Daemon(self.server, self.folder_of_daemon, self.place.file.read_text())
        self.daemon.start()
        hurry(self)

    def setUp(self):
        super().setUp()
        self.forger = Forger(self.client, self.address(4), KNOCK_PORT)
        self.addCleanup(self.forger.close)
        self.folder_of_daemon = self.folder / self.id().rsplit(".", 1)[1]
        self.folder_of_daemon.mkdir(mode=0o755)
        self.place = ClientsInFile(self.folder_of_daemon)

    def knock_of(self, number, source):
        self.forger.send(openme.knock(client_key(number), self.server_key.public), source)

    @staticmethod
    def processor_time(pid):
        """In seconds."""
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9

    def junk(self):
        stranger = openme.ClientKey()
        return [openme.knock(stranger, self.server_key.public)[:101] + os.urandom(63) + b"\0"
                for _ in range(200)]

    def tell(self, what):
        """In the file POSTERN_RESULTS, for whoever wants the figures."""
        print(what)
        if "POSTERN_RESULTS" in os.environ:
            with open(os.environ["POSTERN_RESULTS"], "a", encoding="utf-8") as results:
                print(f"{self.id()}: {what}", file=results)

    def all_come(self, sources, span):
        """One after the other; who was let in, and after how long."""
        came, pause = {}, max(span / len(sources), 1 / KEPT_LINES)
        with Log(self.daemon.log_path) as log:
            due = time.monotonic()
            for number, source in enumerate(sources):
                came[client_name(number)] = time.monotonic()
                self.knock_of(number, source)
                due += pause
                time.sleep(max(0, due - time.monotonic()))
            eventually(lambda: len(log.seen) >= len(came))
        waits = sorted(log.seen[name] - at for name, at in came.items() if name in log.seen)
        self.tell(f"{len(waits)} of {len(came)} let in within {span} s; waited "
                  f"{1000 * waits[len(waits) // 2]:.1f} ms (half), "
                  f"{1000 * waits[len(waits) * 99 // 100]:.1f} ms (99 of 100), "
                  f"{1000 * waits[-1]:.1f} ms (all)")
        return {name: came[name] for name in came if name not in log.seen}


class MorningTest(CrowdTest):
    def source_of(self, number, day):
        """Another host of the same network each day."""
        network, place = divmod(number, TO_A_NETWORK)
        return f"198.18.{network}.{1 + HOSTS * (day % 2) + place % HOSTS}"

    def yesterday(self, keys):
        """All of them are let in once, found among the few that each configuration has."""
        served = 0
        for first in range(0, COUNT, BATCH):
            some = [*range(first, min(first + BATCH, COUNT))]
            began = time.monotonic()
            self.write([keys[number] for number in some], replay_window=f"{FORGOTTEN}s")
            if self.daemon is None:
                self.begin()
            else:
                self.daemon.reload()
            for number in some:
                self.knock_of(number, self.source_of(number, 0))
                served += 1
                if served % 4 == 0:
                    self.assertTrue(eventually(lambda s=served: self.counted("granted") >= s))
            time.sleep(max(0, began + FORGOTTEN + 1 - time.monotonic()))
        self.assertTrue(eventually(lambda: self.counted("granted") >= served))

    def test_all_are_let_in(self):
        keys = public_keys(COUNT)
        self.yesterday(keys)
        self.write(keys)
        self.daemon.reload()
        self.daemon.kill()  # what it knew of addresses is gone; of networks it is not
        self.daemon.start()
        hurry(self)
        nowhere = [f"203.{i // 250}.{i % 250}.9" for i in range(50000)]
        with Flood(self.forger, self.junk(), nowhere, JUNK) as flood:
            missing = self.all_come([self.source_of(i, 1) for i in range(COUNT)], SPAN)
        cpu = sum(self.processor_time(self.daemon.roles()[role]) for role in ("doorman", "keeper"))
        self.tell(f"{flood.sent} packets of junk meanwhile; doorman and keeper ran {cpu:.1f} s")
        self.assertEqual(missing, {})
        self.assertGreater(self.counted("busy") + self.counted("unknown_signer"), 0)


class NowhereTest(CrowdTest):
    def test_all_are_let_in(self):
        """Nobody was there before: each is searched for among all."""
        self.write(public_keys(NOWHERE_COUNT))
        self.begin()
        missing = self.all_come([f"198.{18 + i // 250}.{i % 250}.7" for i in range(NOWHERE_COUNT)],
                                NOWHERE_SPAN)
        self.assertEqual(missing, {})


class NetworksFileTest(CrowdTest):
    """The file that knows the networks, as somebody else has left it."""

    WARNING = "the file of the networks that clients knock from is not sound"

    def setUp(self):
        super().setUp()
        self.start()
        self.file = self.daemon.state / "networks"

    def is_let_in(self, source):
        before = self.counted("granted")
        self.forger.send(openme.knock(self.alice, self.server_key.public), source)
        self.assertTrue(eventually(lambda: self.counted("granted") > before))

    def assert_begun_anew(self, change):
        self.is_let_in("198.18.0.1")
        self.daemon.stop()
        before = len(self.daemon.events(message=self.WARNING))
        change()
        self.daemon.start()
        self.assertEqual(len(self.daemon.events(message=self.WARNING)), before + 1)
        self.is_let_in("198.18.0.2")
        status = self.file.stat()
        self.assertEqual((status.st_mode & 0o7777, status.st_uid), (0o600, 0))

    def flip(self, byte):
        whole = bytearray(self.file.read_bytes())
        whole[byte] ^= 4
        self.file.write_bytes(whole)

    def test_truncated(self):
        whole = self.file.read_bytes()
        for size in (1, 39, 4096, len(whole) - 1):
            with self.subTest(size=size):
                self.assert_begun_anew(lambda s=size: self.file.write_bytes(whole[:s]))

    def test_flipped(self):
        for byte in (0, 8, 20, 33):
            with self.subTest(byte=byte):
                self.assert_begun_anew(lambda b=byte: self.flip(b))

    def test_foreign(self):
        self.assert_begun_anew(lambda: self.file.write_bytes(os.urandom(600_000)))
        self.assert_begun_anew(lambda: self.file.write_bytes(b"keep out\n"))

    def test_any_pairs(self):
        """What stands in it is never more than a hint at whose key to try."""
        self.is_let_in("198.18.0.1")
        self.daemon.stop()
        whole = self.file.read_bytes()
        self.file.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
        self.daemon.start()
        self.is_let_in("198.18.0.2")
        self.assertEqual(self.daemon.events(message=self.WARNING), [])

    def assert_kept_in_memory(self, change):
        self.daemon.stop()
        self.file.unlink()
        change()
        self.daemon.start()
        self.assertTrue(self.daemon.events(
            message="cannot use the file of the networks that clients knock from"))
        self.is_let_in("198.18.0.3")

    def test_others_could_write_it(self):
        self.assert_kept_in_memory(lambda: (self.file.touch(), self.file.chmod(0o666)))

    def test_not_a_file(self):
        self.assert_kept_in_memory(self.file.mkdir)

    def test_of_another_name(self):
        self.assert_kept_in_memory(lambda: self.file.symlink_to("/etc/hosts"))
