"""One call fails, here, there, anywhere: see faults.c. Nothing crashes, nothing is half written,
and nothing opens but for a knock. With POSTERN_THOROUGH=1 each call of them fails in turn; else the
first ones do, and of the others some."""

import os
import subprocess
import tempfile
from pathlib import Path

from daemon import Daemon, program
from netns import PATIENCE, eventually
from thorough import thorough
from tool import ToolTest
from world import WorldTest

MORE_AND_MORE = (1, 2, 3, 5, 9, 20, 45, 100, 220)
MOST_CALLS = 3000
EACH = 10  # calls that are failed one by one, and then fewer of them
# By the roles without privileges: what they work with is handed to them.
NEVER_CALLED = {("doorman", "open"), ("keeper", "open"), ("desk", "open"),
                ("doorman", "socket"), ("desk", "socket")}
CALLED_ONCE = {("keeper", "socket")}  # to watch the rules; the other is main's
EXITS = (0, 1, 2, 77, 78)


def environment(call, at, role="main"):
    return {"LD_PRELOAD": str(program("tests/system/faults.so")), "FAULT_CALL": call,
            "FAULT_AT": str(at), "FAULT_ROLE": role}


class CommandFaults(ToolTest):
    def sweep(self, call, *command, before, after, at_least=1):
        """Runs it with the first, the second, ... call failing, until none is left to fail, which
        are at least so many."""
        at = 0
        while at < MOST_CALLS:
            at += 1 if at < EACH else thorough(1 + at // 8, 1)
            before()
            done = subprocess.run(
                list(map(str, command)), env={**os.environ, **environment(call, at)},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, timeout=PATIENCE)
            with self.subTest(call=call, at=at):
                self.assertIn(done.returncode, EXITS, done.stderr)
                self.assertNotIn("CRASHED", done.stderr)
                after(done)
            if "FAULT" not in done.stderr:
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertGreaterEqual(at - 1, at_least, f"calls of {call} that were to fail")
                return
        self.fail(f"{MOST_CALLS} calls of {call}, and no end")

    def command(self, *words):
        return [program("postern"), "--config", self.config, "--control", self.control, *words]

    def is_sound(self):
        return subprocess.run([program("posternd"), "--check", "-c", self.config],
                              capture_output=True).returncode == 0

    def nothing_half_written(self, done):
        """What is there is whole: what was there before, or what the command was to write."""
        files = self.server_files()
        if self.config.exists() and files not in self.sound:
            self.assertTrue(self.is_sound(), "the configuration is broken")
            self.sound.append(files)
        for path in files:
            self.assertEqual(path.suffix, ".yaml", "left behind")

    def start_from(self, *commands):
        def prepare():
            for path in self.server_files():
                path.unlink()
            for path, data in self.prepared.items():
                path.write_bytes(data)
                path.chmod(0o600)
        for words in commands:
            self.tool(*words)
        self.prepared = self.server_files()
        self.sound = []  # what was found so, as long as it is the same to the byte
        return prepare

    def test_check(self):
        self.init()
        self.tool("add", "alice", "--no-reload")
        for call, at_least in (("memory", 100), ("open", 2), ("map", 3)):
            self.sweep(call, program("posternd"), "--check", "-c", self.config,
                       before=lambda: None, after=lambda done: None, at_least=at_least)

    def test_commands_that_write(self):
        for words, before in ((["init", "--server", "gate.example.org"], []),
                              (["add", "bob", "--no-reload"], [["init", "--server", "g"]]),
                              (["revoke", "alice", "--no-reload"],
                               [["init", "--server", "g"], ["add", "alice", "--no-reload"]])):
            prepare = self.start_from(*before)
            for call, at_least in (("memory", 100), ("open", 3), ("write", 1), ("sync", 2),
                                   ("rename", 1), ("map", 3)):
                with self.subTest(words=words[0]):
                    self.sweep(call, *self.command(*words), before=prepare,
                               after=self.nothing_half_written, at_least=at_least)
            for path in self.server_files():
                path.unlink()


class DaemonFaults(WorldTest):
    def daemon_with(self, call, at, role):
        """Starts, is knocked at, and ends; nothing is open without the knock."""
        self.server.flush_rules()
        if self.daemon:
            self.daemon.close()
        added = environment(call, at, role)
        os.environ.update(added)
        try:
            self.make(self.configuration(knock_timeout="30s")).start(ready=False)
        finally:
            for name in added:
                del os.environ[name]
        eventually(lambda: self.has_ended() or "ready for knocks" in self.log(), within=20)
        self.assertEqual(self.granted(), set())
        if not self.has_ended():
            self.knock()
            eventually(lambda: self.granted() or "FAULT" in self.log() or self.has_ended())
            eventually(self.granted, within=0.3)  # if it is to come all the same
            self.assertLessEqual(self.granted(), {"10.77.1.2"})
            self.daemon.process.terminate()
        self.assertIn(self.daemon.process.wait(PATIENCE), EXITS)
        self.daemon.notices.drop()  # or what is in them, the owner of the rules, lives on
        self.assertNotIn("CRASHED", self.log())
        return "FAULT" in self.log()

    def has_ended(self):
        return self.daemon.process.poll() is not None

    def log(self):
        return self.daemon.log_path.read_text()

    def make(self, configuration):
        self.daemon = Daemon(self.server, Path(tempfile.mkdtemp(dir=self.folder)), configuration)
        return self.daemon

    def test_start_and_knock(self):
        for role in ("main", "doorman", "keeper", "desk"):
            for call in ("memory", "map", "open", "send", "receive", "socket"):
                hit = 0
                # Of those that a role makes few of, each.
                each = call == "map" and role != "main"
                for at in thorough(range(1, 20), range(1, 100)) if each else MORE_AND_MORE:
                    found = False
                    with self.subTest(role=role, call=call, at=at):
                        found = self.daemon_with(call, at, role)
                    hit += found
                    if not found:
                        break
                with self.subTest(role=role, call=call):
                    if (role, call) in NEVER_CALLED:
                        self.assertEqual(hit, 0)
                    else:
                        self.assertGreaterEqual(hit, len(MORE_AND_MORE) if call == "memory"
                                                else 1 if (role, call) in CALLED_ONCE else 2)
