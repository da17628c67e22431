#!/usr/bin/env python3
"""vectors-to-c.py OUT IN.json...: captured vectors as C arrays.

Each file NAME.json, {"vectors": [{field: value}]}, becomes `struct NAME_vector` and
`NAME_vectors[]`, with dashes as underscores: hexadecimal text becomes bytes, other text a string, an
integer or a truth int64_t. Only fields that every vector has, with one type and length, are taken.
"""
import json
import pathlib
import re
import sys


def kind(value):
    """The C type of a value: ("int64_t", None), ("uint8_t", bytes), ("const char *", None) or None."""
    if isinstance(value, int):
        return ("int64_t", None)
    if isinstance(value, str) and re.fullmatch(r"([0-9a-f]{2}){4,}", value):
        return ("uint8_t", len(value) // 2)
    if isinstance(value, str):
        return ("const char *", None)
    return None


def literal(value):
    if isinstance(value, int):
        return f"{int(value)}LL"
    if kind(value)[0] == "const char *":
        return json.dumps(value)
    return "{" + ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(value)) + "}"


def arrays(path):
    name = path.stem.replace("-", "_")
    vectors = json.loads(path.read_text())["vectors"]
    fields = [field for field in vectors[0]
              if kind(vectors[0][field]) is not None
              and all(kind(v.get(field)) == kind(vectors[0][field]) for v in vectors)]
    yield f"struct {name}_vector {{"
    for field in fields:
        c_type, size = kind(vectors[0][field])
        yield f"\t{c_type} {field}" + (f"[{size}];" if size else ";")
    yield "};"
    yield f"static const struct {name}_vector {name}_vectors[] = {{"
    for vector in vectors:
        yield "\t{" + ", ".join(f".{f} = {literal(vector[f])}" for f in fields) + "},"
    yield "};"


def main():
    out, *sources = map(pathlib.Path, sys.argv[1:])
    lines = ["/* Made by vectors-to-c.py. */", "#include <stdint.h>"]
    for source in sources:
        lines += arrays(source)
    out.write_text("\n".join(lines) + "\n")


main()
