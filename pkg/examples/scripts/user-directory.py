#!/usr/bin/python3
"""User directory: prints a device's public key, from the folder keys/ beside this script.

    user-directory.py GET_USER_PUBLIC_KEY UUID
"""

import sys
import uuid
from pathlib import Path

if len(sys.argv) != 3 or sys.argv[1] != "GET_USER_PUBLIC_KEY":
    sys.exit(f"unknown question: {' '.join(sys.argv[1:])}")
try:
    print(Path("keys", f"{uuid.UUID(sys.argv[2])}.pub").read_text(), end="")
except (OSError, ValueError) as why:
    sys.exit(f"no key: {why}")
