"""What hangs, or has others wait, is noticed, and nobody waits for it."""

import os
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path
from unittest import mock

from daemon import Daemon, program, state_of
from netns import PATIENCE, eventually
from programs_world import ProgramsTest
from spa_world import PORT
from world import LONG, WorldTest


def fill(fd):
    """Until nothing more goes in, by a description of our own where there is one."""
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # a socket
        with socket.socket(fileno=os.dup(fd)) as s:
            try:
                while True:
                    s.send(b"x" * 100, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
    for size in (4096, 1):
        try:
            while True:
                os.write(own, b"x" * size)
        except BlockingIOError:
            pass
    os.close(own)


def drain(fd):
    os.set_blocking(fd, False)
    found = b""
    try:
        while True:
            found += os.read(fd, 1 << 16)
    except BlockingIOError:
        return found.decode(errors="replace")


def processor_time(pid):
    """In seconds, since its start."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class LogTest(WorldTest):
    """Standard error is something that nobody reads."""

    def start_with(self, ends):
        for end in ends:
            self.addCleanup(os.close, end)
        self.daemon = Daemon(self.server, Path(tempfile.mkdtemp(dir=self.folder)),
                             self.configuration(shutdown="remove", knock_timeout=LONG),
                             "--log-level", "debug")
        self.daemon.start(log=ends[1])

    def assert_lives_on(self, ends):
        reads, writes = ends
        self.start_with(ends)
        fill(writes)
        for _ in range(50):
            self.knock()
        self.assert_opens()
        self.daemon.reload()
        self.knock(self.bob, target="203.0.113.1")
        self.assertTrue(eventually(lambda: "203.0.113.1" in self.granted()))
        drain(reads)
        self.daemon.reload()
        log = drain(reads)
        self.assertRegex(log, r'"main","message":"lines of this log were dropped[^}]*"count":"1"')
        self.assertEqual(log.count('"main","message":"lines of this log were dropped'), 1)
        self.assertIn("reloaded: 3 clients", log)
        self.knock(self.bob, target="203.0.113.2")
        self.assertTrue(eventually(lambda: "203.0.113.2" in self.granted()))
        later = [log]

        def keeper_told():
            later.append(drain(reads))
            return '"keeper","message":"lines of this log were dropped' in "".join(later)
        self.assertTrue(eventually(keeper_told), "".join(later))  # it opens before it writes
        self.assertTrue(os.get_blocking(writes), "flags that are others' were changed")
        fill(writes)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.table(), [])

    def test_a_pipe(self):
        self.assert_lives_on(os.pipe())

    def test_a_socket(self):
        self.assert_lives_on([end.detach() for end in socket.socketpair()])

    def test_full_from_the_start(self):
        ends = os.pipe()
        fill(ends[1])
        self.start_with(ends)
        self.knock()
        self.assert_opens()
        self.assertEqual(self.daemon.stop(), 0)


class Hanging:
    """A role hangs."""

    def assert_ended(self, role):
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        event, = self.daemon.events(message="a process does not answer any more and is killed")
        self.assertEqual((event["process"], event["level"]), (role, "error"))
        self.assertTrue(eventually(lambda: not self.daemon.living()))
        self.assertTrue(self.daemon.events(message="a process has ended", process=role,
                                           how="killed by SIGKILL"))


class RoleTest(Hanging, WorldTest):
    def test_each_role(self):
        for role in ("doorman", "keeper", "desk"):
            with self.subTest(role=role):
                self.start()
                self.daemon.done_by_us.append("killed by SIGKILL")
                os.kill(self.daemon.roles()[role], signal.SIGSTOP)
                self.assert_ended(role)
                self.assertNotEqual(self.table(), [], "the gate fell with the daemon")
                self.assert_shut()

    def test_a_short_break_is_none(self):
        self.start()
        pid = self.daemon.roles()["keeper"]
        for _ in range(3):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(2.5)
            os.kill(pid, signal.SIGCONT)
            time.sleep(1.2)
        self.knock()
        self.assert_opens()

    def test_a_main_that_was_stopped_blames_nobody(self):
        self.start()
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        time.sleep(8)
        os.kill(self.daemon.process.pid, signal.SIGCONT)
        time.sleep(2.5)
        self.knock()
        self.assert_opens()

    def test_the_watchdog_is_fed(self):
        with mock.patch.dict(os.environ, WATCHDOG_USEC="3000000"):
            self.start()
        process, fed = self.daemon.process, self.daemon.notices.wait_for
        for _ in range(3):
            self.assertTrue(fed("WATCHDOG=1", process))
        os.kill(process.pid, signal.SIGSTOP)
        self.assertTrue(eventually(lambda: state_of(process.pid) == "T"))
        self.daemon.notices.drop()
        self.assertFalse(fed("WATCHDOG=1", process, 3))
        os.kill(process.pid, signal.SIGCONT)
        self.assertTrue(fed("WATCHDOG=1", process))

    def test_nobody_is_told_without_a_watchdog(self):
        self.start()
        self.assertFalse(self.daemon.notices.wait_for("WATCHDOG=1", self.daemon.process, 2.5))


class RunnerTest(Hanging, ProgramsTest):
    def test_a_runner(self):
        for role, task in (("runner", "authorization"), ("privileged-runner", "server_start")):
            with self.subTest(role=role):
                self.run_with({task: "echo 60"})
                self.daemon.done_by_us.append("killed by SIGKILL")
                os.kill(self.daemon.roles()[role], signal.SIGSTOP)
                self.assert_ended(role)

    def hang_with_a_rule(self):
        self.run_with({"rule_add": "echo add >>$OUT/calls", "rule_remove":
                       "echo remove >>$OUT/calls"}, script_user="daemon", script_deadline="60s")
        self.granted_for(self.request())
        self.daemon.done_by_us.append("killed by SIGKILL")
        os.kill(self.daemon.roles()["privileged-runner"], signal.SIGSTOP)

    def assert_left_and_shut_by_the_next(self):
        event, = self.daemon.events(
            message="rules of scripts may still be open; the next start has them shut")
        self.assertEqual((event["rules"], event["level"]), ("1", "error"))
        self.assertEqual(self.out("calls").read_text(), "add\n")
        self.daemon.start()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertIn("remove\n", self.out("calls").read_text())

    def test_what_is_left_open_is_said(self):
        self.hang_with_a_rule()
        self.assert_ended("privileged-runner")
        self.assert_left_and_shut_by_the_next()

    def test_a_stop_does_not_wait_for_it(self):
        """Not for two answers, two minutes here."""
        self.hang_with_a_rule()
        self.daemon.process.send_signal(signal.SIGTERM)
        self.assert_ended("privileged-runner")
        self.assert_left_and_shut_by_the_next()


class RogueRunnerTest(ProgramsTest):
    """It says that it lives, but does not do its work: see rogue_runner.c."""

    def start_rogue(self, scripts, **settings):
        daemon = self.make(scripts, script_deadline="100ms", **settings)
        programs = Path(tempfile.mkdtemp(dir=self.folder))
        for name in ("posternd", "postern-doorman", "postern-keeper", "postern-desk"):
            shutil.copy(program(name), programs / name)
        shutil.copy(program("tests/system/rogue_runner"), programs / "postern-runner")
        command = daemon.command
        daemon.command = lambda *more: [programs / "posternd", *command(*more)[1:]]
        daemon.start()

    def test_questions(self):
        self.start_rogue({"authorization": "echo 60"})
        for port in range(1, 4):
            self.client.send(self.request(first=port), self.server.addresses[1][4], PORT)
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        self.assertEqual(len(self.verdicts("program_failed")), 3)
        self.assertTrue(self.daemon.events(message="the runner does not answer any more"))
        self.assertNotEqual(self.table(), [], "the gate fell with the daemon")

    def test_rules(self):
        self.start_rogue({"rule_add": "exit 0", "rule_remove": "exit 0"}, duration="1s")
        self.granted_for(self.request())
        self.assertTrue(eventually(
            lambda: '"overdue"' in self.postern("--json", "sessions")))
        overdue = "a rule could not be shut and may still be open"
        self.assertTrue(eventually(lambda: self.daemon.events(message=overdue, tries="2")))
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        self.assertTrue(self.daemon.events(
            message="the privileged runner does not answer any more"))
        self.assertTrue(self.daemon.events(
            message="rules of scripts may still be open; the next start has them shut"))

    def test_a_stop(self):
        self.start_rogue({"rule_add": "exit 0", "rule_remove": "exit 0"}, duration="600s")
        self.granted_for(self.request())
        self.daemon.process.send_signal(signal.SIGTERM)
        self.assertIn(self.daemon.process.wait(PATIENCE), (0, 1))
        self.assertTrue(self.daemon.events(
            message="rules of scripts may still be open; the next start has them shut", rules="1"))


class DeskTest(WorldTest):
    """A desk that has been taken over: see rogue_desk.c."""

    def start_rogue(self):
        programs = Path(tempfile.mkdtemp(dir=self.folder))
        for name in ("posternd", "postern-doorman", "postern-keeper"):
            shutil.copy(program(name), programs / name)
        shutil.copy(program("tests/system/rogue_desk"), programs / "postern-desk")
        self.daemon = Daemon(self.server, Path(tempfile.mkdtemp(dir=self.folder)),
                             self.configuration(shutdown="remove"))
        command = self.daemon.command
        self.daemon.command = lambda *more: [programs / "posternd", *command(*more)[1:]]
        self.daemon.start()

    def turn(self, how):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(str(self.daemon.control))
            s.send(how.encode())
        self.assertTrue(eventually(lambda: self.daemon.events(message="rogue desk", how=how)))
        time.sleep(0.5)

    def assert_nobody_was_killed(self):
        """By main, for it hung or did not end in time."""
        self.assertEqual([line for line in self.daemon.lines() if "killed" in line["message"]], [])

    def test_it_does_its_work(self):
        """Or the others would pass without a reason."""
        self.start_rogue()
        self.daemon.reload()
        self.knock()
        self.assert_opens()

    def test_reloads_without_end(self):
        self.start_rogue()
        self.turn("reload")
        pids = [self.daemon.process.pid, self.daemon.roles()["keeper"]]
        before, began = sum(map(processor_time, pids)), time.monotonic()
        for _ in range(30):
            time.sleep(0.1)
            self.daemon.notices.drop()  # main waits a second for a manager that does not read
        busy = (sum(map(processor_time, pids)) - before) / (time.monotonic() - began)
        self.assertLess(busy, 0.5, "of a processor")
        # A client is revoked, by SIGHUP.
        self.knock()
        self.assert_opens()
        self.daemon.configure(self.configuration({"alice": None}, shutdown="remove"))
        self.daemon.process.send_signal(signal.SIGHUP)
        self.assertTrue(eventually(
            lambda: self.daemon.notices.drop() or
            self.daemon.events(message="reloaded: 2 clients, 0 devices")))
        self.assert_shut()
        self.assertEqual(self.daemon.stop(), 0)
        self.assert_nobody_was_killed()
        self.assertEqual(self.table(), [])

    def test_one_that_never_takes_a_configuration(self):
        self.start_rogue()
        self.turn("never")
        self.daemon.process.send_signal(signal.SIGHUP)
        self.assertTrue(eventually(
            lambda: self.daemon.events(message="the configuration was not taken over")))
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        self.assert_shut()

    def test_a_stop_while_it_is_waited_for(self):
        self.start_rogue()
        self.turn("never")
        self.daemon.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        self.assertEqual(self.daemon.stop(), 0)
        self.assert_nobody_was_killed()
        self.assertEqual(self.table(), [])

    def test_one_that_does_not_read(self):
        self.start_rogue()
        self.turn("deaf")
        self.knock()
        self.assert_opens()
        self.daemon.done_by_us.append("killed by SIGKILL")
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        self.assertTrue(self.daemon.events(process="desk", how="killed by SIGKILL"))
        self.assertNotEqual(self.table(), [])

    def test_out_of_turn(self):
        self.start_rogue()
        self.turn("flood")
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        self.assertTrue(self.daemon.events(process="desk", message="a process spoke out of turn"))
        self.assert_shut()

    def test_a_stop_while_it_does_not_read(self):
        self.start_rogue()
        self.turn("deaf")
        self.daemon.done_by_us.append("killed by SIGKILL")
        self.daemon.stop()
        self.assertTrue(self.daemon.events(
            process="desk", message="a process did not end in time and was killed"))
        self.assertEqual(self.table(), [])

    def test_questions_without_end(self):
        self.start_rogue()
        keeper = self.daemon.roles()["keeper"]
        self.turn("ask")
        before, began = processor_time(keeper), time.monotonic()
        time.sleep(2)
        busy = (processor_time(keeper) - before) / (time.monotonic() - began)
        self.assertLess(busy, 0.25, "of a processor, for the desk's questions")
        self.knock()
        self.assert_opens()
        self.assertEqual(self.daemon.stop(), 0)
