/* How the daemon is started and stopped on this host: by systemd's units, or by a program that
 * takes the words start and stop, as those in /etc/init.d do. */
#ifndef CMD_SERVICE_H
#define CMD_SERVICE_H

#include <stddef.h>

#include "cmd/cli.h"

#define SERVICE_SYSTEMD      "systemd"
#define SERVICE_SCRIPT       "/etc/init.d/posternd"
#define SERVICE_GUARD_SCRIPT "/etc/init.d/postern-guard"

/* SERVICE_SYSTEMD, SERVICE_SCRIPT, or NULL where there is neither. */
const char *service_find(void);
/* Whether what service_find names knows the daemon: its unit, or the script, is here. */
bool service_is_installed(void);
/* Each is true when it went well, and has said why not. */
bool service_start(const struct cli *cli, const char *service);
/* With all rules taken away, which is tried more than once. */
bool service_stop(const struct cli *cli, const char *service);
/* By its script, where that is here. */
bool service_stop_guard(const struct cli *cli);
/* From now on at each start of the machine; a script's is the host's own business. */
bool service_enable(const struct cli *cli, const char *service);
/* Whether rules of ours stand, whoever of us has put them there. */
bool service_rules_stand(const struct cli *cli, bool *stand);

#endif
