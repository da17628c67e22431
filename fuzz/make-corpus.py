#!/usr/bin/env python3
"""make-corpus.py OUT-DIR STAMP openme-v1.json: captured knocks, whole and bent, as fuzzing seeds."""
import json
import pathlib
import sys

RECIPE_BYTES = 32 + 12 + 40 + 2


def seeds(vectors):
    for i, vector in enumerate(vectors):
        packet = bytes.fromhex(vector["packet"])
        yield f"knock-{i}", packet
        yield f"short-{i}", packet[:-1 - i]
        yield f"recipe-{i}", (packet[1:45] + bytes.fromhex(vector["plaintext"]) + bytes([i, i]))


def main():
    out, stamp, source = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    for name, data in seeds(json.loads(source.read_text())["vectors"]):
        assert not name.startswith("recipe") or len(data) == RECIPE_BYTES
        (out / name).write_bytes(data)
    stamp.touch()


main()
