#!/usr/bin/python3
"""Shuts ports in the gate of gate.nft. It is no failure when they are shut already.

    rule-remove.py UUID ipv4|ipv6 CLIENT-IP ipv4|ipv6 SERVER-IP PROTOCOL FIRST LAST NAT SECONDS
"""

import json
import subprocess
import sys

CHAIN = ("chain", "inet", "openspa", "granted")

if len(sys.argv) != 11:
    sys.exit(f"expected 10 arguments, found {len(sys.argv) - 1}")
device, family, client, _, server, protocol, first, last, nat, seconds = sys.argv[1:]
comment = f"{device} {client} {protocol} {first}-{last}"
listed = subprocess.run(["nft", "-j", "list", *CHAIN], check=True, stdout=subprocess.PIPE).stdout
rules = [item.get("rule", {}) for item in json.loads(listed)["nftables"]]
deletes = "".join(f"delete rule inet openspa granted handle {rule['handle']}\n"
                  for rule in rules if rule.get("comment") == comment)
sys.exit(subprocess.run(["nft", "-f", "-"], input=deletes, text=True).returncode)
