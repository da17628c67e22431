"""How far long work is, at a terminal alone."""

import os
import re
import subprocess

import crowd
from daemon import program
from netns import eventually
from terminal import Terminal
from test_tool_daemon import Desk
from tool import ToolTest

LINE = re.compile(r"\r\x1b\[K([^\r]+)")


class ProgressTest(ToolTest):
    """A daemon that takes its time, or a pipe that does, is long enough."""

    def open(self, *words, **how):
        terminal = Terminal(program("postern"), "--config", self.config, "--control", self.control,
                            *words, **how)
        self.addCleanup(terminal.close)
        return terminal

    def shown(self, terminal):
        terminal.read()
        return LINE.findall(terminal.came)

    def test_a_reload(self):
        Desk(self)  # says nothing
        terminal = self.open("reload")
        self.assertTrue(eventually(lambda: len(self.shown(terminal)) > 2))
        first, second, *_ = self.shown(terminal)
        self.assertRegex(first, r"^posternd reads the configuration: [1-9]\d* s$")
        self.assertLess(len(first), terminal.columns)

    def test_it_is_wiped(self):
        """What is said in the end stands alone."""
        desk = Desk(self)
        terminal = self.open("reload")
        self.assertTrue(eventually(lambda: self.shown(terminal)))
        desk.close()  # with the connection
        self.assertTrue(terminal.has_ended())
        self.assertRegex(terminal.came, r"\r\x1b\[Kpostern reload: .*\r\n$")

    def test_quiet_and_no_terminal(self):
        Desk(self)
        for words, environment in ((["--quiet"], {}), ([], {"TERM": "dumb"})):
            terminal = self.open("reload", *words, environment=environment)
            loud = self.open("reload")
            self.assertTrue(eventually(lambda loud=loud: len(self.shown(loud)) > 2))
            terminal.read()
            self.assertEqual(terminal.came, "")
        with subprocess.Popen([program("postern"), "--control", self.control, "reload"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
            loud = self.open("reload")
            self.assertTrue(eventually(lambda: len(self.shown(loud)) > 2))
            os.set_blocking(tool.stderr.fileno(), False)
            self.assertIsNone(tool.stderr.read())
            tool.kill()

    def test_an_index_of_many(self):
        self.init()
        folder = self.config.parent / "clients.d"
        folder.mkdir(mode=0o700)
        crowd.write_private(folder / "many.yaml", ["clients:\n", *(
            crowd.client_text(number, key)
            for number, key in enumerate(crowd.public_keys(100000)))])
        state = self.room / "state"
        state.mkdir(mode=0o700)
        terminal = self.open("index", "--state-dir", state)
        self.assertTrue(terminal.has_ended())
        self.assertTrue(any(re.match(r"reading the clients: \d+ s, [1-9]\d* clients parsed, "
                                     r"\d+ keys vetted$", line) for line in self.shown(terminal)),
                        terminal.came)
