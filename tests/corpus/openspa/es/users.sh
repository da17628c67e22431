#!/bin/sh
# Prints the public key of every device that is asked for.
[ "$1" = GET_USER_PUBLIC_KEY ] && cat "$(dirname "$0")/../keys/device.pub"
