/* Cgroups for the two runners and what they start: limits that hold for all of it together, and an
 * end that nothing escapes. There are some where whoever has started the daemon leaves its own
 * cgroup to it and marks it so, as systemd does with Delegate=. */
#ifndef MAIN_CGROUPS_H
#define MAIN_CGROUPS_H

#include <sys/types.h>

#include "main/programs.h"
#include "proc/role.h"

struct cgroups {
	int enter[ROLE_COUNT]; /* whose number is written there is in; -1: there is none */
	int kill[ROLE_COUNT];
};

/* Makes those that the programs need, and moves this process into one beside them. Says in the log
 * what there is. */
void cgroups_open(struct cgroups *c, const struct programs *programs);
/* Puts a role into its own, if it has one; whatever it starts from then on is there, too. Once. */
void cgroups_enter(struct cgroups *c, enum role role, pid_t pid);
/* Ends a runner and all that it has started, if it has a cgroup. */
void cgroups_kill(const struct cgroups *c, enum role role);

#endif
