"""What locks somebody out is taken back, unless a new login confirms it."""

import os
import pty
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from daemon import command_line, program, yaml
from netns import PATIENCE, eventually
from service import echoes
from tool import FAILED, PERMISSION, UNPRIVILEGED
from world import FAMILIES, LONG, SERVICE_PORT, WorldTest

OTHER_PORT = 8080
SOON, LATE = "3s", "600s"  # of --confirm-within
HOST = """table inet mine {
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        meta l4proto ipv6-icmp accept
        tcp dport { 2222, 8080 } accept
    }
}"""
SERVICE = """#!/bin/sh
case $1 in
start)
    {daemon} -c {folder}/config.yaml --state-dir {folder}/state --control {folder}/control \
        >>{folder}/log 2>&1 </dev/null &
    echo $! >{folder}/pid
    until {tool} --control {folder}/control sessions >/dev/null 2>&1; do
        kill -0 $! || exit 1
        sleep 0.05
    done ;;
stop)
    [ -e {folder}/pid ] || exit 0
    kill $(cat {folder}/pid)
    while kill -0 $(cat {folder}/pid) 2>/dev/null; do sleep 0.05; done ;;
esac
"""


class TrialTest(WorldTest):
    tcp_ports = (SERVICE_PORT, OTHER_PORT)
    server_settings = {"knock_timeout": LONG}

    def setUp(self):
        super().setUp()
        self.connections = []

    def tearDown(self):
        for connection in self.connections:
            connection.close()
        self.end_watchers()
        super().tearDown()

    def watchers(self):
        """What would take a change back: until it sees that this is over it uses the state directory."""
        state = os.fsencode(os.path.realpath(self.home / "state"))
        words = {int(name): command_line(name).split(b"\0") for name in os.listdir("/proc") if name.isdigit()}
        return [pid for pid, line in words.items() if b"--when-due" in line and state in line]

    def end_watchers(self):
        if not eventually(lambda: not self.watchers(), within=5):  # of a test that has failed
            for pid in self.watchers():
                os.kill(pid, signal.SIGKILL)
            eventually(lambda: not self.watchers())

    def prepare(self, folder):
        self.home = Path(folder)

    def words(self, *words, login=None, path=None, place=()):
        """`path`: where programs are looked for first. `place`: a command that runs it."""
        environment = dict(os.environ)
        if login:
            environment["SSH_CONNECTION"] = login
        if path:
            environment["PATH"] = f"{path}:{environment['PATH']}"
        return ["ip", "netns", "exec", self.server.name, *place, program("postern"), "--config",
                self.home / "config.yaml", "--control", self.home / "control", *words,
                "--state-dir", self.home / "state"], environment

    def tool(self, *words, code=0, login=None, path=None, place=(), **more):
        """What the tool says, which must exit with `code`."""
        command, environment = self.words(*words, login=login, path=path, place=place)
        done = subprocess.run(command, env=environment, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=2 * PATIENCE, **more)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def begin(self, *words, **how):
        """The same, while it waits, once the change is made."""
        command, environment = self.words(*words, **how)
        process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        said = ""
        while "postern confirm\n" not in said:
            line = process.stderr.readline()
            self.assertTrue(line, said)
            said += line
        self.said = said
        return process

    def end(self, process, code):
        _, said = process.communicate(timeout=2 * PATIENCE)
        self.assertEqual(process.returncode, code, said)
        return said

    def rules(self):
        return self.server.run("nft", "list", "ruleset")

    def login(self, connection):
        """As sshd would tell it."""
        peer, here = connection.getsockname(), connection.getpeername()
        return f"{peer[0]} {peer[1]} {here[0]} {here[1]}"

    def connect(self, port=SERVICE_PORT):
        found = [self.client.connection(self.address(family), port) for family in FAMILIES]
        self.assertTrue(all(found), "the port is shut")
        for connection in found:  # the service has accepted it
            self.assertTrue(echoes(connection))
        self.connections += found
        return found

    def assert_all_shut(self, port=SERVICE_PORT):
        for family in FAMILIES:
            self.assert_shut(family, port=port)

    def assert_all_open(self, port=SERVICE_PORT):
        for family in FAMILIES:
            self.assertTrue(self.reaches(family, port=port), "the port is shut")


class ActivationTest(TrialTest):
    def setUp(self):
        super().setUp()
        self.home = Path(tempfile.mkdtemp(dir=self.folder))
        self.write(self.configuration())
        script = self.home / "service"
        script.write_text(SERVICE.format(daemon=program("posternd"), tool=program("postern"),
                                         folder=self.home))
        script.chmod(0o755)
        self.service = script
        self.server.nft(HOST)
        self.before = self.rules()

    def tearDown(self):
        self.server.run(self.service, "stop", check=False)
        print((self.home / "log").read_text() if (self.home / "log").exists() else "no log")
        super().tearDown()

    def write(self, configuration):
        file = self.home / "config.yaml"
        file.write_text(yaml(configuration))
        file.chmod(0o600)

    def activate(self, *words):
        return "activate", "--service", self.service, *words

    def assert_taken_back(self):
        self.assertTrue(eventually(lambda: self.rules() == self.before), self.rules())
        self.assert_all_open()
        self.assertIn("taken back", self.tool("confirm", code=FAILED))

    def test_not_confirmed(self):
        connections = self.connect()
        trial = self.begin(*self.activate("--confirm-within", SOON), login=self.login(connections[0]))
        self.assertIn("2 live connections", self.said)
        self.assertIn("this login among them", self.said)
        for family in FAMILIES:
            self.assertIn(f"{self.address(family, self.client)} to 2222/tcp", self.said)
        self.assertNotEqual(self.rules(), self.before)
        self.assertIn("taken back", self.end(trial, FAILED))
        self.assert_taken_back()
        for connection in connections:
            self.assertTrue(echoes(connection))

    def test_confirmed(self):
        trial = self.begin(*self.activate("--confirm-within", LATE))
        self.assert_all_shut()
        for family in FAMILIES:
            self.knock(family=family)
            self.assert_opens(family)
        self.tool("confirm")
        self.assertIn("confirmed", self.end(trial, 0))
        self.tool("confirm")  # and once more
        self.tool("rollback", code=FAILED)
        self.assertIn("running already", self.tool(*self.activate(), code=FAILED))
        self.assertNotEqual(self.rules(), self.before)

    def test_a_folder_that_was_there(self):
        """The trial's file in it does not have the daemon's first start look like one that has lost the
        replay guard's, which would grant nothing at first."""
        state = self.home / "state"
        state.mkdir(mode=0o700)
        born = state.stat().st_mtime_ns
        mark = self.home / "mark"  # until the file system's clock has gone on

        def is_later():
            mark.touch()
            return mark.stat().st_mtime_ns > born
        self.assertTrue(eventually(is_later))
        trial = self.begin(*self.activate("--confirm-within", LATE))
        self.assertNotIn("is not known", (self.home / "log").read_text())
        for family in FAMILIES:
            self.knock(family=family)
            self.assert_opens(family)
        self.tool("confirm")
        self.end(trial, 0)

    def test_confirmed_by_a_new_login_only(self):
        login = "192.0.2.7 50000 192.0.2.1 22"
        trial = self.begin(*self.activate("--confirm-within", LATE), login=login)
        self.assertIn("log in anew", self.tool("confirm", code=FAILED, login=login))
        # As sudo does, which takes the variable out of the environment.
        command, environment = self.words("confirm", login=login)
        inner = ["sh", "-c", 'env -u SSH_CONNECTION "$@"; exit $?', "sh", *command]
        done = subprocess.run(inner, env=environment, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertIn("log in anew", done.stderr)
        self.assertIsNone(trial.poll())
        self.tool("confirm", login=login.replace("50000", "50001"))
        self.end(trial, 0)

    def test_confirmed_by_no_older_login(self):
        """Another one than the one that has made the change, and there before: it says as little."""
        older = "192.0.2.7 50001 192.0.2.1 22"
        command, environment = self.words("confirm", login=older)
        waiting = subprocess.Popen(["sh", "-c", 'read go; "$@"; exit $?', "sh", *command], text=True,
                                   env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(waiting.kill)
        trial = self.begin(*self.activate("--confirm-within", LATE),
                           login=older.replace("50001", "50000"))
        _, said = waiting.communicate("go\n", timeout=2 * PATIENCE)
        self.assertEqual(waiting.returncode, FAILED, said)
        self.assertIn("this login was there before the change; log in anew", said)
        self.assertIsNone(trial.poll())
        self.tool("confirm", login=older)  # from a process that is younger
        self.end(trial, 0)

    def test_confirmed_once_more(self):
        """What the first confirmation did not get to is done by the second."""
        calls = self.home / "calls"
        systemctl = self.home / "bin/systemctl"
        systemctl.parent.mkdir()
        systemctl.write_text(f"""#!/bin/sh
echo "$*" >>{calls}
case "$*" in
start*) exec {self.service} start ;;
stop*) exec {self.service} stop ;;
*enable*) [ -e {calls}.enable ] ;;
esac
""")
        systemctl.chmod(0o755)
        path = {"path": systemctl.parent}
        trial = self.begin("activate", "--service", "systemd", "--confirm-within", LATE, **path)
        self.assertIn("confirmed, but it will not start with the machine",
                      self.tool("confirm", code=FAILED, **path))
        self.end(trial, 0)
        Path(f"{calls}.enable").touch()
        self.assertIn("confirmed", self.tool("confirm", **path))
        enabled = [line for line in calls.read_text().splitlines() if "enable" in line]
        self.assertEqual(enabled, ["--quiet enable postern-guard.service posternd.service"] * 2)

    def test_the_tool_is_killed(self):
        trial = self.begin(*self.activate("--confirm-within", SOON))
        trial.kill()
        trial.wait()
        self.assert_taken_back()

    def test_the_terminal_goes(self):
        """With all that has it for its terminal, as at the end of a connection."""
        person, terminal = pty.openpty()
        command, environment = self.words(*self.activate("--confirm-within", SOON))
        process = subprocess.Popen(["setsid", "--ctty", *command], env=environment, stdin=terminal,
                                   stdout=terminal, stderr=terminal, start_new_session=True)
        os.close(terminal)
        self.assertTrue(eventually(lambda: self.rules() != self.before))
        os.close(person)
        process.wait(2 * PATIENCE)
        self.assert_taken_back()

    def test_rollback(self):
        trial = self.begin(*self.activate("--confirm-within", LATE))
        self.tool("rollback")
        self.end(trial, FAILED)
        self.assert_taken_back()

    def test_a_second_one_meanwhile(self):
        trial = self.begin(*self.activate("--confirm-within", LATE))
        self.assertIn("first postern confirm, or postern rollback",
                      self.tool(*self.activate(), code=FAILED))
        self.tool("confirm")
        self.end(trial, 0)

    def test_rules_stand_already(self):
        """Then nothing is to be shut, and nothing may be opened."""
        self.server.run(self.service, "start")
        os.kill(int((self.home / "pid").read_text()), signal.SIGKILL)
        self.assertTrue(eventually(lambda: "postern" in self.rules()))
        self.assertIn("shut already", self.tool(*self.activate("--confirm-within", SOON), code=FAILED))
        self.assert_all_shut()
        self.server.run(program("postern-guard"), "--release")

    def test_a_daemon_that_does_not_start(self):
        """It shuts the ports all the same, and that is taken back at once."""
        configuration = self.configuration(udp_port=SERVICE_PORT)
        taken = self.server.socket(10, 2)
        self.addCleanup(taken.close)
        taken.bind(("::", SERVICE_PORT))
        self.write(configuration)
        self.assertIn("did not start", self.tool(*self.activate("--confirm-within", LATE), code=FAILED))
        self.assertEqual(self.rules(), self.before)
        self.assert_all_open()

    def beside_script(self, text):
        """A place without systemd, where a script starts and stops the guard."""
        script = self.home / "init.d/postern-guard"
        script.parent.mkdir()
        script.write_text("#!/bin/sh\n" + text)
        script.chmod(0o755)
        return ["unshare", "--mount", "sh", "-ec", "mount -t tmpfs none /run; "
                'mount --bind "$0" /etc/init.d; exec "$@"', script.parent]

    def test_rollback_where_a_script_has_the_guard(self):
        """Whatever supervises the guard would start it again, and it would shut the ports."""
        calls = self.home / "calls"
        place = self.beside_script(f'echo "$*" >>{calls}\n[ -e {calls}.work ]\n')
        trial = self.begin(*self.activate("--confirm-within", LATE), place=place)
        self.assertIn("/etc/init.d/postern-guard stop failed, exit status 1",
                      self.tool("rollback", code=FAILED, place=place))
        self.end(trial, FAILED)
        Path(f"{calls}.work").touch()
        self.tool("rollback", place=place)
        self.assert_taken_back()
        self.assertEqual(calls.read_text(), "stop\nstop\n")

    def test_release_where_a_script_has_the_guard(self):
        calls = self.home / "calls"
        place = self.beside_script(f'echo "$*" >>{calls}\n[ -e {calls}.work ]\n')
        command, _ = self.words("release", "--yes", place=place)
        self.server.run(self.service, "start")
        os.kill(int((self.home / "pid").read_text()), signal.SIGKILL)
        self.assertTrue(eventually(lambda: "postern" in self.rules()))
        command = command[:-2]  # it knows no state directory
        done = subprocess.run(command, text=True, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("/etc/init.d/postern-guard stop failed", done.stderr)
        self.assertIn("postern", self.rules())
        Path(f"{calls}.work").touch()
        self.assertEqual(subprocess.run(command, stderr=subprocess.DEVNULL).returncode, 0)
        self.assertEqual(self.rules(), self.before)
        self.assertEqual(calls.read_text(), "stop\nstop\n")

    def test_no_room_on_the_disk(self):
        """Nothing is changed that could not be taken back."""
        (self.home / "state").mkdir(mode=0o700)
        in_it = ["sh", "-c", f"mount -t tmpfs -o size=4k,nr_inodes=2,mode=700 none {self.home}/state; "
                 f"printf x >{self.home}/state/full; exec \"$@\"", "sh"]
        command, environment = self.words(*self.activate("--confirm-within", LATE))
        done = subprocess.run([*command[:4], *in_it, *command[4:]], env=environment, text=True,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertEqual(self.rules(), self.before)

    def test_no_such_service(self):
        self.tool("activate", "--service", self.home / "nothing", code=FAILED)
        self.tool("activate", "--service", self.home / "config.yaml", code=PERMISSION)
        self.assertEqual(self.rules(), self.before)

    def test_only_root(self):
        command, environment = self.words(*self.activate())
        for file in (self.home, self.home / "config.yaml"):
            shutil.chown(file, UNPRIVILEGED)
        done = subprocess.run([*command[:4], "setpriv", f"--reuid={UNPRIVILEGED}", "--clear-groups",
                               *command[4:]], env=environment, text=True, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, PERMISSION, done.stderr)
        self.assertEqual(self.rules(), self.before)


class ReloadTest(TrialTest):
    """Port 8080 is open to everybody until the new configuration."""

    def setUp(self):
        super().setUp()
        self.start(prepare=self.prepare)
        self.old = self.daemon.file.read_text()
        self.before = self.rules()
        self.more = self.configuration(ports={"default": [f"{SERVICE_PORT}/tcp", f"{OTHER_PORT}/tcp"]})

    def configure(self):
        self.daemon.configure(self.more)
        self.new = self.daemon.file.read_text()

    def assert_taken_back(self):
        self.assertTrue(eventually(lambda: self.rules() == self.before), self.rules())
        self.assertEqual(self.daemon.file.read_text(), self.old)
        self.assertEqual(self.daemon.file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(Path(f"{self.daemon.file}.rejected").read_text(), self.new)
        self.assert_all_open(OTHER_PORT)
        self.assert_all_shut(SERVICE_PORT)
        self.assertEqual(list(self.home.glob(".*previous*")), [])

    def test_not_confirmed(self):
        self.connect(OTHER_PORT)
        self.configure()
        trial = self.begin("reload", "--confirm-within", SOON)
        self.assert_all_shut(OTHER_PORT)
        self.assertIn("taken back", self.end(trial, FAILED))
        self.assert_taken_back()

    def test_confirmed(self):
        self.configure()
        trial = self.begin("reload", "--confirm-within", LATE)
        self.tool("confirm")
        self.end(trial, 0)
        self.assert_all_shut(OTHER_PORT)
        self.assertEqual(self.daemon.file.read_text(), self.new)
        self.assertEqual(list(self.home.glob(".*previous*")), [])
        self.assertFalse(Path(f"{self.daemon.file}.rejected").exists())

    def test_the_tool_is_killed(self):
        self.configure()
        trial = self.begin("reload", "--confirm-within", SOON)
        trial.kill()
        trial.wait()
        self.assertTrue(eventually(lambda: self.daemon.file.read_text() == self.old))
        self.assert_taken_back()

    def test_several_at_once(self):
        """One is on trial. The others change nothing of what it would bring back, and say why."""
        self.configure()
        command, _ = self.words("reload", "--confirm-within", LATE, "--no-wait")
        tools = [subprocess.Popen(command, text=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
                 for _ in range(4)]
        said = [(tool.communicate(timeout=2 * PATIENCE)[1], tool.returncode) for tool in tools]
        self.assertEqual(sorted(code for _, code in said), [0, FAILED, FAILED, FAILED], said)
        for text, code in said:
            if code == FAILED:
                self.assertIn("first postern confirm, or postern rollback", text)
        self.assert_all_shut(OTHER_PORT)
        self.tool("rollback")
        self.assert_taken_back()

    def test_revoked_meanwhile_is_revoked_afterwards(self):
        self.configure()
        trial = self.begin("reload", "--confirm-within", LATE)
        self.postern("revoke", "alice")
        self.tool("rollback")
        self.end(trial, FAILED)
        self.knock()
        self.settle()
        self.assert_all_shut()

    def test_a_bad_file(self):
        self.daemon.file.write_text(self.old + "nonsense: 1\n")
        self.tool("reload", "--confirm", code=78)
        self.assertIn("nothing is on trial", self.tool("confirm", code=FAILED))
        self.assertEqual(self.rules(), self.before)
        self.assertEqual(list(self.home.glob(".*previous*")), [])

    def test_a_file_that_changed_while_it_was_accepted(self):
        """What is kept is what is in force, or nothing."""
        kept = self.home / "state/config.accepted"
        self.assertEqual(kept.read_text(), self.old)
        self.assertEqual(kept.stat().st_mode & 0o777, 0o600)
        self.configure()
        self.assertEqual(kept.read_text(), self.old)
        self.postern("reload")
        self.assertEqual(kept.read_text(), self.new)
        kept.unlink()
        self.assertIn("no copy", self.tool("reload", "--confirm", code=FAILED))

    def test_another_file_than_the_daemons(self):
        """It must not come to stand in the place of that one."""
        self.configure()
        other = self.home / "other.yaml"
        shutil.copy(self.daemon.file, other)
        other.write_text(other.read_text() + "# mine\n")
        text = other.read_text()
        self.assertIn("another file", self.tool("reload", "--confirm", "--config", other, code=FAILED))
        self.assertEqual(other.read_text(), text)
        self.assertIn("nothing is on trial", self.tool("confirm", code=FAILED))
        self.assertEqual(list(self.home.glob(".*previous*")), [])

    def test_a_plain_reload_warns(self):
        """And waits for nobody."""
        self.connect(OTHER_PORT)
        self.configure()
        said = self.tool("reload")
        self.assertIn("2 live connections", said)
        self.assertIn("postern reload --confirm", said)
        self.assert_all_shut(OTHER_PORT)
        self.assertNotIn("live", self.tool("reload"))  # it shuts nothing more

    def test_a_plain_reload_asks_a_person(self):
        self.connect(OTHER_PORT)
        self.configure()
        command, _ = self.words("reload")
        for answer, code in ((b"no\n", FAILED), (b"yes\n", 0)):
            person, terminal = pty.openpty()
            os.write(person, answer)
            done = subprocess.run(command, stdin=terminal, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, code, done.stderr)
            for end in (person, terminal):
                os.close(end)
            self.assertEqual(self.rules() == self.before, code == FAILED)

    def test_no_warning_of_those_who_have_a_grant(self):
        self.start(self.configuration(ports={"default": [f"{SERVICE_PORT}/tcp"],
                                             "other": [f"{OTHER_PORT}/tcp"]},
                                      drop_ports=False), prepare=self.prepare)
        self.connect(SERVICE_PORT)
        for family in FAMILIES:
            self.knock(family=family)
        self.settle()
        self.daemon.configure(self.configuration())
        self.assertNotIn("live", self.tool("reload"))


class UnusedTest(unittest.TestCase):
    """As when a package is removed that nobody has used."""

    def test_nothing_is_left_behind(self):
        with tempfile.TemporaryDirectory() as folder:
            for place in (Path(folder, "missing"), Path(folder)):
                for command in ("confirm", "rollback"):
                    done = subprocess.run([program("postern"), command, "--state-dir", place], text=True,
                                          stderr=subprocess.PIPE, timeout=PATIENCE)
                    self.assertEqual(done.returncode, FAILED, done.stderr)
                    self.assertIn("nothing is on trial", done.stderr)
            self.assertEqual(os.listdir(folder), [])


class DryRunTest(TrialTest):
    def setUp(self):
        super().setUp()
        self.start(prepare=self.prepare)
        self.knock()
        self.assert_opens()
        self.settle()

    def state(self):
        """All that a dry run must leave as it is."""
        files = {path: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
                 for path in self.home.rglob("*") if path.is_file() and path.suffix != ".log"
                 and path.name not in ("replay", "networks", "log")}
        sessions = [line.split()[:2] for line in self.postern("sessions").splitlines()]
        rules = self.server.run("sh", "-c", r"nft -s list ruleset | sed 's/expires [^ ,]*//'")
        return files, rules, sessions, sorted(self.daemon.pids), self.daemon.living()

    def unchanged(self, *words, program_name="postern", code=0):
        before = self.state()
        if program_name == "postern":
            command, _ = self.words(*words)
            if words[0] in ("add", "revoke", "release"):
                command = command[:-2]
        else:
            command = ["ip", "netns", "exec", self.server.name, program(program_name), *words]
        done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(self.state(), before)
        return done.stdout

    def test_add_and_revoke(self):
        self.assertIn("carol", self.unchanged("add", "--dry-run", "carol", "--ports", "8080/tcp"))
        self.assertFalse((self.home / "clients.d").exists())
        self.unchanged("add", "--dry-run", "alice", code=FAILED)
        said = self.unchanged("revoke", "--dry-run", "alice")
        self.assertIn(self.address(4, self.client), said)
        self.unchanged("revoke", "--dry-run", "nobody", code=FAILED)

    def test_reload(self):
        self.daemon.configure(self.configuration(
            {"alice": None, "bob": {"allowed_ports": [f"{OTHER_PORT}/tcp"]},
             "marker": {"allowed_ports": [f"{OTHER_PORT}/tcp"]}}, ports={"default": []}))
        said = self.unchanged("reload", "--dry-run")
        self.assertIn(f"newly shut: {OTHER_PORT}/tcp", said)
        self.assertIn(f"no longer shut: {SERVICE_PORT}/tcp", said)
        self.assertIn(f"end the grant of alice for {self.address(4, self.client)}", said)
        self.assertNotIn("grant of marker", said)
        self.daemon.file.write_text("nonsense: 1\n")
        self.unchanged("reload", "--dry-run", code=78)

    def test_what_cannot_change(self):
        self.daemon.configure(self.configuration(udp_port=50001))
        self.unchanged("reload", "--dry-run", code=78)

    def test_release(self):
        self.server.nft(HOST)
        self.assertTrue(eventually(lambda: "let granted packets by" in self.rules()))
        said = self.unchanged("release", "--dry-run")
        self.assertIn("delete table inet postern", said)
        self.assertRegex(said, r'delete rule inet mine input handle \d+')

    def test_the_daemon(self):
        """Its rules, as text that nft takes."""
        self.start(self.configuration(notrack="no"), prepare=self.prepare)
        self.server.nft(HOST)
        self.assertTrue(eventually(lambda: "let granted packets by" in self.rules()))
        said = self.unchanged("--dry-run", "-c", self.daemon.file, "--state-dir", self.home / "state",
                              program_name="posternd")
        self.server.run("nft", "--check", "-f", "-", text=said.replace("inet postern", "inet another"))
        self.assertIn("table inet postern {", said)
        self.assertNotIn("insert rule", said)  # it stands
        self.daemon.stop()
        self.server.flush_rules()
        self.server.nft(HOST)
        before = self.rules()
        said = self.server.run(program("posternd"), "--dry-run", "-c", self.daemon.file)
        self.assertIn('insert rule inet mine input meta mark', said)
        self.assertEqual(self.rules(), before)
        self.server.nft(said)  # and is what the daemon does
        ours = self.rule_lines()
        self.server.flush_rules()
        self.server.nft(HOST)
        self.daemon.start()
        self.assertEqual(self.rule_lines(), ours)

    def rule_lines(self):
        """Without whose the table is, and of which boot."""
        return [line.partition(" # progname")[0] for line in self.rules().splitlines()
                if line and not re.match(r"\t(comment|flags) ", line)]

    def test_activate(self):
        self.assertIn(f"{SERVICE_PORT}/tcp", self.unchanged("activate", "--dry-run"))
