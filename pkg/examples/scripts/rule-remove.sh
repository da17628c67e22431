#!/bin/sh
# Shuts ports in the gate of gate.nft. It is no failure when they are shut already.
#
#	rule-remove.sh UUID ipv4|ipv6 CLIENT-IP ipv4|ipv6 SERVER-IP PROTOCOL FIRST LAST NAT SECONDS
set -eu
[ $# -eq 10 ] || { echo "expected 10 arguments, found $#" >&2; exit 2; }
rules=$(nft -a list chain inet openspa granted)
delete='delete rule inet openspa granted handle'
echo "$rules" | sed -n "s/.* comment \"$1 $3 $6 $7-$8\" # handle \([0-9]*\)\$/$delete \1/p" | nft -f -
