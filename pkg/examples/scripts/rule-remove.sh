#!/bin/sh
# Shuts ports in the gate of gate.nft. It is no failure when they are shut already.
#
#	rule-remove.sh UUID ipv4|ipv6 CLIENT-IP ipv4|ipv6 SERVER-IP PROTOCOL FIRST LAST NAT SECONDS
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
exec nft -f - <<-END
	add element inet openspa $element }
	delete element inet openspa $element }
END
