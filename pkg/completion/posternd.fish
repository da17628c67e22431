# Completion of posternd(8) for fish.

complete -c posternd -f
complete -c posternd -s c -l config -r -F -d 'configuration'
complete -c posternd -l check -d 'check the configuration and exit'
complete -c posternd -l dry-run -d 'print the rules, change nothing, exit'
complete -c posternd -l explain -r -F -d 'say what would become of a datagram'
complete -c posternd -l packet -x -d 'which packet of the capture'
complete -c posternd -l source -x -d 'where the datagram came from'
complete -c posternd -l at -x -d 'judge as of then'
complete -c posternd -l state-dir -r -F -d 'what outlives the daemon'
complete -c posternd -l control -r -F -d 'control socket'
complete -c posternd -l sessions-file -r -F -d 'sessions file of openme'
complete -c posternd -l state-file -r -F -d 'sessions file of openme'
complete -c posternd -l client-config -r -F -d 'taken, and not read'
complete -c posternd -l log-level -x -a 'error warn info debug' -d 'how much is logged'
complete -c posternd -l log-format -x -a 'text json' -d 'form of the log'
complete -c posternd -l version -d 'print the version'
complete -c posternd -l help -d 'print help'
