# Completion of posternd(8) for bash.

_posternd()
{
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	case $before in
	-c | --config | --explain | --state-dir | --control | --sessions-file | --state-file | --client-config)
		compopt -o filenames
		COMPREPLY=($(compgen -f -- "$current"))
		;;
	--log-level) COMPREPLY=($(compgen -W "error warn info debug" -- "$current")) ;;
	--log-format) COMPREPLY=($(compgen -W "text json" -- "$current")) ;;
	--packet | --source | --at) ;;
	*)
		COMPREPLY=($(compgen -W "--config --check --dry-run --explain --packet --source --at --state-dir
			--control --sessions-file --state-file --client-config --log-level --log-format --version --help" -- "$current"))
		;;
	esac
}

complete -F _posternd posternd
