"""What stands in the memory of a process."""

import re
import unittest
from pathlib import Path

LEAST = 12  # bytes in a row that count as a part of a key
SHADOW = 1 << 30  # bytes of a mapping that only a sanitizer has


class Region:
    def __init__(self, head, start, end):
        self.head = head
        self.start, self.end = start, end
        self.locked = False


def regions(pid):
    """The writable mappings of a process, and whether each is locked."""
    found = []
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
        if head:
            found.append(Region(line, *(int(word, 16) for word in head.groups())))
        elif re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            found.append(None)
        elif line.startswith("VmFlags:") and found[-1]:
            found[-1].locked = " lo" in line
    if any(region and region.end - region.start > SHADOW for region in found):
        raise unittest.SkipTest("a sanitizer keeps what was freed")
    return [region for region in found if region]


def places(pid, secrets):
    """(name, region) for each secret that stands somewhere in the process."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for region in regions(pid):
            try:
                memory.seek(region.start)
                content = memory.read(region.end - region.start)
            except OSError:  # a guard page
                continue
            found += [(name, region) for name, secret in secrets.items()
                      if any(part in content for part in parts(secret))]
    return found


def parts(secret):
    """Pieces of it, so that a copy which has been overwritten in part is found as well."""
    return {secret[i:i + LEAST] for i in range(0, len(secret) - LEAST + 1, 4)}
