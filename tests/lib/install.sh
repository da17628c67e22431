#!/bin/sh
# install.sh MESON BUILD-DIR {PACKAGE EXAMPLE.c TEST}...: installs into an empty place and builds the
# example of each package from what is found there, with pkg-config alone, against the shared and
# the static library. TEST runs it.
set -eu
meson=$1 build=$2
shift 2
cc=${CC:-cc}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"$meson" install -C "$build" --no-rebuild --quiet --tags devel,runtime --destdir "$place"
pc=$(find "$place" -name postern.pc)
test -n "$pc"
libdir=$(dirname "$(dirname "$pc")")
search=$(pkg-config --variable pc_path pkg-config)
export PKG_CONFIG_LIBDIR="${pc%/*}:$search" PKG_CONFIG_SYSROOT_DIR="$place"

test "$(find "$place" -name '*.h' | wc -l)" = $(($# / 3))
test "$(find "$place" -name '*.pc' | wc -l)" = $(($# / 3))

# must_link PROGRAM NAME, must_not_link PROGRAM NAME: the shared library libNAME
must_link() {
	readelf -d "$1" | grep -q "NEEDED.*\[lib$2\.so" || { echo "$1 does not link $2"; exit 1; }
}
must_not_link() {
	! readelf -d "$1" | grep "NEEDED.*\[lib$2\.so" || { echo "$1 links $2"; exit 1; }
}

while [ $# -gt 0 ]; do
	package=$1 example=$2 test=$3
	shift 3
	# shellcheck disable=SC2046 # flags are words
	$cc -Wall -Wextra -Werror -o "$place/shared" "$example" \
		$(pkg-config --cflags --libs "$package")
	# shellcheck disable=SC2046
	$cc -Wall -Wextra -Werror -o "$place/static" "$example" \
		$(pkg-config --cflags --static --libs "$package" |
			sed "s|-l\\(postern[a-z-]*\\)|$libdir/lib\\1.a|g")
	must_link "$place/shared" "$package"
	must_not_link "$place/static" 'postern.*'
	if [ "$package" = postern ]; then # nobody gets libcrypto for openme's sake
		must_not_link "$place/shared" crypto
		must_not_link "$place/static" crypto
	fi
	LD_LIBRARY_PATH=$libdir "$test" "$place/shared"
	"$test" "$place/static"
done
