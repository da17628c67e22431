#!/bin/sh
# User directory: prints a device's public key, from the folder keys/ beside this script.
#
#	user-directory.sh GET_USER_PUBLIC_KEY UUID
set -eu
[ $# -eq 2 ] && [ "$1" = GET_USER_PUBLIC_KEY ] || { echo "unknown question: $*" >&2; exit 2; }
case $2 in
*[!0-9a-f-]* | "") echo "not a device: $2" >&2; exit 2 ;;
esac
exec cat "keys/$2.pub"
