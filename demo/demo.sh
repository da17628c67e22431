#!/usr/bin/env bash
# Postern from nothing to a shut gate again, in two network namespaces:
#
#     stranger and client 10.77.0.2 ---- wire ---- 10.77.0.1 server, posternd, a web service
#
# Needs root. Everything it makes is gone when it ends.
set -eu
cd "$(dirname "$0")/.."

build=$(realpath "${BUILD:-build}")
postern=$build/postern
posternd=$build/posternd
server=demo-$$-server
client=demo-$$-client
room=$(mktemp -d)
gate=10.77.0.1
home=10.77.0.2
port=8080
seconds=10

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
	bold='' dim='' green='' red='' plain=''
fi

clean_up() {
	for space in "$server" "$client"; do
		ip netns pids "$space" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
		ip netns delete "$space" 2>/dev/null || true
	done
	rm -rf "$room"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
good() { printf '   %s%s%s\n' "$green" "$*" "$plain"; }
bad() {
	printf '   %s%s%s\n' "$red" "$*" "$plain"
	exit 1
}
# at WHERE COMMAND: what is run next, as a reader would type it
at() {
	local where=$1
	shift
	printf '   %s%s$ %s%s\n' "$dim" "$where" "$*" "$plain"
}
indent() { sed 's/^/     /'; }
on_server() { ip netns exec "$server" "$@"; }
on_client() { ip netns exec "$client" "$@"; }
fetch() { printf 'GET /door.txt HTTP/1.0\r\n\r\n' | on_client nc -w 1 $gate $port | tail -n 1; }
open() { on_client nc -z -w 1 $gate $port; }

make_namespaces() {
	ip netns add "$server"
	ip netns add "$client"
	ip -n "$server" link add wire type veth peer name wire netns "$client"
	ip -n "$server" address add $gate/24 dev wire
	ip -n "$client" address add $home/24 dev wire
	for space in "$server" "$client"; do
		ip -n "$space" link set lo up
		ip -n "$space" link set wire up
	done
}

start_service() {
	mkdir "$room/www"
	echo 'You are inside.' >"$room/www/door.txt"
	on_server python3 -m http.server --directory "$room/www" $port >/dev/null 2>&1 &
	until on_server nc -z 127.0.0.1 $port 2>/dev/null; do sleep 0.05; done
}

configure() {
	at server postern init --server $gate
	on_server "$postern" --config "$room/config.yaml" --quiet init --server $gate >/dev/null
	at server "edit config.yaml (knock_timeout: ${seconds}s, guard: all)"
	sed -i -E "s/^( *)knock_timeout:.*/\1knock_timeout: ${seconds}s\n\1guard: all/" "$room/config.yaml"
	at server postern add alice --ports $port/tcp
	(umask 077 && on_server "$postern" --config "$room/config.yaml" --quiet add alice \
		--ports $port/tcp --no-reload >"$room/client.yaml" 2>"$room/words")
}

start_daemon() {
	at server posternd
	ip netns exec "$server" "$posternd" -c "$room/config.yaml" --state-dir "$room/state" \
		--control "$room/control" 2>"$room/log" &
	daemon=$!
	until grep -q ready "$room/log"; do
		sleep 0.05
		kill -0 $daemon 2>/dev/null || { indent <"$room/log"; bad 'posternd did not start'; }
	done
}

scan() {
	at stranger "nmap -Pn -sS -p 1-1000,$port,54154 $gate"
	on_client nmap -n -Pn -sS --disable-arp-ping --max-retries 0 --min-rate 2000 \
		-p 1-1000,$port,54154 $gate | grep -E 'scanned|open|closed|filtered|Not shown' | indent
	at stranger "ping -c 2 $gate"
	on_client ping -c 2 -i 0.2 -W 1 $gate | grep transmitted | indent
}

capture_knock() {
	on_client tcpdump -i wire -U -w "$room/knock.pcap" -Q out udp port 54154 2>"$room/tcpdump" &
	until grep -q listening "$room/tcpdump"; do sleep 0.05; done
}

step '1. A server with a web service on port 8080, and Postern in front of it'
make_namespaces
start_service
configure
start_daemon
good 'the gate is shut'

step '2. What a stranger sees: nothing'
scan
! open || bad 'the port is open'

step '3. One datagram opens the port for the one who sent it'
capture_knock
at alice postern knock
on_client "$postern" --client-config "$room/client.yaml" knock | indent
at alice "printf 'GET /door.txt HTTP/1.0\r\n\r\n' | nc $gate $port"
answer=$(fetch)
[ "$answer" = 'You are inside.' ] || bad 'no answer'
printf '     %s\n' "$answer"
good 'open'

step "4. For $seconds seconds; the kernel holds the clock"
for _ in 1 2 3; do
	at server postern sessions
	on_server "$postern" --config "$room/config.yaml" --control "$room/control" sessions | indent
	sleep 2
done
while open; do sleep 0.5; done
good 'shut again, by itself'

step '5. An eavesdropper sends the captured knock again'
tail -c 165 "$room/knock.pcap" >"$room/knock"
at stranger "nc -u $gate 54154 < captured-knock   (165 bytes, ten times)"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	on_client nc -u -q 0 -w 1 $gate 54154 <"$room/knock"
done
sleep 0.5
! open || bad 'the replay opened the port'
grep -i seen "$room/log" | tail -n 1 | indent
good 'it stays shut'

step '6. When the daemon ends, the port stays shut, until somebody says otherwise'
at server kill -TERM posternd
kill -TERM $daemon
wait $daemon || bad "exit code $?"
! open || bad 'the port is open'
good 'still shut'
at server postern release --yes
on_server "$postern" --config "$room/config.yaml" --control "$room/control" release --yes 2>&1 | indent
[ -z "$(on_server nft list ruleset)" ] || bad 'rules are left'
open || bad 'the port is shut'
good 'nothing is left, and the port as open as without a gate'
