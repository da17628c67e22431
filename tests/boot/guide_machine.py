"""A machine at which somebody follows a guide: how blocks are run by their places. On the server at its
console, or in the login that the block before has made; on the laptop in its network."""

import contextlib
import subprocess

from booted_world import BootedTest
from guide_blocks import blocks, blotted, shown
from laptop import GATE, LAPTOP, NO_TERMINAL, STRANGER, Laptop, prepare_far_end, prepare_machine
from machine import PATIENCE
from packages import packages

OWN_RULES = "table inet mine { chain input { type filter hook input priority 10; tcp dport 4444 drop; }; }"
LOGIN = f"ssh root@{GATE}"


class GuideTest(BootedTest):
    guide = None

    @classmethod
    def prepare_system(cls):
        super().prepare_system()
        prepare_machine(cls.machine)

    @classmethod
    def plug_in(cls):
        super().plug_in()
        prepare_far_end(cls.client, LAPTOP)
        prepare_far_end(cls.stranger, STRANGER)

    @classmethod
    def install(cls):
        """What the guide takes for granted: somebody's host, and the packages in his folder."""
        cls.machine.run("nft", "-f", "-", text=OWN_RULES)
        cls.rules = cls.machine.run("nft", "list", "ruleset")
        cls.bring_packages(packages()[name] for name in ("postern-server", "postern-client"))

    @classmethod
    def set_up_postern(cls):
        cls.laptop = Laptop(cls.machine, cls.client)

    @classmethod
    def bring_packages(cls, files):
        cls.machine.shell(f"cd; rm -f *.deb; cp {' '.join(files)} .")

    def setUp(self):
        self.login, self.trial, self.code, self.said = False, None, 0, ""
        self.may_complain = False  # a block that is about to be run
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def until_it_ends(self, process):
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def at_console(self, text):
        """(exit status, what was said)"""
        done = subprocess.run(
            self.machine.command("sh", "-ec", f"cd; exec 2>&1; {text}"), text=True, input="y\n",
            stdout=subprocess.PIPE, timeout=4 * PATIENCE)
        return done.returncode, done.stdout

    def begin_trial(self, text):
        """In a session that is there already, and is left open."""
        self.trial = self.until_it_ends(self.laptop.popen(LOGIN, stdin=subprocess.PIPE))
        self.trial.stdin.write(f"{text}exit $?\n")
        self.trial.stdin.flush()
        said = ""
        while not said.endswith("  postern confirm\n"):
            line = self.trial.stdout.readline()
            self.assertTrue(line, said)
            said += "" if NO_TERMINAL in line else line
        return 0, said

    def at_laptop(self, text):
        if text.strip() == LOGIN:
            self.login = True
            return 0, ""
        if not text.startswith("ssh -L"):
            return self.laptop.run(text)
        self.until_it_ends(self.laptop.popen(text, stdin=subprocess.PIPE))
        return 0, ""

    def run_block(self, place, text):
        if place == "server-waits":
            done = self.begin_trial(text)
        elif place in ("client", "machine-client"):
            done = self.at_laptop(text)
        elif self.login:
            self.login = False
            done = self.laptop.run(LOGIN, typed=text)
        else:
            self.assertIn(place, ("machine", "server", "server-refuses"))
            done = self.at_console(text)
        self.code, self.said = done
        print(f"{place}: {text}{self.said}", flush=True)
        if not self.may_complain:
            self.assertEqual(self.code != 0, place == "server-refuses", self.said)

    def follow(self, steps):
        """`steps`: what is around a block, by its first line, in the order of the guide."""
        steps = list(steps)
        for _, place, text in blocks(self.guide):
            if place.endswith("shown"):
                self.assertRegex(blotted(self.said), shown(text))
            elif place == "machine-config":
                self.laptop.append("/.ssh/config", text)
            elif steps and steps[0][0] == text.splitlines()[0]:
                with steps.pop(0)[1]():
                    self.run_block(place, text)
            else:
                self.run_block(place, text)
        self.assertEqual(steps, [], "a block is not in the guide")
