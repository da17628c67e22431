"""The files of tests/corpus in our hands: each is served, warned of or refused as its table says."""

import shutil
import tempfile
import unittest
import uuid
from pathlib import Path
from types import SimpleNamespace

import corpus
import openspa
import spa_tool
from netns import Namespace
from tool import CONFIG

WORDS = ("same", "better", "different")
VERDICTS = {"no_ports": "skipped"}  # in the words of the table
CONVERT = "`postern config convert`"  # what an error names as the remedy
LEAST = {"openme-server": 120, "openme-client": 40, "openspa": 30}


def texts(value):
    """What the table says of messages: one, several or none."""
    return [value] if isinstance(value, str) else value or []


class CorpusTest(unittest.TestCase):
    """`rows` is the table, `room` a copy of the files that belongs to their reader alone."""

    kind = None

    @classmethod
    def setUpClass(cls):
        cls.rows = corpus.table(cls.kind)
        folder = tempfile.TemporaryDirectory(prefix="postern-corpus-")
        cls.addClassCleanup(folder.cleanup)
        Path(folder.name).chmod(0o755)
        cls.space = Namespace(cls.kind.replace("-", ""))
        cls.addClassCleanup(cls.space.close)
        cls.room = Path(folder.name) / cls.kind
        shutil.copytree(corpus.CORPUS / cls.kind, cls.room)
        for file in cls.room.rglob("*"):
            file.chmod(0o755 if file.is_dir() or file.suffix == ".sh" else 0o600)

    def assert_table(self):
        """A row for each file, and each difference with its reason."""
        files = {file.name for file in (corpus.CORPUS / self.kind).iterdir() if file.is_file()}
        self.assertEqual(files, set(self.rows))
        self.assertGreaterEqual(len(self.rows), LEAST[self.kind])
        for name, row in self.rows.items():
            with self.subTest(name):
                self.assertIn(row["as"], WORDS)
                self.assertEqual(row["as"] != "same", bool(row.get("why")), "a reason is needed")
                if row["as"] == "same":
                    self.assertEqual(row.get("ours", row["original"]) == "refused",
                                     row["original"] == "refused")

    def each(self, check, ending=""):
        """check(file, row, what becomes of it) for every file with that ending."""
        for name, row in self.rows.items():
            if name.endswith(ending):
                with self.subTest(name):
                    check(self.room / name, row, row.get("ours", row["original"]))

    def assert_said(self, said, row):
        """All that the table tells of is said, with its place, and nothing else."""
        said = said.replace(f"{self.room}/", "")
        wanted = texts(row.get("says"))
        for text in wanted:
            self.assertIn(text, said)
        lines = [line for line in said.splitlines() if line.startswith("postern")]
        self.assertEqual(len(lines), len(wanted), said)


class OpenmeServerTest(CorpusTest):
    kind = "openme-server"

    def test_table(self):
        self.assert_table()

    def test_files(self):
        """In a namespace, where nothing else has left a rule to be warned of."""
        with self.space.entered():
            self.each(self.check)

    def check(self, file, row, ours):
        served = corpus.Served(file, [] if ours == "refused" else set(ours) - {"seconds"})
        self.assert_said(served.said, row)
        self.assertEqual(served.code, CONFIG if ours == "refused" else 0, served.said)
        if ours != "refused":
            self.assert_served(served, row, ours)
        elif CONVERT in served.said:
            self.check_converted(file, row.get("converted", row["original"]))

    def check_converted(self, file, wanted):
        """What the error promises: the file as `config convert` prints it is served."""
        refused = wanted == "refused"
        served = corpus.Served(corpus.converted(file), () if refused else set(wanted) - {"seconds"})
        self.assertEqual(served.code, CONFIG if refused else 0, served.said)
        if not refused:
            self.assert_gets(served, wanted)

    def assert_gets(self, served, ours):
        for client, gets in served.gets.items():
            self.assertEqual(self.value(gets), self.value(ours[client]), client)
        if served.seconds is not None:
            self.assertEqual(served.seconds, ours.get("seconds", 30))

    def assert_served(self, served, row, ours):
        self.assert_gets(served, ours)
        self.assertEqual(served.names(), set(row.get("names", served.gets)))
        self.assertIn(row.get("shows", "udp_port: 54154"), served.shown())

    @staticmethod
    def value(gets):
        return corpus.ports(gets) if "/" in gets else VERDICTS.get(gets, gets)


class OpenmeClientTest(CorpusTest):
    kind = "openme-client"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.wires = corpus.Wires(cls.space)
        cls.addClassCleanup(cls.wires.close)

    def test_table(self):
        self.assert_table()

    def test_files(self):
        self.each(self.check)

    def check(self, file, row, ours):
        knocked = corpus.Knocked(file, row.get("profile", "default"), self.wires)
        if ours == "refused":
            self.assert_said(knocked.said, row)
            self.assertNotEqual(knocked.code, 0, knocked.said)
            self.assertEqual(knocked.sent, set())
            if CONVERT in knocked.said:
                self.check_converted(file, row)
            return
        self.assert_profiles(corpus.profiles(file), row, ours)
        if ours["knock"] != "to a name":
            self.assert_said(knocked.said, row)
            self.assertEqual(knocked.sent, {ours["knock"]}, knocked.said)
            self.assertEqual(knocked.ports, {ours.get("port", corpus.KNOCK_PORTS[0])})

    def check_converted(self, file, row):
        wanted = row.get("converted", row["original"])
        knocked = corpus.Knocked(corpus.converted(file), row.get("profile", "default"), self.wires)
        if wanted == "refused":
            self.assertEqual(knocked.sent, set())
            return
        self.assertEqual(knocked.sent, {wanted["knock"]}, knocked.said)
        self.assertEqual(knocked.ports, {wanted.get("port", corpus.KNOCK_PORTS[0])})

    def assert_profiles(self, profiles, row, ours):
        self.assertEqual(set(profiles), set(row.get("names", ["default"])))
        name = row.get("profile", "default") or next(iter(profiles))
        self.assertEqual((profiles[name].get("post_knock") or "").rstrip("\n"), ours.get("post", ""))


class OpenspaTest(CorpusTest):
    kind = "openspa"

    @classmethod
    def setUpClass(cls):
        spa_tool.need_openspa()
        super().setUpClass()
        (cls.room / "es/not-executable").chmod(0o644)
        cls.desk = corpus.Desk(cls.space)

    def test_table(self):
        self.assert_table()

    def test_servers(self):
        server, device = spa_tool.captured_keys()
        self.request = openspa.request(
            SimpleNamespace(uuid=uuid.UUID(spa_tool.DEVICE), key=SimpleNamespace(private=device)),
            server.public_key(), openspa.TCP, 22, client=corpus.SOURCE, server=corpus.LOOPBACK)
        with self.space.entered():
            self.each(self.check_server, ".yaml")

    def check_server(self, file, row, ours):
        asked = corpus.Asked(file, self.request)
        self.assert_said(asked.said, row)
        self.assertEqual(asked.outcome(), ours, asked.said)
        if CONVERT in asked.said:
            converted = corpus.Asked(corpus.converted(file), self.request)
            self.assertEqual(converted.outcome(), row["original"], converted.said)

    def test_clients(self):
        self.each(self.check_client, ".ospa")

    def check_client(self, file, row, ours):
        code, said = self.desk.ask(file)
        self.assert_said(said, row)
        self.assertEqual("sent" if self.desk.asked else f"exit {code}", ours, said)
        if ours == "sent":
            self.assertEqual(self.desk.asked, [(row.get("port", 22211), spa_tool.DEVICE)])
