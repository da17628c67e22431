# Completion of postern(1) for bash.

_postern_value() # OPTION CURRENT
{
	case $1 in
	--config | --client-config | --control | --qr-out | --file | -f | --private-key | --public-key | \
		--server-public-key | --key-file | --pub-file | --out | --output-dir | --devices | \
		--state-dir | --textfile)
		compopt -o filenames
		COMPREPLY=($(compgen -f -- "$2"))
		;;
	--firewall)
		COMPREPLY=($(compgen -W "nft iptables none" -- "$2"))
		;;
	--interface)
		COMPREPLY=($(compgen -W "$(ls /sys/class/net 2>/dev/null)" -- "$2"))
		;;
	--protocol)
		COMPREPLY=($(compgen -W "tcp udp icmp icmpv6 ipv4" -- "$2"))
		;;
	--server | --port | --ports | --targets | --expires | --profile | --ip | --interval | --timeout | \
		--end-port | --server-ip | --server-port | --client-ip | --retry-count | --name | \
		--echo-ip | --echo-ipv4-server | --echo-ipv6-server | --client-device-id | \
		--passphrase-fd | --over) ;;
	*)
		return 1
		;;
	esac
}

# Names may hold blanks and quotes: one a line, and written as the shell wants them.
_postern_names() # COMMAND CURRENT
{
	local name current=$2

	[[ $current == [\"\']* ]] || current=${current//\\/}
	current=${current#[\"\']}
	while IFS= read -r name; do
		[[ $name == "$current"* ]] && COMPREPLY+=("$(printf %q "$name")")
	done < <("${COMP_WORDS[0]}" "$1" --names 2>/dev/null)
}

_postern()
{
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= i
	local commands="init add list revoke sessions stats reload release config index knock connect status profiles
		request get-ip openspa"
	local options="--config --client-config --control --json --quiet --verbose --no-input --log-level --help
		--version"

	COMPREPLY=()
	_postern_value "$before" "$current" && return
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--config | --client-config | --control | --log-level) ((i++)) ;;
		-*) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	case $command in
	"") [[ $current == -* ]] || options=$commands ;;
	init) options+=" --server --port --firewall --interface --force" ;;
	add) options+=" --ports --targets --expires --profile --qr --qr-out --no-privkey --public-key
		--no-reload" ;;
	list | profiles) options+=" --names" ;;
	revoke) options+=" --no-reload" ;;
	sessions) options+=" --watch --write" ;;
	stats) options+=" --over --watch --prometheus --textfile" ;;
	release) options+=" --yes" ;;
	config) options+=" --file --for --output --force" ;;
	index) options+=" --state-dir" ;;
	knock | connect) options+=" --ip --own-address --continuous --interval --check --ipv4 --ipv6 --both
		--timeout" ;;
	request) options+=" --protocol --port --end-port --server-ip --server --server-port --client-ip
		--nat --private-key --public-key --server-public-key --retry-count --auto-mode --verbose-split
		--echo-ipv4-server --echo-ipv6-server --timeout --passphrase-fd --client-device-id --ipv4
		--ipv6" ;;
	get-ip) options+=" --echo-ipv4-server --echo-ipv6-server --timeout --public --ipv4 --ipv6
		--verbose-split" ;;
	openspa) options+=" --key-file --pub-file --force --name --client-device-id --server-ip
		--server-port --echo-ip --private-key --public-key --server-public-key --output-dir --out
		--devices --encrypt --passphrase-fd" ;;
	status) options+=" --knock --check --ipv4 --ipv6 --both --timeout" ;;
	esac
	if [[ -n $command && $current != -* ]]; then
		case $command in
		config) options="check show convert" ;;
		revoke)
			_postern_names list "$current"
			return
			;;
		knock | connect | status | profiles)
			_postern_names profiles "$current"
			return
			;;
		openspa) options="gen-server-key gen-client" ;;
		request)
			compopt -o filenames
			COMPREPLY=($(compgen -f -- "$current"))
			return
			;;
		*) options= ;;
		esac
	fi
	COMPREPLY=($(compgen -W "$options" -- "$current"))
}

complete -F _postern postern
