# Completion of postern-web(8) for fish.

complete -c postern-web -f
complete -c postern-web -l listen -x -a '127.0.0.1:9765 [::1]:9765 unix:/run/postern-web/socket' -d 'where to listen, on this host alone'
complete -c postern-web -l control -r -F -d 'control socket'
complete -c postern-web -l user -x -a '(__fish_complete_users)' -d 'run as this user'
complete -c postern-web -l log-level -x -a 'error warn info debug' -d 'how much is logged'
complete -c postern-web -l sandbox -x -a 'strict best' -d 'whether to go on without a layer'
complete -c postern-web -l version -d 'print the version'
complete -c postern-web -l help -d 'print help'
