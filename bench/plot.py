#!/usr/bin/python3
"""Plots as SVG from the JSON of `make bench` and floods.py: bench/plot.py FOLDER RESULTS...

Writes to FOLDER what the results hold: latency.svg (against the number of clients), floods.svg
(knocks that open, against the rate of a flood) and refused.svg (what a refused datagram costs)."""

import json
import math
import sys
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 44, 50
KNOCKS = {"ours": "with hint and tag", "known": "stock, known address",
          "new": "stock, new network"}
COLOURS = ("#0b6e8f", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#475569", "#be123c", "#0f766e")


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def line(x1, y1, x2, y2, colour="#d4d4d8", more=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'{more}/>')


def page(parts, title, height=HEIGHT):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12" fill="#18181b">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        text(16, 20, title, "start", 'font-size="14" font-weight="bold"'), *parts, "</svg>", ""])


def human(value):
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


class Axis:
    """From values to places on the page; logarithmic, or from 0."""

    def __init__(self, values, start, end, logarithmic, most=None):
        values = list(values)
        self.start, self.end, self.logarithmic = start, end, logarithmic
        if logarithmic:
            self.low = math.floor(math.log10(min(values)))
            self.high = max(self.low + 1, math.ceil(math.log10(max(values))))
        else:
            self.low, self.high = 0, most or max(values) * 1.1

    def place(self, value):
        value = math.log10(value) if self.logarithmic else value
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self):
        if self.logarithmic:
            return [10 ** n for n in range(self.low, self.high + 1)]
        step = 10 ** math.floor(math.log10(self.high)) / 2
        while self.high / step > 8:
            step *= 2
        return [i * step for i in range(int(self.high / step + 1e-9) + 1)]


def chart(title, series, x_title, y_title, log_y=False, most=None):
    """`series`: name to (x, y) pairs."""
    points = [point for some in series.values() for point in some]
    x = Axis((p[0] for p in points), LEFT, WIDTH - RIGHT, True)
    y = Axis((p[1] for p in points), HEIGHT - BOTTOM, TOP, log_y, most)
    parts = []
    for tick in x.ticks():
        at = x.place(tick)
        parts += [line(at, TOP, at, HEIGHT - BOTTOM), text(at, HEIGHT - BOTTOM + 18, human(tick))]
    for tick in y.ticks():
        at = y.place(tick)
        parts += [line(LEFT, at, WIDTH - RIGHT, at), text(LEFT - 8, at + 4, human(tick), "end")]
    for i, (name, some) in enumerate(series.items()):
        parts += curve(name, [(x.place(a), y.place(b)) for a, b in sorted(some)], i)
    parts += [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_title),
              text(16, (TOP + HEIGHT - BOTTOM) / 2, y_title, "middle",
                   f'transform="rotate(-90 16 {(TOP + HEIGHT - BOTTOM) / 2:.0f})"')]
    return page(parts, title)


def curve(name, places, number):
    colour = COLOURS[number % len(COLOURS)]
    dashes = 'stroke-dasharray="6 3"' if number >= len(COLOURS) else ""
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    at = TOP + 14 + number * 18
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" {dashes}/>',
            *(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places),
            line(WIDTH - RIGHT + 14, at, WIDTH - RIGHT + 34, at, colour,
                 'stroke-width="2" ' + dashes),
            text(WIDTH - RIGHT + 40, at + 4, name, "start")]


def bars(title, rows, x_title, marks):
    """`rows`: (name, value); `marks`: (name, value) that stand as lines."""
    left, step = 230, 28
    height = TOP + step * len(rows) + BOTTOM
    x = Axis([value for _, value in [*rows, *marks]], left, WIDTH - 60, True)
    parts = []
    for tick in x.ticks():
        at = x.place(tick)
        parts += [line(at, TOP, at, height - BOTTOM), text(at, height - BOTTOM + 18, human(tick))]
    for i, (name, value) in enumerate(rows):
        top, end = TOP + i * step + 5, x.place(value)
        parts += [f'<rect x="{left}" y="{top}" width="{end - left:.1f}" height="{step - 10}" '
                  f'fill="{COLOURS[0]}"/>', text(left - 8, top + 13, name, "end"),
                  text(end + 6, top + 13, f"{value:.3g}", "start")]
    for name, value in marks:
        at = x.place(value)
        parts += [line(at, TOP - 4, at, height - BOTTOM, COLOURS[1], 'stroke-width="2"'),
                  text(at, TOP - 6, name)]
    return page([*parts, text((left + WIDTH - 60) / 2, height - 10, x_title)], title, height)


def panel(title, series, left, top, width, height, x):
    """One of several small plots that share their axes: percent against `x`."""
    bottom = top + height
    parts = [text(left, top - 8, title, "start", 'font-weight="bold"')]
    for tick in x.ticks():
        at = left + x.place(tick) * width
        parts += [line(at, top, at, bottom), text(at, bottom + 16, human(tick))]
    for percent in (0, 50, 100):
        at = bottom - percent / 105 * height
        parts += [line(left, at, left + width, at), text(left - 6, at + 4, str(percent), "end")]
    for colour, points in zip(COLOURS, series.values()):
        path = [(left + x.place(a) * width, bottom - b / 105 * height) for a, b in sorted(points)]
        joined = " ".join(f"{a:.1f},{b:.1f}" for a, b in path)
        parts += [f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>',
                  *(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in path)]
    return parts


def small_multiples(title, panels, x_title):
    """`panels`: title to series, three in a row; what the lines are stands once, below."""
    width, height, across = 186, 130, 3
    rows = -(-len(panels) // across)
    x = Axis([p[0] for series in panels.values() for points in series.values() for p in points],
             0, 1, True)
    parts = []
    for i, (name, series) in enumerate(panels.items()):
        parts += panel(name, series, 44 + i % across * (width + 44), 66 + i // across * (height + 60),
                       width, height, x)
    at = 66 + rows * (height + 60) - 6
    for i, name in enumerate(next(iter(panels.values()))):
        parts += [line(LEFT + i * 200, at, LEFT + 20 + i * 200, at, COLOURS[i], 'stroke-width="2"'),
                  text(LEFT + 26 + i * 200, at + 4, name, "start")]
    return page([*parts, text(WIDTH / 2, at + 30, x_title)], title, at + 44)


# --- What there is to be seen

def latency(results):
    series = {}
    for one in results:
        for count, found in one.get("curve", {}).items():
            point = int(count), found["known"] / 1000
            series.setdefault("knock to connect", {})[point[0]] = point
            if found.get("hinted"):
                series.setdefault("processor time", {})[point[0]] = (
                    point[0], found["hinted"] / 1000)
    return {name: list(points.values()) for name, points in series.items()}


def floods(results):
    """Percent that opened of our knocks and of stock ones, by settings; junk from many sources."""
    panels = {}
    for one in results:
        for flood in one.get("floods", []) if isinstance(one, dict) else one:
            if flood["kind"] != "junk" or "forged" not in flood["flood"] or flood["pps"] == 0:
                continue
            words = ", ".join(f"{k}: {v}" for k, v in flood["settings"].items()) or "no shield key"
            series = panels.setdefault(words, {name: [] for name in KNOCKS.values()})
            for kind, name in KNOCKS.items():
                share = 100 * flood[kind]["opened"] / flood[kind]["of"]
                series[name].append((flood["pps"], share))
    return panels


def refused(results):
    for one in results:
        found = one.get("costs", {}).get("refused") if isinstance(one, dict) else None
        if found:
            return ([(row["reason"], row["doorman_us"]) for row in found],
                    [("one X25519", found[0]["x25519_us"])])
    return [], []


def main(folder, *files):
    results = [json.loads(Path(file).read_text()) for file in files]
    folder = Path(folder)
    curves = latency([one for one in results if isinstance(one, dict)])
    if curves:
        (folder / "latency.svg").write_text(chart(
            "A knock against the number of clients", curves, "clients", "ms", most=None))
    shares = floods(results)
    if shares:
        (folder / "floods.svg").write_text(small_multiples(
            "Percent of knocks that open beside well-formed junk from forged sources", shares,
            "datagrams of junk a second"))
    rows, marks = refused(results)
    if rows:
        (folder / "refused.svg").write_text(bars(
            "Processor time of the doorman for a refused datagram", rows, "microseconds", marks))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
