#!/usr/bin/python3
"""picture.py OUT.svg: records demo.sh and draws what its middle says, as it comes: text alone, in
the colours of who looks at it. Needs root, as the demonstration does."""

import os
import pty
import re
import sys
import time
from pathlib import Path
from xml.sax.saxutils import escape

FIRST, LAST = "2. ", "6. "  # steps: from the one, to before the other
LEFT_OUT = re.compile(r"Sessions as of|Junk is dropped|ACTIVE SESSIONS|^\s*$")
COLUMNS, ROW, COLUMN, MARGIN, BAR = 112, 19, 7.83, 18, 34
PAUSE = 0.6  # seconds, that nothing takes longer than in the picture
STYLES = {"1": "b", "2": "d", "32": "g", "31": "r"}
CSS = """
svg { --paper: #fbfbfa; --edge: #d6d3d1; --ink: #292524; --dim: #78716c; --good: #15803d; --bad: #b91c1c; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #1c1917; --edge: #44403c; --ink: #e7e5e4; --dim: #a8a29e; --good: #4ade80; --bad: #f87171; }
}
text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: var(--ink); white-space: pre; }
.b { font-weight: 700; } .d { fill: var(--dim); } .g { fill: var(--good); font-weight: 700; }
.r { fill: var(--bad); } .t { fill: var(--dim); }
g { animation: come .15s both; }
@keyframes come { from { opacity: 0; } }
@media (prefers-reduced-motion) { g { animation: none; } }
"""


def recorded(command):
    """Lines as they came on a terminal, each with its time in seconds."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    begin, rest, lines = time.monotonic(), b"", []
    while True:
        try:
            some = os.read(terminal, 4096)
        except OSError:  # its far end is closed
            break
        if not some:
            break
        *whole, rest = (rest + some).split(b"\n")
        lines += [(time.monotonic() - begin, line.decode().rstrip("\r")) for line in whole]
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        sys.exit("picture.py: the demonstration failed:\n" + "\n".join(line for _, line in lines))
    return lines


def bare(line):
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def chosen(lines):
    """The steps in the middle, without what repeats itself."""
    found, seen, on = [], set(), False
    for at, line in lines:
        words = bare(line)
        on = (on or words.startswith(FIRST)) and not words.startswith(LAST)
        heading = words.lstrip().startswith("CLIENT ")
        if not on or LEFT_OUT.search(words) or (heading and words in seen):
            continue
        if words[0].isdigit() and found:
            found.append((at, ""))
        seen.add(words)
        found.append((at, line))
    return found


def spans(line):
    """One tspan for each stretch of one style."""
    style, parts = "", []
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        code = re.fullmatch(r"\x1b\[([0-9;]*)m", piece)
        if code:
            style = STYLES.get(code.group(1), "")
        elif piece:
            kind = f' class="{style}"' if style else ""
            parts.append(f"<tspan{kind}>{escape(piece[:COLUMNS])}</tspan>")
    return "".join(parts)


def drawn(lines):
    width, height = COLUMNS * COLUMN + 2 * MARGIN, len(lines) * ROW + BAR + 2 * MARGIN
    delay, before, rows = 0.5, lines[0][0], []
    for i, (at, line) in enumerate(lines):
        delay += min(at - before, PAUSE)
        before = at
        if line:
            rows.append(f'<g style="animation-delay:{delay:.2f}s"><text x="{MARGIN}" '
                        f'y="{BAR + MARGIN + i * ROW + 13}" xml:space="preserve">{spans(line)}'
                        '</text></g>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" '
        'aria-label="A terminal: a scan finds nothing, a knock opens the port for its sender, the '
        'session runs out, and the captured knock opens nothing.">', f"<style>{CSS}</style>",
        f'<rect x=".5" y=".5" width="{width - 1:.0f}" height="{height - 1}" rx="9" '
        'style="fill:var(--paper);stroke:var(--edge)"/>',
        f'<text class="t" x="{width / 2:.0f}" y="22" text-anchor="middle">make demo</text>',
        f'<path d="M0 {BAR}H{width:.0f}" style="stroke:var(--edge)"/>', *rows, "</svg>", ""])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    here = Path(__file__).resolve().parent
    Path(sys.argv[1]).write_text(drawn(chosen(recorded([str(here / "demo.sh")]))))
