#!/usr/bin/python3
"""Compiles a BPF program and makes its libbpf skeleton.
`build-bpf.py CLANG BPFTOOL SOURCE OBJECT SKELETON NAME WORD...`; the words go to clang."""

import re
import subprocess
import sys
from pathlib import Path

clang, bpftool, source, target, skeleton, name, *words = sys.argv[1:]
# For the BPF target clang leaves out where the processor's own headers of the kernel are.
native = subprocess.run([clang, "-v", "-E", "-"], stdin=subprocess.DEVNULL, check=True, text=True,
                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).stderr
folders = re.search(r"<\.\.\.> search starts here:\n(.*?)End of search list", native, re.S).group(1)
for folder in folders.split():
    words += ["-idirafter", folder]
# Freestanding: the C library's headers are for programs, and ask for those of 32 bits here.
subprocess.run([clang, "-target", "bpf", "-ffreestanding", "-std=gnu17", "-O2", "-g", "-Wall",
                "-Wextra", *words, "-c", source, "-o", target], check=True)
text = subprocess.run([bpftool, "gen", "skeleton", target, "name", name], check=True, text=True,
                      stdout=subprocess.PIPE).stdout
Path(skeleton).write_text(text)
