#!/bin/sh
# Installs the Debian packages that building and testing Postern need, when any is missing.
set -eu

packages='meson ninja-build gcc binutils libc6-dev pkg-config make
libsodium-dev libmnl-dev libnftnl-dev libnftables-dev libyaml-dev libqrencode-dev libpng-dev
libseccomp-dev libcap-ng-dev libjansson-dev libssl-dev libcurl4-openssl-dev libmicrohttpd-dev libcmocka-dev
nftables iptables iproute2 procps iputils-ping traceroute nmap tcpdump netcat-openbsd conntrack
python3 python3-cryptography openssh-server openssh-client openssl mandoc zbar-tools
clang-14 clang-format-14 clang-tidy-14 g++'

command -v dpkg-query >/dev/null || {
	echo 'setup: not a Debian system; install by hand what this script lists' >&2
	exit 0
}

missing=
for package in $packages; do
	state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "setup: missing packages; as root: apt-get install$missing" >&2
	exit 1
fi
echo "setup: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >&2
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends $missing >&2
