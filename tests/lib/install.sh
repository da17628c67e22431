#!/bin/sh
# install.sh MESON BUILD-DIR EXAMPLE.c TEST-SEND: installs into an empty place and builds the example
# from what is found there, with pkg-config alone, against the shared and the static library.
set -eu
meson=$1 build=$2 example=$3 test_send=$4
cc=${CC:-cc}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"$meson" install -C "$build" --no-rebuild --quiet --tags devel,runtime --destdir "$place"
pc=$(find "$place" -name postern.pc)
test -n "$pc"
libdir=$(dirname "$(dirname "$pc")")
search=$(pkg-config --variable pc_path pkg-config)
export PKG_CONFIG_LIBDIR="${pc%/*}:$search" PKG_CONFIG_SYSROOT_DIR="$place"

test "$(find "$place" -name '*.h' | wc -l)" = 1
# shellcheck disable=SC2046 # flags are words
$cc -Wall -Wextra -Werror -o "$place/shared" "$example" $(pkg-config --cflags --libs postern)
# shellcheck disable=SC2046
$cc -Wall -Wextra -Werror -o "$place/static" "$example" $(pkg-config --cflags postern) \
	"$libdir/libpostern.a" -lsodium

readelf -d "$place/shared" | grep -q 'NEEDED.*libpostern\.so\.0\]'
if readelf -d "$place/static" | grep 'NEEDED.*libpostern'; then
	exit 1
fi
LD_LIBRARY_PATH=$libdir "$test_send" "$place/shared"
"$test_send" "$place/static"
