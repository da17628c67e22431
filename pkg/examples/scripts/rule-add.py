#!/usr/bin/python3
"""Opens ports in the gate of gate.nft, until rule-remove is called.

    rule-add.py UUID ipv4|ipv6 CLIENT-IP ipv4|ipv6 SERVER-IP PROTOCOL FIRST LAST NAT SECONDS
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
# No timeout of the kernel's: asked again, the server extends what is open without a word to us. Two
# devices that come from one address share what is open there.
sys.exit(subprocess.run(["nft", f"add {where} {{ {what} }}"]).returncode)
