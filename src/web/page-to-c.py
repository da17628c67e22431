#!/usr/bin/env python3
"""page-to-c.py OUT FILE...: the files of the status page as C arrays, in a table that is closed by
one without a path (web/request.h)."""
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

out, *files = map(pathlib.Path, sys.argv[1:])
lines = ["/* Made by page-to-c.py. */", '#include "web/request.h"']
rows = []
for number, file in enumerate(files):
    data = file.read_bytes()
    lines.append(f"static const unsigned char file{number}[] = {{")
    lines += [",".join(map(str, data[at:at + 32])) + "," for at in range(0, len(data), 32)]
    lines.append("};")
    rows.append(f'\t{{"/{file.name}", "{TYPES[file.suffix]}", file{number}, sizeof file{number}}},')
lines += ["const struct page_file page_files[] = {", *rows, "\t{0}", "};"]
out.write_text("\n".join(lines) + "\n")
