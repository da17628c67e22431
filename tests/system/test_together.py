"""What waits goes from the doorman to the keeper in few system calls, and into few transactions; one
knock alone goes by itself. Counted by strace, with nobody in a hurry."""

import contextlib
import os
import re
import signal
import subprocess

from netns import eventually
from world import FAMILIES, LONG, WorldTest

TOGETHER = 8  # CHANNEL_TOGETHER, and what the doorman serves in one slice
CALL = re.compile(r"^(sendmmsg|recvmmsg)\w*\(.* = (-?\d+)", re.M)


class TogetherTest(WorldTest):
    def setUp(self):
        super().setUp()
        self.server_settings = {"workers": 1, "knock_timeout": LONG, "client_quota": 1000}
        self.start()
        self.roles = self.daemon.roles()
        for family in FAMILIES:  # it is known at its addresses now
            self.knock_alone("203.0.113.255", family)

    def knock_alone(self, target, family):
        granted = self.counted("granted")
        self.knock(target=target, family=family)
        self.assertTrue(eventually(lambda: self.counted("granted") > granted))

    @contextlib.contextmanager
    def calls_of(self, role):
        """What each call that sent or received several at once came to, once it is over, by name."""
        path, found = self.folder / f"calls-{role}", {"sendmmsg": [], "recvmmsg": []}
        tracer = subprocess.Popen(
            ["strace", "-q", "-s", "0", "-e", "trace=/mmsg", "-e", "signal=none", "-o", path,
             "-p", str(self.roles[role])], stderr=subprocess.PIPE, text=True)
        try:
            self.assertTrue(eventually(lambda: self.is_traced(role)), "strace does not trace")
            yield found
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate()
        for name, came_to in CALL.findall(path.read_text()):
            found[name].append(int(came_to))

    def is_traced(self, role):
        with open(f"/proc/{self.roles[role]}/status", encoding="ascii") as status:
            return "TracerPid:\t0\n" not in status.read()

    @contextlib.contextmanager
    def asleep(self, role):
        os.kill(self.roles[role], signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.roles[role], signal.SIGCONT)

    def test_many_that_wait(self):
        targets = [f"203.0.113.{n}" for n in range(1, 41)]
        granted, handed_on = self.counted("granted"), self.counted("handed_on")
        with self.calls_of("doorman") as sent, self.calls_of("keeper") as received:
            with self.asleep("keeper"):
                with self.asleep("doorman"):
                    for n, target in enumerate(targets):
                        self.knock(target=target, family=FAMILIES[n % 2])
                self.assertTrue(eventually(lambda: self.counted("handed_on") == handed_on + 40))
            self.assertTrue(eventually(lambda: self.counted("granted") == granted + 40))
        self.assertLessEqual(set(targets), self.granted())
        # The first finds the keeper at rest, as far as the doorman knows.
        for counts in (sent["sendmmsg"], [n for n in received["recvmmsg"] if n > 0]):
            self.assertEqual(sum(counts), 40, counts)
            self.assertLessEqual(len(counts), 40 // TOGETHER + 2, counts)

    def test_one_that_comes_alone(self):
        """One call to send it, and one to receive it: nobody looks whether there is another."""
        with self.calls_of("doorman") as sent, self.calls_of("keeper") as received:
            for n, family in enumerate(FAMILIES):
                self.knock_alone(f"203.0.113.{n}", family)
        self.assertEqual(sent["sendmmsg"], [1, 1])
        self.assertEqual(received["recvmmsg"], [1, 1])
