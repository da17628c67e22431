#!/usr/bin/env python3
"""make-openspa-corpus.py openspa|rsa_pem OUT-DIR STAMP openspa-v1.json: captured packets or keys as
fuzzing seeds."""
import json
import pathlib
import sys


def openspa(i, vector):
    yield f"request-{i}", bytes.fromhex(vector["request"])
    yield f"response-{i}", bytes.fromhex(vector["response"])
    yield f"recipe-{i}", bytes.fromhex(vector["signed_payload"]) + bytes([0, i, i])


def rsa_pem(i, vector):
    yield f"private-{i}", vector["client_private_key_pem"].encode()
    yield f"public-{i}", vector["client_public_key_pem"].encode()


def main():
    seeds = {"openspa": openspa, "rsa_pem": rsa_pem}[sys.argv[1]]
    out, stamp, source = map(pathlib.Path, sys.argv[2:])
    out.mkdir(parents=True, exist_ok=True)
    for i, vector in enumerate(json.loads(source.read_text())["vectors"]):
        for name, data in seeds(i, vector):
            (out / name).write_bytes(data)
    stamp.touch()


main()
