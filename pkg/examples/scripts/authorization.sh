#!/bin/sh
# Authorization: prints for how many seconds a device may have what it asks for, 0: not at all.
#
#	authorization.sh UUID CLIENT-IP SERVER-IP PROTOCOL FIRST LAST TIMESTAMP RSA_SHA256 NAT
set -eu
[ $# -eq 9 ] || { echo "expected 9 arguments, found $#" >&2; exit 2; }
protocol=$4 first=$5 last=$6
case $protocol:$first:$last in
TCP:22:22) echo 180 ;;
ICMP:0:0 | ICMPV6:0:0) echo 60 ;;
*) echo 0 ;;
esac
