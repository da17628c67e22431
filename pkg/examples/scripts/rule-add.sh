#!/bin/sh
# Opens ports in the gate of gate.nft, until rule-remove is called.
#
#	rule-add.sh UUID ipv4|ipv6 CLIENT-IP ipv4|ipv6 SERVER-IP PROTOCOL FIRST LAST NAT SECONDS
set -eu
[ $# -eq 10 ] || { echo "expected 10 arguments, found $#" >&2; exit 2; }
case $6 in
TCP) element="granted${2#ipv} { $3 . tcp . $7-$8" ;;
UDP) element="granted${2#ipv} { $3 . udp . $7-$8" ;;
ICMP) element="whole${2#ipv} { $3 . icmp" ;;
ICMPV6) element="whole${2#ipv} { $3 . ipv6-icmp" ;;
IPV4) element="whole${2#ipv} { $3 . 4" ;;
*) echo "unknown protocol: $6" >&2; exit 2 ;;
esac
# No timeout of the kernel's: asked again, the server extends what is open without a word to us. Two
# devices that come from one address share what is open there.
exec nft add element inet openspa "$element }"
