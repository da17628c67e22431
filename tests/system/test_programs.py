"""With programs of the administrator's: which processes there are, as whom, what is run at the
start and the stop, and what cannot change in between."""

import signal
import time
from pathlib import Path

from daemon import state_of
from netns import PATIENCE, eventually
from programs_world import ProgramsTest
from spa_world import PORT

ALONE = ["desk", "doorman", "keeper", "main"]
KEYS = {"authorization": "echo 60"}
RULES = {"rule_add": "exit 0", "rule_remove": "exit 0"}
ALL = {"user_directory_service": "exit 1", "authorization": "echo 60", **RULES,
       "server_start": "exit 0", "server_stop": "exit 0"}
NET_ADMIN_AND_RAW = 1 << 12 | 1 << 13


def status(pid, field):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1:] for line in lines if line.startswith(f"{field}:"))


class RolesTest(ProgramsTest):
    def users(self):
        users = {}
        for role, pid in self.daemon.roles().items():
            uids = set(status(pid, "Uid"))
            self.assertEqual(len(uids), 1, role)
            users[role] = int(uids.pop())
        return users

    def add_user(self, line):
        """As the daemon, which is yet to be started, sees it."""
        passwd, command = self.daemon.folder / "passwd", self.daemon.command
        passwd.write_text(f"{Path('/etc/passwd').read_text()}{line}\n")
        self.daemon.command = lambda *more: [
            "unshare", "--mount", "sh", "-ec", f'mount --bind {passwd} /etc/passwd; exec "$@"', "-",
            *command(*more)]

    def test_none_that_is_not_needed(self):
        for scripts, more in (({}, []), ({"authorization": "echo 60"}, ["runner"]),
                              ({"user_directory_service": "exit 1"}, ["runner"]),
                              (RULES, ["privileged-runner"]), ({"server_start": "exit 0"}, ["privileged-runner"]),
                              ({"server_stop": "exit 0"}, ["privileged-runner"]),
                              (ALL, ["privileged-runner", "runner"])):
            with self.subTest(scripts=list(scripts)):
                self.run_with(scripts)
                self.assertEqual(sorted(self.daemon.roles()), sorted(ALONE + more))
                self.assertEqual(self.daemon.stop(), 0)

    def test_helpers(self):
        daemon = self.make({"rule_add": "exec cat >/dev/null"})
        text = daemon.file.read_text().replace("extension_scripts:", "helpers:")
        daemon.configure(text.replace("rule_add:", "firewall:"))
        daemon.start()
        self.assertEqual(sorted(self.daemon.roles()), sorted([*ALONE, "privileged-runner"]))

    def test_users(self):
        self.run_with(ALL)
        users = self.users()
        self.assertEqual(users.pop("main"), 0)
        for role in ("runner", "privileged-runner"):
            user = users.pop(role)
            self.assertNotIn(user, users.values())
            self.assertIn(user, range(60706, 61184))
        self.assertEqual(status(self.daemon.roles()["runner"], "Groups"), [])

    def test_both_runners_share_no_unused_user(self):
        self.run_with(ALL)
        self.assertNotEqual(self.users()["runner"], self.users()["privileged-runner"])

    def test_a_user_that_is_named(self):
        for role, scripts in (("runner", KEYS), ("privileged-runner", RULES)):
            with self.subTest(role=role):
                self.run_with(scripts, script_user="daemon")
                users = self.users()
                self.assertEqual(users.pop(role), 1)
                self.assertNotIn(1, users.values())

    def test_no_user_for_both(self):
        """Whom a stranger's packet can start is not the one who holds the firewall."""
        for users, key in (({"script_user": "daemon"}, "script_user"),
                           ({"script_user": "daemon", "script_rule_user": "daemon"}, "script_rule_user"),
                           ({"script_user": "daemon", "script_rule_user": "twin"}, "script_rule_user")):
            with self.subTest(users=users):
                daemon = self.make(ALL, **users)
                self.add_user("twin:x:1:1::/:/bin/false")
                self.assertEqual(self.fails(), 78)
                why = daemon.log_path.read_text()
                self.assertIn("as the same user as those for rules", why)
                self.assertRegex(why, rf"config.yaml:\d+:\d+: openspa\.{key}: ")
                self.assertIn("name another user for rules: script_rule_user", why)
                self.assertEqual(daemon.roles(), {})

    def test_two_users_that_are_named(self):
        self.run_with(ALL, script_user="daemon", script_rule_user="bin")
        users = self.users()
        self.assertEqual((users.pop("runner"), users.pop("privileged-runner")), (1, 2))
        self.assertFalse({1, 2} & set(users.values()))

    def test_a_user_for_rules_alone(self):
        self.run_with(ALL, script_rule_user="bin")
        users = self.users()
        self.assertEqual(users["privileged-runner"], 2)
        self.assertIn(users["runner"], range(60706, 61184))

    def test_never_the_daemons_own_user(self):
        """Where the user postern exists, doorman, keeper and desk share it, and nobody else."""
        daemon = self.make(ALL)
        self.add_user("postern:x:54321:54321::/:/bin/false")
        daemon.start()
        users = self.users()
        programs = {users.pop("runner"), users.pop("privileged-runner")}
        self.assertEqual(users, {"main": 0, "doorman": 54321, "keeper": 54321, "desk": 54321})
        self.assertEqual(len(programs - {0, 54321}), 2)
        self.assertEqual(daemon.stop(), 0)
        daemon.configure(daemon.file.read_text().replace(
            "script_writable:", "script_user: postern\n  script_writable:"))
        daemon.start(ready=False)
        self.assertEqual(daemon.process.wait(PATIENCE), 78)
        self.assertIn("expected a user of its own", daemon.log_path.read_text())

    def test_root_is_for_the_privileged_runner_alone(self):
        self.run_with(ALL, script_user="root")
        users = self.users()
        runner = users.pop("runner")
        self.assertNotIn(runner, (0, 65534))
        self.assertNotIn(runner, (*users.values(),))
        self.assertEqual(users["privileged-runner"], 0)
        privileged = self.daemon.roles()["privileged-runner"]
        for which in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(status(privileged, which)[0], 16), NET_ADMIN_AND_RAW)

    def test_the_daemon_ends_when_one_of_them_does(self):
        for role in ("runner", "privileged-runner"):
            daemon = self.run_with(ALL)
            with self.subTest(role=role):
                daemon.end(role, signal.SIGKILL)
                self.assertEqual(daemon.process.wait(PATIENCE), 1)
                self.assertTrue(eventually(lambda d=daemon: not d.living()))
                self.assertNotEqual(self.table(), [], "the gate fell with the daemon")


class ServerScriptsTest(ProgramsTest):
    LOOK = """
        task=$(basename $0 .sh)
        cat /proc/net/udp /proc/net/udp6 >$OUT/sockets.$task
        nft list tables >$OUT/tables.$task
    """

    def assert_not_listening(self, task):
        sockets = self.out(f"sockets.{task}").read_text()
        self.assertIn("local_address", sockets)
        self.assertNotIn(f":{PORT:04X} ", sockets)

    def test_start_comes_before_anything_is_served(self):
        self.run_with({"server_start": self.LOOK})
        self.assert_not_listening("server_start")
        self.assertNotIn("postern", self.out("tables.server_start").read_text())
        self.assertTrue(self.daemon.events(message="a script of the server has run"))
        self.assertNotEqual(self.table(), [])

    def test_stop_comes_after_the_keeper(self):
        roles = "ps -o args= --ppid $(ps -o ppid= -p $PPID) >$OUT/roles\n"
        daemon = self.make({"server_stop": roles + self.LOOK})
        daemon.configure(daemon.file.read_text().replace("server:", "server:\n  shutdown: remove"))
        daemon.start()
        self.assertEqual(list(self.out(".").glob("*")), [], "not at the start")
        self.assertEqual(self.daemon.stop(), 0)
        self.assertNotIn("postern-keeper", self.out("roles").read_text())
        self.assertIn("privileged-runner", self.out("roles").read_text())
        self.assertNotIn("postern", self.out("tables.server_stop").read_text())
        self.assert_not_listening("server_stop")

    def test_stop_with_rules_kept(self):
        daemon = self.make({"server_stop": self.LOOK})
        daemon.configure(daemon.file.read_text().replace("server:", "server:\n  shutdown: keep"))
        daemon.start()
        self.assertEqual(daemon.stop(), 0)
        self.assertIn("postern", self.out("tables.server_stop").read_text())

    def test_start_fails(self):
        for text, why, deadline in (("echo broken >&2; exit 3", "it said no", "60s"),
                                    ("exit 127", "it failed", "60s"),
                                    ("sleep 999", "it did not end in time", "500ms")):
            daemon = self.make({"server_start": text, "server_stop": ": >$OUT/stopped"},
                               script_deadline=deadline)
            with self.subTest(text=text):
                self.assertEqual(self.fails(), 1)
                event, = daemon.events(message="a script of the server did not do its work")
                self.assertEqual((event["task"], event["why"], event["level"]),
                                 ("serverStart", why, "error"))
                self.assertEqual(self.granted(), set())
                self.assertFalse(self.out("stopped").exists())
                self.assertFalse(daemon.notices.wait_for("READY=1", daemon.process, 0.1))

    def test_no_stop_after_a_failure(self):
        daemon = self.run_with({"server_stop": ": >$OUT/stopped"})
        daemon.end("doorman", signal.SIGKILL)
        self.assertEqual(daemon.process.wait(PATIENCE), 1)
        self.assertTrue(eventually(lambda: not daemon.living()))
        self.assertFalse(self.out("stopped").exists())

    def test_stop_fails(self):
        for text in ("exit 1", "sleep 999"):
            daemon = self.run_with({"server_stop": text}, script_deadline="500ms")
            with self.subTest(text=text):
                self.assertEqual(daemon.stop(), 0)
                self.assertEqual(len(daemon.events(task="serverStop", level="error")), 1)

    def test_the_manager_is_told_of_a_long_stop(self):
        daemon = self.run_with({"server_stop": "exit 0"}, script_deadline="20s")
        daemon.notices.drop()
        daemon.process.terminate()
        self.assertEqual(daemon.process.wait(PATIENCE), 0)
        said = daemon.notices.socket.recv(4096) + daemon.notices.socket.recv(4096)
        self.assertEqual(said, b"STOPPING=1EXTEND_TIMEOUT_USEC=86000000")

    def test_rules_are_shut_before(self):
        """The keeper has the time that its programs need, which here is more than it would get
        without them, and serverStop comes after them."""
        note = 'echo "$(basename $0 .sh) $1 $3" >>$OUT/order'
        self.run_with({"rule_add": note, "rule_remove": f"sleep 3.5; {note}",
                       "server_start": note, "server_stop": note}, duration="60s",
                      script_deadline="20s")
        self.granted_for(self.request())
        before = time.monotonic()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertGreater(time.monotonic(), before + 3.4)
        who = f" {self.phone.uuid} {self.address(4, self.client)}"
        self.assertEqual(
            [line.rstrip() for line in self.out("order").read_text().splitlines()],
            ["server_start", "rule_add" + who, "rule_remove" + who, "server_stop"])


class FixedTest(ProgramsTest):
    def test_what_cannot_change(self):
        scripts = {"authorization": "echo 60", "server_start": "exit 0", "server_stop": "exit 0"}
        daemon = self.run_with(scripts)
        text = daemon.file.read_text()
        (daemon.folder / "other").mkdir()
        self.put(daemon.folder / "other.sh", "#!/bin/sh\nexit 0\n", 0o755)
        for old, new, key in (
                ("authorization.sh", "other.sh", "openspa.extension_scripts.authorization"),
                ("server_start.sh", "other.sh", "openspa.extension_scripts.server_start"),
                ("    server_stop: server_stop.sh\n", "", "openspa.extension_scripts.server_stop"),
                ("server_start:", "user_directory_service: other.sh\n    server_start:",
                 "openspa.extension_scripts.user_directory_service"),
                ("script_writable: out", "script_writable: other", "openspa.script_writable"),
                ("script_writable:", "script_user: daemon\n  script_rule_user: bin\n  script_writable:",
                 "openspa.script_user"),
                ("script_writable:", "script_rule_user: daemon\n  script_writable:",
                 "openspa.script_rule_user"),
                ("script_writable:", "script_deadline: 1s\n  script_writable:",
                 "openspa.script_deadline"),
                ("script_writable:", "script_limit: 5\n  script_writable:",
                 "openspa.script_limit"),
                ("script_writable:", "script_queue: 5\n  script_writable:",
                 "openspa.script_queue"),
                ("script_writable:", "script_output: 99\n  script_writable:",
                 "openspa.script_output")):
            with self.subTest(key=key):
                self.assertIn(old, text)
                daemon.configure(text.replace(old, new))
                daemon.reload()
                last = daemon.events(message="reload refused, the old configuration stays")[-1]
                self.assertIn(f": {key}: cannot change while running; restart posternd",
                              last["why"])
        daemon.configure(text.replace("answer: always", "answer: never"))
        daemon.reload()
        self.assertEqual(daemon.events(role="main")[-1]["message"], "reloaded: 3 clients, 2 devices")
        self.assertNotIn(state_of(daemon.process.pid), (None, "Z"))

    def test_a_helper_in_place_of_a_script(self):
        daemon = self.run_with({"authorization": "echo 60"})
        daemon.configure(daemon.file.read_text().replace("extension_scripts:", "helpers:"))
        daemon.reload()
        last = daemon.events(role="main")[-1]
        self.assertIn("openspa.helpers.authorization: cannot change", last["why"])

    def test_without_programs_it_does_not_matter(self):
        daemon = self.run_with({})
        daemon.configure(daemon.file.read_text().replace(
            "script_writable:", "script_limit: 5\n  script_writable:"))
        daemon.reload()
        self.assertEqual(daemon.events(role="main")[-1]["message"], "reloaded: 3 clients, 2 devices")
