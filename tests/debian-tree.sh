# shellcheck shell=bash
# Sourced by tests/debian13, tests/booted and tests/processors: Debian systems in folders, made by debootstrap, one for
# each release, which stay for the next time. They lie in $POSTERN_CACHE, or else in
# /var/cache/postern-tests; remove one to have it made anew. Packages come from where apt here has its
# own, or from $POSTERN_MIRROR.
cache=${POSTERN_CACHE:-/var/cache/postern-tests}
checkout='' running=''

fail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

mirror_of_apt() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' \
		'Component: main' | grep -m 1 -E '^(https?|file|copy):'
}

mirror() {
	if [ -n "${POSTERN_MIRROR:-}" ]; then
		echo "$POSTERN_MIRROR"
		return
	fi
	mirror_of_apt && return
	apt-get update -q >&2
	mirror_of_apt || fail 'apt has no mirror of Debian; name one in POSTERN_MIRROR'
}

# open_tree RELEASE: into $tree, ours alone until this script ends. Under another name until it is whole.
open_tree() {
	local from
	tree=$cache/$1
	mkdir -p "$cache"
	exec 9>"$tree.lock"
	flock 9
	[ ! -d "$tree" ] || return 0
	from=$(mirror)
	echo "${0##*/}: making $tree"
	rm -rf "$tree.new"
	mkdir -p "$tree.new"
	debootstrap --force-check-gpg --variant=minbase --include=ca-certificates "$1" "$tree.new" \
		"$from" >"$tree.log" 2>&1 || {
		tail -n 20 "$tree.log" >&2
		fail "debootstrap failed; all it said is in $tree.log"
	}
	mkdir "$tree.new/src"
	mv "$tree.new" "$tree"
}

# What is tracked here, or would be, as it stands now.
copy_checkout() {
	checkout=$(mktemp -d)
	chmod 755 "$checkout"
	git ls-files -z --cached --others --exclude-standard |
		while IFS= read -r -d '' file; do
			[ ! -e "$file" ] || printf '%s\0' "$file"
		done | xargs -0 cp --parents -pt "$checkout"
}

# inside COMMAND...: the tree is the root, in mount and process namespaces that end with the command,
# however it ends. The bash in it stays as process 1, to reap, and is in a process group that can be
# seen there. Only in the background: it execs.
inside() {
	exec unshare --mount --pid --fork --kill-child setsid bash -euc '
		tree=$1 checkout=$2
		shift 2
		mount --bind "$tree" "$tree"
		mount --bind "$checkout" "$tree/src"
		mount -t proc proc "$tree/proc"
		mount --rbind /sys "$tree/sys"
		mount --rbind /dev "$tree/dev"
		mount -t tmpfs tmpfs "$tree/run"
		mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
		cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
		mkdir -p "$tree/run/host"
		cd "$tree"
		pivot_root . run/host
		umount -l /run/host
		cd /src
		env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
			${POSTERN_SIZES:+"POSTERN_SIZES=$POSTERN_SIZES"} \
			http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" "$@"
		exit
	' bash "$tree" "$checkout" "$@"
}

# wait_for_it: for what runs in the background; a signal ends this at once
wait_for_it() {
	local status=0
	running=$1
	wait "$running" || status=$?
	running=
	return "$status"
}

clean_up() {
	# unshare waits out a gentler signal
	[ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true
	wait || true
	rm -rf "$checkout"
}

# needs TOOL...: root, and these
needs() {
	local tool
	[ "$(id -u)" -eq 0 ] || fail 'needs root'
	for tool in debootstrap unshare pivot_root git flock "$@"; do
		command -v "$tool" >/dev/null || fail "needs $tool; tests/setup.sh ci installs it"
	done
	trap clean_up EXIT
	trap 'exit 1' INT TERM HUP
}
