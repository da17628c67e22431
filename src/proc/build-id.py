#!/usr/bin/python3
"""Writes build-id.c: a hash of all sources and of what the build was told. Two programs that have
the same agree on their messages. `build-id.py OUT SOURCE_ROOT WORD...`"""

import hashlib
import sys
from pathlib import Path

out, root, *words = sys.argv[1:]
digest = hashlib.sha256("\0".join(words).encode())
for path in sorted([*Path(root, "src").rglob("*.[ch]"), *Path(root, "src").rglob("meson.build"),
                    Path(root, "meson.build")]):
    digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
text = "\n".join(["#include \"proc/hello.h\"", "", "const uint8_t build_id[BUILD_ID_BYTES] = {",
                  "\t" + ", ".join(str(byte) for byte in digest.digest()[:16]) + "};", ""])
if not Path(out).exists() or Path(out).read_text() != text:
    Path(out).write_text(text)
