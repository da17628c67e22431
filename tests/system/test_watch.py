"""postern sessions --watch at a terminal: calm, whole, and gone without a trace."""

import os
import signal

from daemon import program
from netns import eventually
from terminal import Terminal
from test_tool_daemon import Desk
from tool import ToolTest

LONG_ADDRESS = "2001:db8:1234:5678:9abc:def0:1234:5678"


class WatchTest(ToolTest):
    def open(self, *records, **how):
        self.desk = Desk(self, *records, Desk.record(Desk.DONE))
        return self.watch(**how)

    def watch(self, **how):
        terminal = Terminal(program("postern"), "--control", self.control, "sessions", "--watch",
                            **how)
        self.addCleanup(terminal.close)
        return terminal

    @staticmethod
    def crowd(count, address="10.0.0.1"):
        return [Desk.session(b"c%03d" % i, address, 7000, (6, 22, 22)) for i in range(count)]

    def refreshed(self, terminal, times=1):
        """After that many more pictures, each with another time in its first row."""
        for _ in range(times):
            before = terminal.grid[0]

            def changed(before=before):
                terminal.read()
                return terminal.grid[0] != before
            self.assertTrue(eventually(changed))

    def test_whole_at_the_usual_size(self):
        terminal = self.open(
            Desk.session(b"alice", "203.0.113.4", 86399000, (6, 22, 22), (17, 60000, 61000)),
            Desk.session(b"bob", LONG_ADDRESS, 7000, (17, 60000, 61000)),
            Desk.last_seen(b"carol", LONG_ADDRESS))
        self.assertTrue(terminal.shows("LAST SEEN"))
        self.assertTrue(terminal.shows(r"^ alice +203\.0\.113\.4 +23h59m59s +22/tcp, 60000\S+~$"))
        self.assertTrue(terminal.shows(rf"^ bob +{LONG_ADDRESS} 7s +60000-61000/udp *$"))
        self.assertTrue(terminal.shows(rf"^ carol +{LONG_ADDRESS} 1m3\ds *$"))
        self.assertTrue(all(len(row) <= 80 for row in terminal.grid), terminal.grid)
        self.assertIn("2 active", terminal.grid[0])

    def test_wide(self):
        terminal = self.open(Desk.session(b"alice", LONG_ADDRESS, 7000, (6, 22, 22)), columns=132)
        self.assertTrue(terminal.shows("OPENED"))
        self.assertTrue(terminal.shows(rf"^ alice +{LONG_ADDRESS} 7s +\d{{4}}-\S+Z 22/tcp *$"))

    def test_more_than_has_room(self):
        terminal = self.open(*self.crowd(60), *(Desk.last_seen(b"s%03d" % i, "10.0.0.2")
                                                for i in range(5)))
        self.assertTrue(terminal.shows(r"^40 more sessions and 5 more clients have no room here"))
        self.assertEqual([row.split()[0] for row in terminal.grid[3:23]],
                         [f"c{i:03}" for i in range(20)])
        terminal.resize(100, 80)
        self.assertTrue(terminal.shows("^ c059 "))
        self.assertTrue(terminal.shows("^ s004 "))
        self.assertFalse(any("no room" in row for row in terminal.grid))

    def test_names_that_are_long_or_wide(self):
        terminal = self.open(Desk.session(b"%E4%BD%A0" * 5, LONG_ADDRESS, 7000, (6, 22, 22)),
                             Desk.session(b"x" * 60, LONG_ADDRESS, 7000, (6, 22, 22)),
                             Desk.session(b"\x1b[2Jeve", LONG_ADDRESS, 7000, (6, 22, 22)))
        self.assertTrue(terminal.shows(r"^ x+~ +2001"))
        self.assertTrue(terminal.shows(r"eve"))
        self.assertNotIn("\x1b[2Jeve", terminal.came)
        self.assertTrue(all(len(row) <= 80 for row in terminal.grid), terminal.grid)

    def test_calm(self):
        """Once it is there, what does not change is left alone, and nothing is cleared first."""
        terminal = self.open(*self.crowd(30))
        self.assertTrue(terminal.shows("^ c000 "))
        self.refreshed(terminal)  # so that all of the first picture has come
        seen = len(terminal.came)
        self.refreshed(terminal, 3)
        later = terminal.came[seen:]
        self.assertIn("Postern", later)
        self.assertNotIn("c0", later)
        self.assertNotIn("\x1b[2J", later)
        self.assertNotIn("\x1b[J", later)

    def test_it_ends_without_a_trace(self):
        for end in ("q", "\x03", signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV):
            with self.subTest(end=end):
                self.control = self.room / f"control-{end!r}".replace("\\", "")
                terminal = self.open(*self.crowd(3))
                self.assertTrue(terminal.shows("^ c000 "))
                self.assertEqual({"1049", "25", "7"} & terminal.modes, {"1049"})
                if isinstance(end, str):
                    os.write(terminal.ours, end.encode())
                else:
                    terminal.process.send_signal(end)
                self.assertTrue(terminal.has_ended())
                self.assertTrue(terminal.is_as_before(), repr(terminal.came[-80:]))
                code = terminal.process.returncode
                self.assertEqual(code, 0 if isinstance(end, str) or end == signal.SIGTERM else -end)

    def test_stopped_and_continued(self):
        terminal = self.open(*self.crowd(3))
        self.assertTrue(terminal.shows("^ c000 "))
        pid = terminal.process.pid
        os.kill(pid, signal.SIGTSTP)
        self.assertTrue(eventually(lambda: self.state_of(pid) == "T"))
        self.assertTrue(terminal.is_as_before(), repr(terminal.came[-80:]))
        terminal.grid = [""] * terminal.rows
        os.kill(pid, signal.SIGCONT)
        self.assertTrue(terminal.shows("^ c000 "))
        self.assertIn("1049", terminal.modes)

    @staticmethod
    def state_of(pid):
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(") ")[2].split()[0]

    def test_the_daemon_goes_and_comes(self):
        terminal = self.open(*self.crowd(3))
        self.assertTrue(terminal.shows("^ c000 "))
        self.desk.close()
        self.control.unlink()
        self.assertTrue(terminal.shows("posternd is not running"))
        self.assertTrue(terminal.shows("^ c000 "))
        self.desk = Desk(self, *self.crowd(5), Desk.record(Desk.DONE))
        self.assertTrue(terminal.shows("^ c004 "))
        self.assertTrue(eventually(lambda: terminal.read() is not None and not any(
            "not running" in row for row in terminal.grid)))

    def test_no_daemon(self):
        terminal = self.watch()
        self.assertTrue(terminal.has_ended())
        self.assertEqual(terminal.process.returncode, 1)
        self.assertIn("posternd is not running", terminal.came)
        self.assertNotIn("\x1b[?1049h", terminal.came)

    def test_a_terminal_that_can_do_nothing(self):
        """Goes on downwards."""
        terminal = self.open(*self.crowd(3), environment={"TERM": "dumb"})
        self.assertTrue(eventually(lambda: terminal.read() or
                                   terminal.came.count("ACTIVE SESSIONS") > 1))
        self.assertNotIn("\x1b", terminal.came)
