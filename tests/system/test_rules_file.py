"""The file in the state directory that outlives the daemon: whose it must be, and that one daemon
has it at a time."""

import fcntl
import os

from daemon import Daemon
from programs_world import ProgramsTest

RULES = {"rule_add": "echo add >>$OUT/calls", "rule_remove": "echo remove >>$OUT/calls"}
COMPLAINT = "cannot use the file that rules are kept in"


def is_locked(path):
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class RulesFileTest(ProgramsTest):
    def made(self):
        """A daemon not yet started, and where its file will be."""
        daemon = self.make(RULES)
        daemon.state.mkdir(mode=0o700)
        return daemon, daemon.state / "rules"

    def assert_refused(self, why):
        self.assertEqual(self.fails(), 1)
        event, = self.daemon.events(message=COMPLAINT)
        self.assertEqual((event["folder"], event["file"]), (str(self.daemon.state), "rules"))
        self.assertIn(why, event["why"])
        self.assertEqual(self.granted(), set())

    def test_made_for_root_alone(self):
        daemon = self.run_with(RULES)
        st = (daemon.state / "rules").stat()
        self.assertEqual((st.st_uid, st.st_mode & 0o7777, st.st_nlink), (0, 0o600, 1))

    def test_only_with_programs_for_rules(self):
        daemon = self.run_with({"authorization": "echo 60", "server_start": "exit 0"})
        self.assertEqual(sorted(path.name for path in daemon.state.iterdir()),
                         ["accepted", "audit.log", "config.accepted", "networks", "replay"])

    def test_locked_as_long_as_the_daemon_lives(self):
        daemon, path = self.made()
        for end in (daemon.stop, daemon.kill):
            daemon.start()
            self.assertTrue(is_locked(path))
            end()
            self.assertFalse(is_locked(path))

    def test_a_second_daemon(self):
        first = self.run_with(RULES)
        self.addCleanup(lambda: first.process.poll() is None and first.kill())
        configuration = first.file.read_text()
        self.daemon = Daemon(self.server, first.folder, configuration)
        self.daemon.control = first.folder / "control2"
        self.daemon.log_path = first.folder / "log2"
        try:
            self.assertEqual(self.fails(), 1)
            event, = self.daemon.events(message="cannot use the file that the "
                                                "replay guard is kept in")
            self.assertIn("another daemon has it: give each its own --state-dir", event["why"])
            self.assertEqual(len(first.living()), 5)
        finally:
            self.daemon = first

    def test_a_link(self):
        daemon, path = self.made()
        goal = daemon.folder / "precious"
        goal.write_text("precious")
        goal.chmod(0o600)
        path.symlink_to(goal)
        self.assert_refused("Too many levels of symbolic links")
        path.unlink()
        os.link(goal, path)
        daemon.log_path.unlink()
        self.assert_refused("it has another name")
        self.assertEqual(goal.read_text(), "precious")

    def test_somebody_elses(self):
        _, path = self.made()
        path.touch(mode=0o600)
        os.chown(path, 12345, 12345)
        self.assert_refused("belongs to user 12345")

    def test_open_to_others(self):
        _, path = self.made()
        path.touch()
        path.chmod(0o640)
        self.assert_refused("mode 0640 lets others open it; take that away: chmod 600")

    def test_a_folder_of_others(self):
        for change, why in ((lambda path: path.chmod(0o770), "mode 0770 lets others write it"),
                            (lambda path: os.chown(path, 12345, 0), "belongs to user 12345")):
            daemon, _ = self.made()
            change(daemon.state)
            self.assert_refused(f"its folder: {why}")

    def test_no_file(self):
        for make in (os.mkdir, os.mkfifo):
            _, path = self.made()
            make(path)
            with self.subTest(make=make):
                self.assert_refused("s a directory" if make is os.mkdir else "not a regular file")

    def test_rules_of_a_killed_daemon_are_shut(self):
        """By programs that are the same user again, and so may write to the same files."""
        daemon = self.run_with(RULES, duration="600s", script_user="daemon")
        self.granted_for(self.request())
        daemon.kill()
        self.assertEqual(self.out("calls").read_text(), "add\n")
        daemon.start()
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.out("calls").read_text(), "add\nremove\n")

    def test_a_rule_that_is_damaged(self):
        daemon = self.run_with({**RULES, "rule_remove": 'echo "remove $7" >>$OUT/calls'},
                               duration="600s", script_user="daemon")
        self.granted_for(self.request(first=4242))
        daemon.kill()
        path = daemon.state / "rules"
        data = bytearray(path.read_bytes())
        port = (4242).to_bytes(2, "little")
        self.assertEqual(data.count(port), 4, "the first and the last port, twice")
        data[data.index(port, data.index(port) + 2)] ^= 1  # the last one: 4242-4243 can be asked for
        path.write_bytes(data)
        daemon.start()
        event, = [line for line in daemon.lines() if "file of rules is damaged" in line["message"]]
        self.assertIn("1 rules are taken from their second place, 0 are in neither",
                      event["message"])
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.out("calls").read_text(), "add\nremove 4242\n")

    def test_an_empty_file(self):
        daemon, path = self.made()
        daemon.start()
        daemon.stop()
        empty = "the file that rules are kept in is empty: look for rules that nothing will shut"
        self.assertFalse(daemon.events(message=empty))
        os.truncate(path, 0)
        daemon.start()
        self.assertEqual(len(daemon.events(message=empty)), 1)

    def test_rules_that_no_script_is_there_for(self):
        """The configuration was changed while the daemon was down."""
        daemon = self.run_with(RULES, duration="600s", script_user="daemon")
        self.granted_for(self.request())
        daemon.kill()
        daemon.configure(self.configured({}, duration="600s"))
        daemon.start()
        event, = daemon.events(message="a predecessor left rules of scripts open, and no script "
                                       "is configured to shut them")
        self.assertEqual(event["rules"], "1")
        daemon.stop()
        daemon.configure(self.configured(RULES, duration="600s", script_user="daemon"))
        daemon.start()
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.out("calls").read_text(), "add\nremove\n")
