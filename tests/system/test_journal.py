"""Under systemd events go to the journal with their fields, from closed sandboxes too."""

import re
import socket
from pathlib import Path

from netns import eventually
from world import WorldTest

# In the daemon's own mount namespace: a journal of ours, and standard error as systemd gives it.
WITH_JOURNAL = ("mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/journal; "
                'mount --bind "$1" /run/systemd/journal; shift; '
                "export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2); exec \"$@\"")
GRANT = "77f084fb1efc425bb4e1c7bba38542c5"


class JournalTest(WorldTest):
    def start_with_journal(self):
        self.start()
        self.daemon.stop()
        self.daemon.log_path.unlink()
        self.folder_of_journal = self.daemon.folder / "journal"
        self.folder_of_journal.mkdir()
        self.open_journal()
        command = self.daemon.command
        self.daemon.command = lambda *more: [
            "unshare", "--mount", "sh", "-euc", WITH_JOURNAL, "sh", self.folder_of_journal, *command(*more)]
        self.got = []
        self.daemon.start(log_format="text")

    def open_journal(self):
        path = self.folder_of_journal / "socket"
        path.unlink(missing_ok=True)
        self.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.journal.bind(str(path))
        path.chmod(0o666)
        self.addCleanup(self.journal.close)

    def entries(self, **fields):
        """All so far that have these fields; no value of ours has lines."""
        try:
            while True:
                text = self.journal.recv(8192).decode()
                self.got.append(dict(line.partition("=")[::2] for line in text.splitlines()))
        except BlockingIOError:
            pass
        return [entry for entry in self.got if fields.items() <= entry.items()]

    def awaited(self, **fields):
        found = eventually(lambda: self.entries(**fields))
        self.assertTrue(found, f"no {fields} among {self.got}")
        return found[-1]

    def test_fields(self):
        self.start_with_journal()
        self.awaited(POSTERN_EVENT="start", POSTERN_ROLE="main")
        self.knock()
        grant = self.awaited(POSTERN_EVENT="grant")
        self.assertEqual((grant["MESSAGE_ID"], grant["PRIORITY"]), (GRANT, "6"))
        self.assertEqual((grant["SYSLOG_IDENTIFIER"], grant["POSTERN_ROLE"]), ("posternd", "keeper"))
        self.assertEqual((grant["POSTERN_CLIENT"], grant["POSTERN_SOURCE"]),
                         ("alice", self.address(4, self.client)))
        self.assertIn("knock accepted verdict=granted source=", grant["MESSAGE"])
        self.assertNotIn("knock accepted", self.daemon.log_path.read_text())
        self.awaited(POSTERN_EVENT="grant-end", POSTERN_CLIENT="alice")

    def test_a_journal_that_goes_away(self):
        """Lines, until there is one again: for main at once, for the others with the next start."""
        self.start_with_journal()
        self.awaited(POSTERN_EVENT="start")
        self.journal.close()
        self.knock()
        self.assertTrue(eventually(lambda: re.search(
            r"(?m)^<6>keeper: knock accepted .* client=alice ", self.daemon.log_path.read_text())))
        self.open_journal()
        self.daemon.reload()
        self.awaited(POSTERN_EVENT="config", POSTERN_ROLE="main")

    def test_a_journal_that_hangs(self):
        """Nobody reads it: knocks are served."""
        self.start_with_journal()
        for _ in range(200):
            self.knock(self.bob, target="198.51.100.1")
            self.knock(self.marker, timestamp=1)
        # Of one source a few may wait at once: behind so many a knock may be lost.
        self.assertTrue(eventually(lambda: self.knock() and self.reaches(timeout=0.05)))

    def test_what_may_use_it(self):
        """The roles' filters: one for the journal's descriptor, before that of calls."""
        self.start_with_journal()
        for role, pid in self.daemon.roles().items():
            status = Path(f"/proc/{pid}/status").read_text()
            filters = int(re.search(r"Seccomp_filters:\t(\d+)", status).group(1))
            own = int(re.search(r"Seccomp_filters:\t(\d+)",
                                Path("/proc/self/status").read_text()).group(1))
            self.assertEqual(filters - own, 1 if role == "main" else 2, role)
