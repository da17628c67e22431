#!/usr/bin/python3
"""Authorization: prints for how many seconds a device may have what it asks for, 0: not at all.

    authorization.py UUID CLIENT-IP SERVER-IP PROTOCOL FIRST LAST TIMESTAMP RSA_SHA256 NAT
"""

import sys

ANYBODY = "*"
# device, protocol, ports, seconds; the first that fits decides
RULES = (
    ("8e29c98d-cb57-40a6-8e79-4e1a21bc54dd", "TCP", range(1, 65536), 600),
    (ANYBODY, "TCP", range(22, 23), 180),
    (ANYBODY, "ICMP", range(0, 1), 60),
    (ANYBODY, "ICMPV6", range(0, 1), 60),
)

if len(sys.argv) != 10:
    sys.exit(f"expected 9 arguments, found {len(sys.argv) - 1}")
device, client, server, protocol, first, last, timestamp, method, nat = sys.argv[1:]


def fits(rule):
    who, what, ports, _ = rule
    return (who in (ANYBODY, device) and what == protocol
            and int(first) in ports and int(last) in ports)


print(next((rule[3] for rule in RULES if fits(rule)), 0))
