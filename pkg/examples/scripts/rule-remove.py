#!/usr/bin/python3
"""Shuts ports in the gate of gate.nft. It is no failure when they are shut already.

    rule-remove.py UUID ipv4|ipv6 CLIENT-IP ipv4|ipv6 SERVER-IP PROTOCOL FIRST LAST NAT SECONDS
"""

import subprocess
import sys

WHOLE = {"ICMP": "icmp", "ICMPV6": "ipv6-icmp", "IPV4": "4"}

if len(sys.argv) != 11:
    sys.exit(f"expected 10 arguments, found {len(sys.argv) - 1}")
device, family, client, _, server, protocol, first, last, nat, seconds = sys.argv[1:]
version = family.removeprefix("ipv")
if protocol in ("TCP", "UDP"):
    where = f"element inet openspa granted{version}"
    what = f"{client} . {protocol.lower()} . {first}-{last}"
else:
    where = f"element inet openspa whole{version}"
    what = f"{client} . {WHOLE[protocol]}"
rules = f"add {where} {{ {what} }}\ndelete {where} {{ {what} }}\n"
sys.exit(subprocess.run(["nft", "-f", "-"], input=rules, text=True).returncode)
