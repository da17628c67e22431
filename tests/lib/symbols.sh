#!/bin/sh
# symbols.sh PREFIX HEADER MAP MANUAL SHARED STATIC NEEDS CALLS: a library gives away, and its manual
# page explains, what its header declares with PREFIX and nothing else. It links no library but libc
# and those that NEEDS matches, and of what a library should not call only what CALLS matches.
set -eu
export LC_ALL=C
prefix=$1 header=$2 map=$3 manual=$4 shared=$5 static=$6 needs=$7 calls=$8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

${CC:-cc} -E -P "$header" | grep -o "${prefix}_[a-z0-9_]*(" | tr -d '(' | sort -u >"$work/header"
grep -o "${prefix}_[a-z0-9_]*;" "$map" | tr -d ';' | sort -u >"$work/map"
sed '/^\.Sh DESCRIPTION/,$d' "$manual" | grep -o '^\.F[no] postern_[a-z0-9_]*' | cut -c5- |
	sort >"$work/manual"
nm -D --defined-only "$shared" | awk '$2 != "A" { print $3 }' | sort >"$work/versioned"
sed 's/@@POSTERN_[A-Z0-9_.]*$//' "$work/versioned" >"$work/shared"
# All of a program shares one flag of its sanitizer.
nm -g --defined-only "$static" | awk 'NF == 3 && $3 != "___asan_globals_registered" { print $3 }' |
	sort >"$work/static"

test "$(wc -l <"$work/header")" -gt 10
for found in map manual shared static; do
	diff -u "$work/header" "$work/$found" || { echo "$found differs from the header"; exit 1; }
done
if grep -v '@@POSTERN_' "$work/versioned"; then
	echo 'names without a version'
	exit 1
fi

if readelf -d "$shared" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
	grep -vxE "libc\.so\..*|ld-linux.*|lib[a-z]*san\.so\..*|$needs"; then
	echo 'the library must not link these'
	exit 1
fi

# No allocation of its own, no output, no end of the process, no environment.
if nm -D --undefined-only "$shared" | sed 's/@.*//' | awk '{ print $NF }' | grep -vxE "$calls" |
	grep -xE '(mal|c|re)alloc|free|strdup|v?[fsd]?n?printf|__.*printf_chk|puts|fputs|fwrite|write|fopen|perror|syslog|_?exit|abort|(secure_)?getenv|setlocale|signal|sigaction|socket|send|getaddrinfo'; then
	echo 'the library must not use these'
	exit 1
fi
