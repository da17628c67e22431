"""`--sessions-file`, or `--state-file` as openme calls it: the file that openme's server keeps."""

import ipaddress
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import openme
from daemon import Daemon, command_line, descendants, program
from netns import PATIENCE, eventually, run
from test_tool_daemon import Desk
from tool import ToolTest
from world import FAMILIES, KNOCK_PORT, LONG, SERVICE_PORT, SHORT, WorldTest

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
NOBODY = 12345
CAP_CHOWN, CAP_DAC_OVERRIDE = 0, 1


def read(path):
    """What stands there; None without it. It is never there in part."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def addresses(path):
    return {s["ip"] for s in (read(path) or {"active_sessions": []})["active_sessions"]}


class SessionsFileTest(WorldTest):
    server_settings = {"knock_timeout": LONG}

    def serve(self, option="--state-file", prepare=None, **settings):
        """`prepare` is given the file's folder, which is not there yet."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.file = folder / "run/sessions.json"
        if prepare:
            prepare(self.file.parent)
        self.daemon = Daemon(self.server, folder, self.configuration(**settings), option, self.file)
        self.daemon.start()

    def writer(self):
        """The process that keeps it."""
        self.assertTrue(eventually(lambda: read(self.file)), "it has not begun")
        return next(pid for pid in descendants(self.daemon.process.pid)
                    if b"--write" in command_line(pid).split(b"\0"))

    def assert_active(self, *expected):
        self.assertTrue(eventually(lambda: addresses(self.file) == set(expected)), read(self.file))

    def test_form(self):
        for option in ("--state-file", "--sessions-file"):
            self.serve(option=option)
            self.assertTrue(eventually(lambda: read(self.file)))
            self.assertEqual((read(self.file)["active_sessions"], read(self.file)["last_seen"]), ([], {}))
            for family in FAMILIES:
                self.knock(family=family)
            self.assert_active(*(self.address(f, self.client) for f in FAMILIES))
            state = read(self.file)
            self.assertEqual(list(state), ["updated_at", "active_sessions", "last_seen"])
            self.assertEqual(list(state["last_seen"]), ["alice"])
            self.assertRegex(state["updated_at"], f"^{TIME}$")
            self.assertRegex(state["last_seen"]["alice"], f"^{TIME}$")
            for session in state["active_sessions"]:
                self.assertEqual(list(session), ["client_name", "ip", "ports", "opened_at", "expires_at"])
                self.assertEqual(session["client_name"], "alice")
                self.assertRegex(session["opened_at"] + session["expires_at"], f"^{TIME}{TIME}$")
                self.assertLess(session["opened_at"], session["expires_at"])
                self.assertCountEqual(session["ports"], [{"port": SERVICE_PORT, "proto": "tcp"},
                                                         {"port": KNOCK_PORT, "proto": "tcp"}])
            self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
            self.assertEqual((self.file.stat().st_uid, os.listdir(self.file.parent)),
                             (0, ["sessions.json"]))
            self.assertEqual(self.daemon.stop(), 0)
            self.assertEqual((read(self.file)["active_sessions"], list(read(self.file)["last_seen"])),
                             ([], ["alice"]))
            self.daemon.close()
            self.server.flush_rules()

    def test_names_are_as_people_wrote_them(self):
        names = "Ann's phone", "J\u00fcrgen", "50% + 1"
        self.serve(clients={name: self.client_entry(getattr(self, key)) for name, key in
                            zip(names, ("alice", "bob", "marker"))} | {
                                name: None for name in ("alice", "bob", "marker")})
        for key in (self.alice, self.bob, self.marker):
            self.knock(key)
        self.assertTrue(eventually(lambda: len((read(self.file) or {}).get("last_seen", ())) == 3))
        state = read(self.file)
        self.assertEqual(set(state["last_seen"]), set(names))
        self.assertLessEqual({s["client_name"] for s in state["active_sessions"]}, set(names))

    def test_a_range_and_the_end(self):
        self.serve(ports={"default": ["2200-2300/tcp", "53/udp"]}, knock_timeout=SHORT)
        self.knock()
        self.assert_active(self.address(4, self.client))
        self.assertIn({"port": 2200, "proto": "tcp", "end_port": 2300},
                      read(self.file)["active_sessions"][0]["ports"])
        self.assert_active()
        self.assertEqual(list(read(self.file)["last_seen"]), ["alice"])

    def test_many(self):
        self.serve(client_quota=300, clients={"alice": {"targets": ["any"]}})
        first = ipaddress.ip_address("198.51.0.0")
        done = 0
        for count in (1, 256, 257):
            self.grant_all([str(first + i) for i in range(done, count)])
            done = count
            self.assertTrue(eventually(lambda n=count: len(addresses(self.file)) == n))

    def test_kill_9(self):
        """What keeps it outlives main by a moment, and takes out what nobody knows any more."""
        self.serve()
        self.knock()
        self.assert_active(self.address(4, self.client))
        writer = self.writer()
        os.kill(self.daemon.process.pid, signal.SIGKILL)
        self.assert_active()
        self.daemon.kill()
        self.assertTrue(eventually(lambda: not Path(f"/proc/{writer}").exists()))

    def test_its_own_end(self):
        """It costs no knock, and is said."""
        self.serve()
        os.kill(self.writer(), signal.SIGTERM)
        self.assertTrue(eventually(lambda: self.daemon.events(
            message="the sessions file is not kept any more; knocks are served")))
        self.knock()
        self.assert_opens()
        self.assertEqual(self.daemon.stop(), 0)

    def test_rights_of_what_keeps_it(self):
        self.serve()
        status = dict(line.split(":\t", 1) for line in
                      Path(f"/proc/{self.writer()}/status").read_text().splitlines() if ":\t" in line)
        self.assertEqual(status["NoNewPrivs"].strip(), "1")
        for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"):
            self.assertEqual(int(status[name], 16) & ~(1 << CAP_CHOWN | 1 << CAP_DAC_OVERRIDE), 0)

    def with_programs(self, mode):
        """A daemon from a folder of its own, where the tool has that mode."""
        programs = Path(tempfile.mkdtemp(dir=self.folder))
        for name in ("posternd", "postern", "postern-doorman", "postern-keeper", "postern-desk",
                     "postern-guard"):
            shutil.copy(program(name), programs / name)
        (programs / "postern").chmod(mode)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.file = folder / "run/sessions.json"
        self.daemon = Daemon(self.server, folder, self.configuration(), "--state-file", self.file)
        command = self.daemon.command
        self.daemon.command = lambda *more: [programs / "posternd", *command(*more)[1:]]
        self.daemon.start()

    def test_a_tool_that_others_may_change(self):
        """It is not run with root's rights; knocks are served."""
        self.with_programs(0o777)
        self.assertTrue(self.daemon.events(message="cannot use the executable of a process"))
        self.knock()
        self.assert_opens()
        self.assertIsNone(read(self.file))
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.close()
        self.with_programs(0o755)
        self.assertTrue(eventually(lambda: read(self.file)))

    def test_with_the_capabilities_of_the_unit(self):
        """Which has neither the right to write in others' folders nor to give files away."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.file = folder / "run/sessions.json"
        self.file.parent.mkdir()
        os.chown(self.file.parent, 0, NOBODY)
        self.file.parent.chmod(0o750)
        self.daemon = Daemon(self.server, folder, self.configuration(), "--state-file", self.file)
        command = self.daemon.command
        drop = "-chown,-dac_override,-dac_read_search,-fowner,-sys_admin"
        self.daemon.command = lambda *more: ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}",
                                             *command(*more)]
        self.daemon.start()
        self.knock()
        self.assert_active(self.address(4, self.client))
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)

    def test_group_of_the_folder(self):
        """Whoever may look into the folder may read the file, as with openme's package."""
        def owned(folder):
            folder.mkdir()
            os.chown(folder, NOBODY, NOBODY)
            folder.chmod(0o750)

        self.serve(prepare=owned)
        self.assertTrue(eventually(lambda: read(self.file)))
        state = self.file.stat()
        self.assertEqual((state.st_uid, state.st_gid, state.st_mode & 0o777), (0, NOBODY, 0o640))

    def test_nowhere_to_write(self):
        def a_file(folder):
            folder.write_text("")

        self.serve(prepare=a_file)
        self.assertTrue(eventually(lambda: self.daemon.events(
            message="cannot write the sessions file; knocks are served")))
        self.knock()
        self.assert_opens()

    def test_full_disk(self):
        def small(folder):
            folder.mkdir()
            run("mount", "-t", "tmpfs", "-o", "size=64k", "small", folder)
            self.addCleanup(run, "umount", folder)
            (folder / "ballast").write_bytes(bytes(65536))

        self.serve(prepare=small)
        said = {"message": "cannot write the sessions file; knocks are served"}
        self.assertTrue(eventually(lambda: self.daemon.events(**said)))
        for family in FAMILIES:
            self.knock(family=family)
            self.assert_opens(family)
            time.sleep(1.5)  # another try
        self.assertEqual(len(self.daemon.events(**said)), 1)
        (self.file.parent / "ballast").unlink()
        self.assert_active(*(self.address(f, self.client) for f in FAMILIES))
        self.assertTrue(eventually(lambda: self.daemon.events(message="the sessions file is written again")))
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.close()
        self.daemon = None

    def test_rate(self):
        """At most one new file a second, however often somebody knocks."""
        self.serve(clients={"alice": {"targets": ["any"]}}, client_quota=100)
        self.assertTrue(eventually(lambda: read(self.file)))
        began, files = time.monotonic(), {self.file.stat().st_ino}
        for i in range(60):
            self.knock(target=f"198.51.100.{i}")
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                files.add(self.file.stat().st_ctime_ns)
        self.assertLessEqual(len(files) - 1, time.monotonic() - began + 2)
        self.assertGreater(len(files), 2)


class WriteTest(ToolTest):
    """`postern sessions --write` by itself."""

    def keep(self, *records):
        file = self.room / "sessions.json"
        tool = subprocess.Popen(
            [program("postern"), "--control", self.control, "sessions", "--write", file],
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(tool.stderr.close)
        self.addCleanup(tool.wait)
        self.addCleanup(tool.kill)
        Desk(self, *records)  # it goes first
        return file, tool

    def test_ten_thousand(self):
        first = ipaddress.ip_address("2001:db8::")
        file, tool = self.keep(*(Desk.session(b"c%d" % i, str(first + i), 60_000, (6, 22, 22))
                                 for i in range(10_000)), Desk.record(Desk.DONE))
        self.assertTrue(eventually(lambda: len(addresses(file)) == 10_000))
        tool.send_signal(signal.SIGTERM)
        self.assertEqual(tool.wait(PATIENCE), 0)
        self.assertEqual(read(file)["active_sessions"], [])

    def test_nothing_new_is_not_written(self):
        file, _ = self.keep(Desk.last_seen(b"alice", "192.0.2.7"), Desk.error(1, b"try again"))
        time.sleep(2)
        self.assertIsNone(read(file))  # an answer that broke off is none

    def test_no_daemon(self):
        file, tool = self.keep(Desk.error(1, b"try again"))
        self.assertIn("no answer of the daemon's", tool.stderr.readline())
        self.assertTrue(eventually(lambda: read(file) is not None))
        self.assertEqual(read(file)["active_sessions"], [])
