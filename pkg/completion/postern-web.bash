# Completion of postern-web(8) for bash.

_postern_web()
{
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	case $before in
	--control)
		compopt -o filenames
		COMPREPLY=($(compgen -f -- "$current"))
		;;
	--listen) COMPREPLY=($(compgen -W "127.0.0.1:9765 [::1]:9765 unix:/run/postern-web/socket" -- "$current")) ;;
	--user) COMPREPLY=($(compgen -u -- "$current")) ;;
	--log-level) COMPREPLY=($(compgen -W "error warn info debug" -- "$current")) ;;
	--sandbox) COMPREPLY=($(compgen -W "strict best" -- "$current")) ;;
	*)
		COMPREPLY=($(compgen -W "--listen --control --user --log-level --sandbox --version --help" -- "$current"))
		;;
	esac
}

complete -F _postern_web postern-web
