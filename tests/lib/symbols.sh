#!/bin/sh
# symbols.sh HEADER MAP MANUAL SHARED STATIC: the libraries give away, and the manual page explains,
# what the header declares and nothing else.
set -eu
export LC_ALL=C
header=$1 map=$2 manual=$3 shared=$4 static=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

${CC:-cc} -E -P "$header" | grep -o 'postern_[a-z0-9_]*(' | tr -d '(' | sort -u >"$work/header"
grep -o 'postern_[a-z0-9_]*;' "$map" | tr -d ';' | sort -u >"$work/map"
sed '/^\.Sh DESCRIPTION/,$d' "$manual" | grep -o '^\.F[no] postern_[a-z0-9_]*' | cut -c5- |
	sort >"$work/manual"
nm -D --defined-only "$shared" | awk '$2 != "A" { print $3 }' | sort >"$work/versioned"
sed 's/@@POSTERN_[0-9.]*$//' "$work/versioned" >"$work/shared"
nm -g --defined-only "$static" | awk 'NF == 3 { print $3 }' | sort >"$work/static"

test "$(wc -l <"$work/header")" -gt 10
for found in map manual shared static; do
	diff -u "$work/header" "$work/$found" || { echo "$found differs from the header"; exit 1; }
done
if grep -v '@@POSTERN_' "$work/versioned"; then
	echo 'names without a version'
	exit 1
fi

# No allocation of its own, no output, no end of the process, no environment.
if nm -D --undefined-only "$shared" | sed 's/@.*//' | awk '{ print $NF }' |
	grep -xE '(mal|c|re)alloc|free|strdup|v?[fsd]?n?printf|__.*printf_chk|puts|fputs|fwrite|write|fopen|perror|syslog|_?exit|abort|(secure_)?getenv|setlocale|signal|sigaction'; then
	echo 'the library must not use these'
	exit 1
fi
