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
source = f"{'ip' if family == 'ipv4' else 'ip6'} saddr {client}"
if protocol in WHOLE:
    what = f"meta l4proto {WHOLE[protocol]}"
else:
    what = f"{protocol.lower()} dport {first}-{last}"
comment = f"{device} {client} {protocol} {first}-{last}"
# No timeout: asked again, the server extends what is open without a word to us.
sys.exit(subprocess.run(["nft", "add", "rule", "inet", "openspa", "granted",
                         f'{source} {what} accept comment "{comment}"']).returncode)
