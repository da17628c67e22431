#!/bin/sh
# Puts up the gate that rule-add.sh and rule-remove.sh open and shut, empty: whatever an earlier run
# of the server has left in it is gone.
set -eu
exec nft -f "${0%/*}/gate.nft"
