"""A runner of either kind under test, with a program at the other end that plays main and the keeper."""

import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from daemon import BUILD, children, descendants, state_of
from netns import PATIENCE, eventually

HARNESS = BUILD / "tests/system/runner_harness"
USER = 200000 + os.getpid()  # nobody else's: limits per user count us alone
ALICE = "8e29c98d-cb57-40a6-8e79-4e1a21bc54dd"
TCP = 6


def device(number):
    return f"00000000-0000-4000-8000-{number:012x}"


class Runner:
    """`settings`: see runner_harness.c. `prefix` is a command that it is started by, `executable` the
    runner's."""

    def __init__(self, log, *settings, role="runner", user=USER, prefix=(),
                 executable="postern-runner"):
        self.log_path = log
        self.answers = {}
        self.lines = queue.Queue()
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(
                [*prefix, HARNESS, role, str(user), "format=json", *settings],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1,
                env={**os.environ, "RUNNER": str(BUILD / executable)})
        self.pid = int(self.process.stdout.readline().split()[1])
        self.first = self.process.stdout.readline().strip()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.split())
        self.lines.put(None)

    def ask(self, task, ticket, who=ALICE, protocol=TCP, first=22, last=22, nat=0, duration=180,
            client="10.0.0.5", server="127.0.0.1", timestamp=1795206947):
        self.process.stdin.write(f"{task} {ticket} {who} {protocol} {first} {last} {nat} "
                                 f"{duration} {client} {server} {timestamp}\n")

    def answer(self, ticket, within=PATIENCE):
        """[outcome, duration, key]"""
        while ticket not in self.answers:
            words = self.lines.get(timeout=within)
            if words is None or words[0] == "ended":
                self.lines.put(words)
                raise EOFError("the runner has ended")
            key = int(words[0]) if words[0].isdigit() else words[0]
            self.answers[key] = words[1:]
        return self.answers.pop(ticket)

    def outcome(self, task, ticket=1, **fields):
        self.ask(task, ticket, **fields)
        return self.answer(ticket)[0]

    def main_asks(self, task):
        """What becomes of serverStart ("start") or serverStop ("stop")."""
        self.process.stdin.write(f"main {task}\n")
        return self.answer(task)[0]

    def lose_keeper(self):
        self.process.stdin.write("keeper gone\n")

    def close(self):
        """The status of the runner."""
        if self.process.stdin.closed:
            return None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait(PATIENCE)
        status = None
        while (words := self.lines.get(timeout=PATIENCE)) is not None:
            if words[0] == "ended":
                status = int(words[1])
        self.process.stdout.close()
        return status

    def programs(self):
        """Its descendants that live."""
        return [p for p in descendants(self.pid) if state_of(p) not in (None, "Z")]

    def started(self):
        """The programs alone that it started itself and that live: what a script starts has the
        script's command line, too, before it has its own."""
        return [p for p in children().get(self.pid, []) if state_of(p) not in (None, "Z")]

    def log(self):
        return self.log_path.read_text()

    def events(self, **fields):
        text = self.log()  # the last line may be about to be written
        lines = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]
        return [line for line in lines if all(line.get(k) == v for k, v in fields.items())]


class RunnerTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="postern-runner-"))
        self.folder.chmod(0o755)
        self.runners = []
        self.addCleanup(self.clean)

    def clean(self):
        for runner in self.runners:
            runner.close()
            print(runner.log()[-4000:])
        shutil.rmtree(self.folder)

    def write(self, name, text, mode=0o755):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def sh(self, text, name="script"):
        return self.write(name, f"#!/bin/sh\n{text}\n")

    def python(self, text, name="script.py"):
        return self.write(name, f"#!/usr/bin/python3 -S\n{text}\n")

    def runner(self, *settings, **options):
        runner = Runner(self.folder / f"log{len(self.runners)}", *settings, **options)
        self.runners.append(runner)
        self.assertEqual(runner.first, "ready", runner.log())
        return runner

    def writable(self):
        """A folder that programs may write to."""
        folder = self.folder / "writable"
        folder.mkdir()
        os.chown(folder, USER, USER)
        return folder

    def assert_nothing_left(self, runner):
        self.assertTrue(eventually(lambda: not descendants(runner.pid)),
                        f"left: {descendants(runner.pid)}")
