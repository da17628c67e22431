#!/usr/bin/python3
"""Opens ports in the gate of gate.nft. The kernel shuts them when the time is over, even if nobody
is left to call rule-remove.

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
# Twice, so that a grant that is there already is replaced; one transaction, so without a gap.
rules = (f"add {where} {{ {what} }}\n"
         f"delete {where} {{ {what} }}\n"
         f"add {where} {{ {what} timeout {seconds}s }}\n")
sys.exit(subprocess.run(["nft", "-f", "-"], input=rules, text=True).returncode)
