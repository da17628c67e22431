#!/bin/sh
# Opens ports in the gate of gate.nft, until rule-remove is called.
#
#	rule-add.sh UUID ipv4|ipv6 CLIENT-IP ipv4|ipv6 SERVER-IP PROTOCOL FIRST LAST NAT SECONDS
set -eu
[ $# -eq 10 ] || { echo "expected 10 arguments, found $#" >&2; exit 2; }
case $2 in
ipv4) from="ip saddr $3" ;;
*) from="ip6 saddr $3" ;;
esac
case $6 in
TCP) what="tcp dport $7-$8" ;;
UDP) what="udp dport $7-$8" ;;
ICMP) what="meta l4proto icmp" ;;
ICMPV6) what="meta l4proto ipv6-icmp" ;;
IPV4) what="meta l4proto 4" ;;
*) echo "unknown protocol: $6" >&2; exit 2 ;;
esac
# No timeout: asked again, the server extends what is open without a word to us.
exec nft add rule inet openspa granted "$from $what accept comment \"$1 $3 $6 $7-$8\""
