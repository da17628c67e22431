#!/usr/bin/env python3
"""make-corpus.py NAME OUT-DIR STAMP VECTORS-DIR: captured packets, keys and files as seeds of a fuzz
target. What is not captured stands in corpus/NAME."""

import json
import pathlib
import sys


def openme(vectors):
    for i, vector in enumerate(json.loads((vectors / "openme-v1.json").read_text())["vectors"]):
        packet = bytes.fromhex(vector["packet"])
        yield f"knock-{i}", packet
        yield f"short-{i}", packet[:-1 - i]
        recipe = packet[1:45] + bytes.fromhex(vector["plaintext"]) + bytes([i, i])
        assert len(recipe) == 32 + 12 + 40 + 2
        yield f"recipe-{i}", recipe


def exchanges(vectors):
    return enumerate(json.loads((vectors / "openspa-v1.json").read_text())["vectors"])


def openspa(vectors):
    for i, vector in exchanges(vectors):
        yield f"request-{i}", bytes.fromhex(vector["request"])
        yield f"response-{i}", bytes.fromhex(vector["response"])
        yield f"recipe-{i}", bytes.fromhex(vector["signed_payload"]) + bytes([0, i, i])


def rsa_pem(vectors):
    for i, vector in exchanges(vectors):
        yield f"private-{i}", vector["client_private_key_pem"].encode()
        yield f"public-{i}", vector["client_public_key_pem"].encode()


def runner(vectors):
    for i, vector in exchanges(vectors):
        key = vector["client_public_key_pem"]
        yield f"script-{i}", key.encode()
        yield f"helper-{i}", json.dumps({"id": 1, "ok": True, "publicKey": key}).encode()


def files(name, corpus):
    """A file that was captured, and those of tests/corpus that are of its kind."""
    def found(vectors):
        yield name, (vectors / name).read_bytes()
        for path in (vectors.parent / "corpus").glob(corpus):
            yield f"corpus-{path.name}", path.read_bytes()
    return found


def main():
    seeds = {"openme": openme, "openspa": openspa, "rsa_pem": rsa_pem, "runner": runner,
             "conf": files("openme-server.yaml", "open*/*.yaml"),
             "client_conf": files("openme-client.yaml", "openme-client/*"),
             "ospa": files("client.ospa", "openspa/*.ospa")}[sys.argv[1]]
    out, stamp, vectors = map(pathlib.Path, sys.argv[2:])
    out.mkdir(parents=True, exist_ok=True)
    for name, data in seeds(vectors):
        (out / name).write_bytes(data)
    stamp.touch()


main()
