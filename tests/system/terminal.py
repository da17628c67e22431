"""A terminal for what draws on one: keeps the screen as it is seen, and all that came."""

import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

from netns import eventually

CUT_OFF = re.compile(r"(\x1b(\[[?\d;]*)?)?$")  # what has not come whole yet
SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")


class Terminal:
    def __init__(self, *command, rows=24, columns=80, environment=None):
        self.ours, theirs = pty.openpty()
        self.came = self.cut = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.modes = set()
        self.resize(rows, columns)
        self.modes_before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            [*map(str, command)], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": "",
                 **(environment or {})})
        self.theirs = theirs  # kept open: its modes are looked at

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.grid = [""] * rows
        self.at = 0
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        """What has come since the last time."""
        os.set_blocking(self.ours, False)
        new = b""
        try:
            while part := os.read(self.ours, 65536):
                new += part
        except (BlockingIOError, OSError):
            pass
        text = self.decoder.decode(new)
        self.came += text
        whole = self.cut + text
        self.cut = CUT_OFF.search(whole)[0]
        self._draw(whole[:len(whole) - len(self.cut)])
        return text

    def _draw(self, text):
        """Of what our tool uses: whole lines, each placed by its row."""
        while text:
            found = SEQUENCE.match(text)
            if found:
                private, numbers, letter = found.groups()
                text = text[found.end():]
                if private:
                    (self.modes.add if letter == "h" else self.modes.discard)(numbers)
                elif letter == "H":
                    self.at = int(numbers.split(";")[0] or 1) - 1 if numbers else 0
                    self.fresh = True
                elif letter == "J":
                    first = 0 if numbers == "2" else self.at
                    self.grid[first:] = [""] * (self.rows - first)
                continue
            plain = re.match(r"[^\x1b]+", text)
            assert plain, repr(text[:20])
            assert self.at < self.rows, f"row {self.at + 1} of {self.rows}: {plain[0]!r}"
            self.grid[self.at] = ("" if self.fresh else self.grid[self.at]) + plain[0]
            self.fresh = False
            text = text[plain.end():]

    fresh = True

    def shows(self, pattern):
        """True when a row matches in time."""
        def found():
            self.read()
            return any(re.search(pattern, row) for row in self.grid)
        return eventually(found)

    def has_ended(self):
        def ended():
            self.read()
            return self.process.poll() is not None
        return eventually(ended)

    def is_as_before(self):
        """The screen, the cursor, the breaking of lines, and the keyboard."""
        self.read()
        return (self.came.rstrip().endswith("\x1b[?1049l") and self.modes & {"1049"} == set() and
                {"25", "7"} <= self.modes and
                termios.tcgetattr(self.theirs) == self.modes_before)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)
