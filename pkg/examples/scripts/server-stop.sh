#!/bin/sh
# Takes the gate away. Without this script it stays, and the ports behind it stay shut while the
# server is not there.
set -eu
exec nft delete table inet openspa
