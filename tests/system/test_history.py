"""The audit log says who was let in, refused and shut out, and `postern history` reads it."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import hints
import openme
from daemon import name_of, program
from netns import eventually
from world import FAMILIES, LONG, SERVICE_PORT, SHORT, WorldTest

FILE_BYTES = 8 << 20  # AUDIT_FILE_BYTES
FILES = ["audit.log", "audit.log.1", "audit.log.2", "audit.log.3"]


class HistoryTest(WorldTest):
    def path(self, name="audit.log"):
        return self.daemon.folder / "state" / name

    def run_history(self, *words, prefix=()):
        return subprocess.run([*prefix, program("postern"), "history", "--state-dir",
                               self.path().parent, *words], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)

    def history(self, *words):
        done = self.run_history("--json", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def told(self, event, *words, **fields):
        """Waits for an entry with these fields: the last such."""
        def find():
            return [entry for entry in (self.history(*words) if self.path().exists() else [])
                    if entry["event"] == event and fields.items() <= entry.items()]
        found = eventually(find)
        self.assertTrue(found, f"no {event} with {fields}:\n{self.text()}")
        return found[-1]

    def text(self):
        return self.path().read_text() if self.path().exists() else "no file"

    def writer(self):
        """The process id of the one that writes."""
        main = self.daemon.process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return next((int(pid) for pid in children if name_of(pid) == "postern-audit"), None)

    def entries(self, event):
        return [entry for entry in self.history() if entry["event"] == event]

    def test_a_grant_and_its_end(self):
        self.start()
        for family in FAMILIES:
            address = self.address(family, self.client)
            self.knock(family=family)
            grant = self.told("grant", client="alice", address=address)
            self.assertEqual((grant["source"], grant["rule"]), (address, "openme"))
            self.assertIn(f"{SERVICE_PORT}/tcp", grant["ports"].split(","))
            self.assertGreater(grant["until"], grant["time"])
        for family in FAMILIES:
            self.told("grant-end", client="alice", address=self.address(family, self.client),
                      why="expired")

    def test_renewals_are_counted(self):
        self.start(self.configuration(knock_timeout=SHORT))
        self.grant_all([self.address(4, self.client)] * 5)
        self.assertEqual(self.told("grant-end", client="alice")["renewals"], 4)
        self.assertEqual(len([e for e in self.entries("grant") if e["client"] == "alice"]), 1)

    def test_a_refusal_says_why(self):
        self.start(self.configuration({"bob": {"expires": '"2020-01-01T00:00:00Z"'}}))
        source = self.address(4, self.client)
        packet = self.knock()
        self.told("grant", client="alice")
        self.knock(self.bob)
        self.knock(openme.ClientKey())  # a stranger, who has no name
        self.told("refusal", client="bob", verdict="expired", source=source)

        def replayed():  # the doorman drops a copy that comes within a second
            self.deliver(packet)
            return [e for e in self.entries("refusal") if e["verdict"] == "replayed"]
        entry = eventually(replayed)[0]
        self.assertEqual((entry["client"], entry["source"]), ("alice", source))
        self.assertGreater(entry["source_port"], 0)
        self.assertEqual({e["client"] for e in self.entries("refusal")}, {"alice", "bob"})

    def test_a_clock_that_is_off(self):
        """Whose a stale knock is, is known by its hint, or where the client has knocked from before."""
        self.start()
        stale = openme.now_ns() - 3600 * openme.SECOND
        self.grant_all(["203.0.113.1"])
        self.knock(timestamp=stale)
        self.told("refusal", client="alice", verdict="stale")
        self.assertTrue(eventually(lambda: self.daemon.events(
            message="ready for hints of 3 clients")))
        self.deliver(hints.hinted(self.bob, self.server_key.public, stamp=stale))
        self.told("refusal", client="bob", verdict="stale")

    def refused_stranger(self, verdict, family, **fields):
        """What is told of it, by its address alone, and in words."""
        source = self.address(family, self.client)
        entry = self.told("stranger", "--address", source, verdict=verdict, source=source, **fields)
        self.assertGreater(entry["source_port"], 0)
        words = " ".join(self.run_history("--address", source).stdout.decode().split())
        self.assertIn(f"refused a stranger from {source} by openme: {verdict}, ", words)
        return entry, words

    def test_strangers(self):
        """Whose key is not here, who knocks for another server, whose clock is off: by address."""
        self.start()
        self.knock(self.bob)  # the daemon is ready
        self.told("grant", client="bob")
        other_server = openme.public_bytes(X25519PrivateKey.generate())
        for family in FAMILIES:
            self.knock(openme.ClientKey(), family)
            _, words = self.refused_stranger("unknown_signer", family, rule="openme")
            self.assertIn("unknown_signer, nobody here has its key", words)
            self.deliver(openme.knock(self.alice, other_server), family)
            _, words = self.refused_stranger("bad_seal", family)
            self.assertIn("bad_seal, not made for this server's key", words)
        self.knock(timestamp=openme.now_ns() - 3600 * openme.SECOND, family=6)
        entry, words = self.refused_stranger("stale", 6)
        self.assertTrue(-3700 < entry["ahead"] <= -3600, entry)
        self.assertRegex(words, r"stale, its clock is 36\d\d s behind")
        self.assertEqual(self.history("alice"), [])  # nobody knows that it was her
        self.assertIn(b"--address ADDRESS", self.run_history("alice").stderr)
        self.assertNotIn("stranger", self.text())
        self.assertEqual(self.path("strangers.log").stat().st_mode & 0o777, 0o600)

    def test_strangers_and_others_stand_in_order(self):
        self.start()
        self.knock()
        self.told("grant", client="alice")
        self.daemon.stop()
        line = '{"time":"%s","event":"%s","source":"192.0.2.9","verdict":"busy"}\n'
        for name, years in (("audit.log", (2020, 2022, 2024)), ("strangers.log", (2021, 2023))):
            self.path(name).write_text("".join(
                line % (f"{year}-01-01T00:00:00Z", "refusal" if name == "audit.log" else "stranger")
                for year in years))
        with open(self.path("strangers.log"), "a") as file:  # the sum is shown
            for day in (1, 2, 3):
                file.write(f'{{"time":"2023-02-0{day}T00:00:00Z","event":"left-out","count":{day}}}\n')
        address = ("--address", "192.0.2.9")
        self.assertEqual([entry["time"][:4] for entry in self.history(*address)],
                         ["2020", "2021", "2022", "2023", "2023", "2023", "2023", "2024"])
        times = re.findall(r"(?m)^\d\S+ left out +6 |^\d{4}", self.run_history(*address).stdout.decode())
        self.assertEqual(times, ["2020", "2021", "2022", "2023",
                                 "2023-02-03T00:00:00Z left out 6 ", "2024"])

    def test_strangers_are_limited(self):
        """What they fill has bounds of its own, and costs nothing else a line."""
        self.start()
        self.told("start")
        for family in FAMILIES:
            for _ in range(30):
                self.deliver(openme.knock(self.alice, openme.public_bytes(X25519PrivateKey.generate())),
                             family)
        self.settle()
        self.assertTrue(eventually(lambda: self.counted("bad_seal") >= 50))
        self.assertEqual(self.daemon.stop(), 0)
        self.assertLessEqual(len(self.entries("stranger")), 2 * 3)
        left_out = self.path("strangers.log").read_text().count('"event":"left-out"')
        self.assertGreater(left_out, 0)
        self.assertGreaterEqual(sum(e["count"] for e in self.entries("left-out")), 50 - 2 * 3)
        self.assertNotIn("left-out", self.text())
        self.assertIn("refusals of strangers", self.run_history().stdout.decode())

    def test_refusals_are_limited(self):
        self.start(self.configuration({"bob": {"expires": '"2020-01-01T00:00:00Z"'}}))
        refused = self.counted("expired")
        for _ in range(60):
            self.knock(self.bob)
        self.settle()
        self.assertTrue(eventually(lambda: self.counted("expired") > refused + 10))
        self.told("left-out")
        self.assertLess(len(self.entries("refusal")), 10)

    def test_a_revocation_says_by_whom(self):
        self.start(self.configuration(knock_timeout=LONG))
        self.knock()
        self.told("grant", client="alice")
        self.postern("revoke", "alice")
        self.assertEqual(self.told("revoke", client="alice")["by"], "control")
        self.assertEqual(self.told("revoke", client="alice")["uid"], 0)
        self.told("grant-end", client="alice", why="revoked")
        self.assertTrue(self.daemon.events(event="revoke", client="alice"))

    def test_a_reload_says_what_it_changed(self):
        self.start(self.configuration(knock_timeout=LONG))
        carol = openme.ClientKey()
        self.knock(self.bob)
        self.told("grant", client="bob")
        self.daemon.configure(self.configuration(
            {"carol": self.client_entry(carol), "bob": None,
             "alice": {"expires": '"2099-01-01T00:00:00Z"'}}, knock_timeout="31s"))
        self.daemon.reload()
        change = self.told("config")
        self.assertEqual((change["added"], change["removed"], change["changed"]), (1, 1, 1))
        self.assertEqual(change["settings"], "server.knock_timeout")
        self.assertEqual((change["by"], change["uid"]), ("signal", 0))
        self.told("add", client="carol")
        self.told("remove", client="bob")
        self.told("change", client="alice", what="expires")
        self.told("grant-end", client="bob", why="removed")
        self.daemon.file.write_text("server: [")
        self.daemon.reload()
        self.told("config-refused", by="signal")

    def test_start_and_stop(self):
        self.start()
        self.told("start")
        self.knock()
        self.told("grant", client="alice")
        self.assertEqual(self.daemon.stop(), 0)
        stop = self.told("stop")  # without a daemon
        self.assertEqual((stop["why"], stop["by"], stop["uid"]), ("told to", "signal", 0))
        self.assertEqual(stop["rules"], "kept")

    def test_ends_with_the_daemon(self):
        self.start(self.configuration(knock_timeout=LONG, shutdown="remove"))
        self.knock()
        self.told("grant", client="alice")
        self.daemon.stop()
        self.told("grant-end", client="alice", why="stopped")
        self.assertEqual(self.told("stop")["rules"], "removed")

    def test_filters(self):
        self.start()
        self.knock()
        self.knock(self.bob, family=6)
        self.told("grant", client="alice")
        self.told("grant", client="bob")
        self.assertEqual({e["client"] for e in self.history("bob")}, {"bob"})
        six = self.address(6, self.client)
        self.assertEqual({e["client"] for e in self.history("--address", six)}, {"bob"})
        self.assertTrue(self.history("--since", "1h"))
        self.assertFalse(self.history("--until", "2020-01-01"))
        self.assertFalse(self.history("--since", "2020-01-01", "--until", "2020-01-02"))

    def test_for_people(self):
        """80 columns, whatever stands in the file."""
        self.start()
        self.knock(family=6)
        self.told("grant", client="alice")
        with open(self.path(), "a", encoding="latin-1") as file:
            file.write('{"time":"2026-01-01T00:00:00Z","event":"refusal","client":"a\\u001b[2Jb",'
                       '"source":"\\u000a2026-01-01T00:00:00Z let in mallory","verdict":"x"}\n'
                       '\x1b[2J\xff\n{"time":"2026-01-01T00:00:00Z"\n' + "x" * 5000 + "\n"
                       '{"time":"2026-01-01T00:00:00Z","event":"stop"')  # torn off
        done = self.run_history()
        self.assertEqual(done.returncode, 0)
        text = done.stdout.decode("ascii")
        self.assertNotIn("\x1b", text)
        for line in text.splitlines():
            self.assertLessEqual(len(line), 80)
            self.assertRegex(line, r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ | {30})")
        self.assertIn("alice at ", text)
        self.assertNotRegex(text, r"(?m)^2026-01-01T00:00:00Z let in")
        self.assertIn(b"4 lines of it are damaged", done.stderr)

    def test_who_may_read(self):
        self.start()
        self.told("start")
        self.assertEqual(self.path().stat().st_mode & 0o777, 0o600)
        done = self.run_history(
            prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
        self.assertEqual(done.returncode, 77, done)
        self.assertIn(b"sudo", done.stderr)

    def test_rotation(self):
        self.start()
        self.told("start")
        self.daemon.stop()
        line = self.text().splitlines()[0] + "\n"
        filling = line.replace('"start"', '"filling"')
        for name in FILES:
            self.path(name).write_text(filling * (FILE_BYTES // len(filling)))
        before = self.path().stat().st_ino
        self.daemon.start()
        self.assertTrue(eventually(lambda: self.path().exists() and
                                   self.path().stat().st_size < FILE_BYTES // 2))
        self.assertEqual(self.path("audit.log.1").stat().st_ino, before)
        self.assertFalse(self.path("audit.log.4").exists())
        self.assertTrue(eventually(lambda: '"event":"start"' in self.text()))
        self.assertEqual(self.history("--since", "1h")[-1]["event"], "start")

    def test_a_half_line(self):
        """As a kill -9 or a power cut leaves one."""
        self.start()
        self.told("start")
        self.daemon.kill()
        self.assertTrue(eventually(lambda: self.text().endswith("\n")))
        with open(self.path(), "a") as file:
            file.write('{"time":"2026-01-01T00')
        self.daemon.start()
        self.assertTrue(eventually(lambda: self.text().count('"event":"start"') == 2))
        self.assertEqual(len(self.entries("start")), 2)

    def test_kill_of_the_writer(self):
        self.start()
        self.told("start")
        writer = self.writer()
        self.daemon.done_by_us.append("killed by SIGKILL")
        os.kill(writer, signal.SIGKILL)
        self.assertTrue(eventually(lambda: self.daemon.events(event="audit-lost")))
        self.knock()
        self.told("grant", client="alice")
        self.assertNotIn(self.writer(), (None, writer))

    def crowd(self, number):
        return self.configuration({f"one{i}": self.client_entry(openme.ClientKey())
                                   for i in range(number)}, knock_timeout=LONG)

    def test_a_writer_that_hangs(self):
        """It holds up neither knocks nor reloads nor the end, and what was left out is told."""
        self.start(self.crowd(0))
        self.told("start")
        os.kill(self.writer(), signal.SIGSTOP)
        try:
            for i in range(12):  # a hundred lines each: more than waits for the writer
                self.daemon.configure(self.crowd(100 if i % 2 == 0 else 0))
                self.daemon.reload()
            self.knock()
            self.assert_opens()
        finally:
            os.kill(self.writer(), signal.SIGCONT)

        def told():
            self.daemon.reload()
            return self.entries("left-out")
        self.assertGreater(eventually(told)[0]["count"], 0)
        os.kill(self.writer(), signal.SIGSTOP)
        self.assertEqual(self.daemon.stop(), 0)

    def test_a_full_disk(self):
        """Knocks are served; the log says it once, and the file has whole lines alone."""
        def mount(folder):
            state = folder / "state"
            state.mkdir(mode=0o700)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", state],
                           check=True)

        try:
            self.start(prepare=mount)
            self.told("start")
            self.fill(self.path("filling"))
            for _ in range(60):  # more than its last page has room for
                self.daemon.reload()
            self.assertTrue(eventually(lambda: self.daemon.events(event="audit-lost")))
            self.knock()
            self.assert_opens()
            self.assertEqual(len(self.daemon.events(event="audit-lost")), 1)
            self.path("filling").unlink()
            self.daemon.reload()
            self.assertGreater(self.told("left-out")["count"], 0)
            self.assertFalse([line for line in self.text().splitlines()
                              if not re.fullmatch(r"\{.*\}", line)])
        finally:
            self.daemon.stop()
            subprocess.run(["umount", "-l", self.daemon.state], check=True)

    @staticmethod
    def fill(path):
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
