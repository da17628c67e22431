#!/bin/sh
# make-static.sh OUT OWN-ARCHIVE [ARCHIVE...]
# Links the library's objects, and what they need of the other archives, into one object whose
# inner names are local: a program may have a reader_take of its own. Groups of sections end here:
# a sanitizer makes them, and a program with two of one name keeps only the first.
set -eu
out=$1
own=$2
shift 2
object=${out%.a}.o
${LD:-ld} -r --force-group-allocation -o "$object" \
	--whole-archive "$own" --no-whole-archive --start-group "$@" --end-group
${OBJCOPY:-objcopy} --localize-hidden "$object"
rm -f "$out"
${AR:-ar} rcs "$out" "$object"
rm -f "$object"
