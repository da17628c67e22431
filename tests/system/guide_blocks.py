"""A guide: its fenced blocks, and what it shows of output against what comes."""

import re

# What differs each time.
CHANGES = ((r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"), (r"[A-Za-z0-9+/]{43}=", "KEY"),
           (r"\b[0-9a-f]{16}\b", "FINGERPRINT"), (r"\b\d+(\.\d+)?(ms|s|m|h)\b", "DURATION"),
           (r"\s+", " "))


def blocks(path):
    """(language, place, text) of every block."""
    return re.findall(r"^```(\w+) (\S+)\n(.*?)^```$", path.read_text(), re.M | re.S)


def blotted(text):
    for pattern, word in CHANGES:
        text = re.sub(pattern, word, text)
    return text.strip()


def shown(text):
    """The pattern of what a block shows. A line `...` stands for any others."""
    parts = [re.escape(blotted(part)) for part in re.split(r"^\.\.\.$", text, flags=re.M)]
    return r"\A" + r".*".join(parts) + r"\Z"
