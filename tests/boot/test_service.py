"""The service in a running machine, as an operator uses it."""

import json
import re
import threading
from pathlib import Path

from booted_world import KNOCK_TIMEOUT, UNITS, BootedTest, Stranger
from machine import CHECKOUT, PATIENCE
from netns import eventually

ROLES = {"doorman", "keeper", "desk"}
DYNAMIC_UIDS = range(61184, 65520)
RESTARTS = 5


class ServiceTest(BootedTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.run("systemctl", "enable", "--now", *UNITS)

    def setUp(self):
        self.configure(self.good)
        self.machine.run("systemctl", "stop", *UNITS)  # with all grants
        self.machine.run("systemctl", "start", *UNITS)
        self.assert_ready()

    def main(self):
        return self.machine.show("posternd", "MainPID")

    def test_a_knock(self):
        for unit in UNITS:
            self.assertEqual(self.machine.run("systemctl", "is-enabled", unit).strip(), "enabled")
        self.assert_shut()
        self.knock()
        self.assert_open()
        self.assert_shut(self.stranger)

    def test_the_time_ends(self):
        self.configure(self.good.replace(f"knock_timeout: {KNOCK_TIMEOUT}", "knock_timeout: 10s"))
        self.machine.run("systemctl", "reload", "posternd")
        self.knock()
        self.assert_open()
        self.assertTrue(eventually(lambda: not self.reaches() and not self.reaches(family=6)))

    def entries(self, since, *fields):
        """Of the journal, by fields."""
        self.machine.run("journalctl", "--sync", check=False)
        text = self.machine.run("journalctl", "--output=json", "--no-pager",
                                f"--after-cursor={since}", *fields, check=False)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def assert_grant_has_fields(self):
        since = self.machine.cursor()
        self.knock()
        found = eventually(lambda: self.entries(since, "POSTERN_EVENT=grant"), PATIENCE)
        self.assertTrue(found, "no grant with fields")
        for entry in found:
            self.assertEqual(entry["MESSAGE_ID"], "77f084fb1efc425bb4e1c7bba38542c5")
            self.assertEqual(entry["POSTERN_CLIENT"], "alice")
            self.assertIn(entry["POSTERN_SOURCE"], ("10.77.1.2", "fd77:1::2"))
            self.assertEqual((entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]), ("6", "posternd"))
            self.assertEqual(entry["_SYSTEMD_UNIT"], "posternd.service")
            self.assertEqual((entry["_COMM"], entry["POSTERN_ROLE"]), ("postern-keeper", "keeper"))
            self.assertIn("knock accepted", entry["MESSAGE"])

    def test_fields_in_the_journal(self):
        self.assert_grant_has_fields()
        self.machine.run("systemctl", "restart", "systemd-journald")
        self.machine.run("systemctl", "stop", *UNITS)
        self.machine.run("systemctl", "start", *UNITS)
        self.assert_ready()
        self.assert_grant_has_fields()
        text = self.machine.run("postern", "history", "alice", "--since", "1h")
        self.assertIn("alice at 10.77.1.2", text)
        self.addCleanup(self.machine.shell, "rm -f /etc/postern/clients.d/bob*.yaml; postern reload")
        self.machine.run("postern", "add", "bob", "--ports", "40000/udp")
        since = self.machine.cursor()
        self.machine.run("postern", "revoke", "bob")
        found = eventually(lambda: self.entries(since, "POSTERN_EVENT=revoke"), PATIENCE)
        self.assertEqual((found[0]["POSTERN_CLIENT"], found[0]["POSTERN_BY_UID"]), ("bob", "0"))

    def test_users(self):
        user = int(self.machine.run("id", "-u", "postern"))
        uids = {int(uid) for uid in self.machine.run(
            "ps", "--no-headers", "-o", "uid=", "-C",
            ",".join(f"postern-{role}" for role in ROLES)).split()}
        self.assertEqual(uids, {user})
        self.assertNotIn(user, DYNAMIC_UIDS)
        self.assertEqual(set(self.machine.roles()), ROLES | {"main"})

    def test_without_the_user(self):
        """As after an installation that could not make it."""
        passwd = self.machine.read("/etc/passwd")
        self.addCleanup(self.machine.write, "/etc/passwd", passwd)
        self.machine.write("/etc/passwd", "".join(
            line for line in passwd.splitlines(True) if not line.startswith("postern:")))
        self.machine.restart("posternd")
        uids = [int(self.machine.run("ps", "--no-headers", "-o", "uid=", "-p", pid))
                for role, pid in self.machine.roles().items() if role != "main"]
        self.assertEqual(len(set(uids)), len(ROLES))
        for uid in uids:
            self.assertIn(uid, range(60706, 61184))

    def test_restarts(self):
        """Not one stranger's connection, no grant lost."""
        self.knock()
        self.assert_open()
        with Stranger(self) as stranger:
            for _ in range(RESTARTS):
                before = self.main()
                self.machine.restart("posternd")
                self.assertNotEqual(self.main(), before)
                self.assert_open()
            self.assert_nobody_got_in(stranger)
        self.assertIn("alice", self.machine.run("postern", "sessions"))

    def restart_again_and_again(self, ends):
        for i in range(2 * RESTARTS):
            before = self.main()
            self.machine.run("systemctl", *(("kill", "--signal=KILL") if i % 2 else ["restart"]),
                             "posternd")
            eventually(lambda: self.main() not in (before, "0") and self.is_ready(), PATIENCE)
        ends.set()

    def test_knocks_while_it_restarts(self):
        """The service manager keeps the sockets: not one is lost, though the daemon be killed."""
        self.configure(self.good.replace("targets: source", "targets: any\n  client_quota: 2000"))
        self.machine.restart("posternd")
        sent, ends = set(), threading.Event()
        restarts = threading.Thread(target=self.restart_again_and_again, args=(ends,))
        restarts.start()
        while not ends.wait(0.08):
            target = f"203.0.{len(sent) // 250}.{len(sent) % 250 + 1}"
            self.knock("-6" if len(sent) % 2 else "-4", "--ip", target)
            sent.add(target)
        restarts.join()
        self.assertGreater(len(sent), 4 * RESTARTS)

        def lost():
            sessions = self.machine.run("postern", "sessions")
            return {target for target in sent if f"{target} " not in sessions}
        eventually(lambda: not lost())
        self.assertEqual(lost(), set(), f"of {len(sent)}")

    def test_an_upgrade(self):
        self.knock()
        self.assert_open()
        with Stranger(self) as stranger:
            self.machine.shell("cd /src && make install PREFIX=/usr")
            self.machine.restart("posternd")
            self.assert_open()
            self.knock()
            self.assert_nobody_got_in(stranger)

    def test_a_reload_of_a_bad_file(self):
        before, since = self.main(), self.machine.cursor()
        self.configure(self.good + "nonsense: 1\n")
        with self.assertRaisesRegex(RuntimeError, "failed"):
            self.machine.run("systemctl", "reload", "posternd")
        self.assertTrue(self.machine.said("nonsense", since))
        self.assertEqual(self.main(), before)
        self.knock()
        self.assert_open()
        self.assert_shut(self.stranger)

    def test_stop_and_release(self):
        with Stranger(self) as stranger:
            self.machine.run("systemctl", "stop", "posternd")
            self.assert_shut()
            self.assert_nobody_got_in(stranger)
        self.machine.run("postern", "release", "--yes")
        self.assert_open(self.stranger)
        self.machine.run("systemctl", "start", "posternd")
        self.assert_shut(self.stranger)

    def test_stop_of_the_guard(self):
        self.machine.run("systemctl", "stop", *UNITS)
        self.assert_open(self.stranger)
        self.machine.run("systemctl", "start", "postern-guard")
        self.assert_shut(self.stranger)

    def test_uninstall_is_refused(self):
        with self.assertRaisesRegex(RuntimeError, "systemctl disable --now posternd.service"):
            self.machine.shell("cd /src && make uninstall PREFIX=/usr")
        self.assertEqual(self.machine.run("posternd", "--version"),
                         self.machine.run("/src/build/posternd", "--version"))
        self.knock()
        self.assert_open()

    def test_how_exposed_they_are(self):
        """By the tool of this release; tests/check_units has the same limits."""
        for unit, most in (("posternd", 2.7), ("postern-guard", 2.0), ("postern-echoip", 2.0)):
            said = self.machine.run("systemd-analyze", "security", "--no-pager", f"{unit}.service")
            self.assertLessEqual(float(re.search(r"Overall exposure \S+ for \S+: (\d\.\d)", said)[1]),
                                 most, said)

    def test_a_clean_start_warns_of_nothing(self):
        since = self.machine.cursor()
        self.machine.run("systemctl", "stop", *UNITS)
        self.machine.run("systemctl", "start", *UNITS)
        self.assert_ready()
        self.machine.run("systemctl", "reload", "posternd")
        said = self.machine.journal("--priority=warning", "--output=short", f"--after-cursor={since}")
        self.assertEqual([line for line in said.splitlines() if "postern" in line], [])
        self.assertEqual(self.machine.show("posternd", "ConfigurationDirectoryMode"), "0700")

    def test_units_without_a_warning(self):
        units = sorted(path.name.removesuffix(".in") for path in
                       Path(CHECKOUT, "pkg/systemd").iterdir())
        self.assertGreater(len(units), 2)
        said = self.machine.run("systemd-analyze", "verify", "--man=no", *units, check=False)
        self.assertEqual([line for line in said.splitlines() if "postern" in line], [])
