#!/bin/sh
# postern-echoip on loopback, with keep-alive: requests a second and processor time per request,
# beside a floor measured in the same run: bench/echoip_floor.c, the same HTTP library with one
# fixed answer. Needs wrk, cc and libmicrohttpd-dev (all from Debian). SECONDS_EACH=4
set -eu

here=$(cd "$(dirname "$0")" && pwd)
program=${1:-$here/../build/postern-echoip}
seconds=${SECONDS_EACH:-4}
connections=32
for tool in wrk cc; do
	command -v "$tool" >/dev/null || { echo "needs $tool" >&2; exit 77; }
done

work=$(mktemp -d)
running=
cleanup() {
	[ -z "$running" ] || kill "$running" 2>/dev/null || :
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# Processor time of a process so far, in clock ticks.
ticks() {
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

# Loads port $2 of process $1; prints "requests-per-second microseconds-per-request".
load() {
	before=$(ticks "$1")
	wrk -t1 -c"$connections" -d"${seconds}s" "http://127.0.0.1:$2/" >"$work/wrk"
	after=$(ticks "$1")
	if grep -E 'Non-2xx|Socket errors' "$work/wrk" >&2; then
		exit 1
	fi
	awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" '
		/ requests in / { count = $1 }
		/^Requests\/sec:/ { rate = $2 }
		END { printf "%.0f %.2f\n", rate, ticks / hz * 1e6 / count }' "$work/wrk"
}

cc -O2 -o "$work/floor" "$here/echoip_floor.c" -lmicrohttpd
"$work/floor" >"$work/port" &
running=$!
while [ ! -s "$work/port" ]; do sleep 0.1; done
floor=$(load "$running" "$(cat "$work/port")")
kill "$running"

"$program" --bind 127.0.0.1 --port 0 --per-address "$connections" \
	>"$work/access.log" 2>"$work/errors" &
running=$!
while ! grep -q 'echoip: ready' "$work/errors"; do
	kill -0 "$running" || { cat "$work/errors" >&2; exit 1; }
	sleep 0.1
done
port=$(sed -n 's/.*listening.* port=\([0-9]*\).*/\1/p' "$work/errors")
own=$(load "$running" "$port")
kill "$running"
running=

echo "$floor $own" | awk '{
	printf "%-24s %12s %22s\n", "", "requests/s", "processor us/request"
	printf "%-24s %12d %22.2f\n", "floor (bare library)", $1, $2
	printf "%-24s %12d %22.2f\n", "postern-echoip", $3, $4
	printf "%-24s %12.2f %22.2f\n", "ratio", $3 / $1, $4 / $2
	if ($3 < 10000) { print "under 10,000 requests a second"; exit 1 }
}'
