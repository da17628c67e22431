#!/bin/sh
# setup.sh WHAT: installs the Debian packages that are missing for
#   build   `make`
#   demo    `make demo`
#   deb     `make deb`
#   static  `make static`
#   test    `make test` and `make bench`
#   clang   building with clang, and with its sanitizers
#   suite   tests that are skipped where a browser, a container, systemd, another C library or NAT64
#           is missing
#   ci      .ci/run
#   emulated  tests/emulated
#   processors  tests/processors
#   packagings  tests/packagings
#   booted  a machine of tests/booted, and building in it
#   kernel  one of tests/emulated, likewise
# Each but `static`, `packagings` and the last two needs what stands above it as well; those three, what
# building needs.
# All names are those of Debian 12 and of Debian 13.
set -eu

build='meson ninja-build gcc binutils libc6-dev pkg-config make
libsodium-dev libmnl-dev libyaml-dev libqrencode-dev libpng-dev
libbpf-dev bpftool clang
libseccomp-dev libcap-ng-dev libjansson-dev libssl-dev libcurl4-openssl-dev libmicrohttpd-dev'
demo='nftables iproute2 procps iputils-ping nmap tcpdump netcat-openbsd python3'
deb='build-essential debhelper dpkg-dev'
static='meson ninja-build gcc binutils libc6-dev linux-libc-dev pkg-config make musl-tools dpkg-dev
autoconf automake libtool debian-archive-keyring'
test='libcmocka-dev libnftnl-dev g++ iptables traceroute conntrack python3-cryptography python3-yaml
openssh-server openssh-client openssl mandoc zbar-tools strace'
# Whatever the release has: 14 on Debian 12, 19 on Debian 13.
clang='clang libclang-rt-dev'
suite='chromium fonts-dejavu-core prometheus tayga musl-tools rpm ansible-core gcc-i686-linux-gnu
libc6-dev-i386-cross systemd-container lxc ccache'
ci='clang-format clang-tidy git debootstrap debian-archive-keyring util-linux
gcc-s390x-linux-gnu qemu-user'
emulated='qemu-system-x86 e2fsprogs'
processors='gcc-i686-linux-gnu gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf gcc-s390x-linux-gnu
qemu-user git util-linux debian-archive-keyring'
packagings="$static nftables rpm file cpio makepkg pacman-package-manager libarchive-tools busybox python3 util-linux git
ccache"
booted="$deb lintian
ccache systemd nftables iproute2 procps python3 openssh-server firewalld ufw"
kernel='linux-image-cloud-amd64 kmod udev'

case ${1:-} in
build) packages=$build ;;
demo) packages="$build $demo" ;;
deb) packages="$build $deb" ;;
static) packages=$static ;;
test) packages="$build $demo $test" ;;
clang) packages="$build $demo $test $clang" ;;
suite) packages="$build $demo $test $clang $suite" ;;
ci) packages="$build $demo $test $clang $suite $ci" ;;
emulated) packages="$build $demo $test $clang $suite $ci $emulated" ;;
processors) packages="$build $demo $test $processors" ;;
packagings) packages="$build $packagings" ;;
booted) packages="$build $booted" ;;
kernel) packages="$build $booted $kernel" ;;
*)
	echo 'usage: setup.sh build|demo|deb|static|test|clang|suite|ci|emulated|processors|packagings|booted|kernel' >&2
	exit 2
	;;
esac

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
echo "setup: installing for $1:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >&2
# Others may be installing, such as the upgrades that a system makes by itself: these are waited for.
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 $missing >&2
