#!/usr/bin/python3
"""A resident helper for all tasks: keys from the folder keys/ beside it, a table of what is allowed,
rules in the gate of gate.nft. A question a line on standard input, an answer a line on standard
output; standard error goes to the log. It ends when standard input does.

    {"id":1,"task":"authorization","device":"...","protocol":"TCP","firstPort":22,...}
    {"id":1,"ok":true,"duration":180}
"""

import json
import subprocess
import sys
import uuid
from pathlib import Path

WHOLE = {"ICMP": "icmp", "ICMPV6": "ipv6-icmp", "IPV4": "4"}
SECONDS = {("TCP", 22, 22): 180, ("ICMP", 0, 0): 60, ("ICMPV6", 0, 0): 60}


def public_key(question):
    try:
        return {"ok": True,
                "publicKey": Path("keys", f"{uuid.UUID(question['device'])}.pub").read_text()}
    except OSError:
        return {"ok": False}


def authorization(question):
    asked = question["protocol"], question["firstPort"], question["lastPort"]
    return {"ok": asked in SECONDS, "duration": SECONDS.get(asked, 0)}


def rule(question):
    """What it opens, and the comment to know it again by."""
    client, protocol = question["clientAddress"], question["protocol"]
    ports = f"{question['firstPort']}-{question['lastPort']}"
    what = (f"meta l4proto {WHOLE[protocol]}" if protocol in WHOLE
            else f"{protocol.lower()} dport {ports}")
    return (f"{'ip6' if ':' in client else 'ip'} saddr {client} {what} accept",
            f"{question['device']} {client} {protocol} {ports}")


def nft(rules):
    return {"ok": subprocess.run(["nft", "-f", "-"], input=rules, text=True).returncode == 0}


def rule_add(question):
    what, comment = rule(question)
    return nft(f'add rule inet openspa granted {what} comment "{comment}"\n')


def rule_remove(question):
    _, comment = rule(question)
    listed = subprocess.run(["nft", "-j", "list", "chain", "inet", "openspa", "granted"],
                            stdout=subprocess.PIPE)
    if listed.returncode != 0:
        return {"ok": False}
    rules = [item.get("rule", {}) for item in json.loads(listed.stdout)["nftables"]]
    return nft("".join(f"delete rule inet openspa granted handle {r['handle']}\n"
                       for r in rules if r.get("comment") == comment))


TASKS = {"publicKey": public_key, "authorization": authorization, "ruleAdd": rule_add,
         "ruleRemove": rule_remove}

for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"id": asked["id"], **TASKS[asked["task"]](asked)}), flush=True)
