/* Starting the roles: each is an executable of its own, with one channel on a fixed descriptor, and
 * nothing else open but standard error. */
#ifndef MAIN_SPAWN_H
#define MAIN_SPAWN_H

#include <sys/types.h>

#include "proc/channel.h"

struct identity {
	uid_t uid;
	gid_t gid;
};

/* Who the wanted roles run as: the user `postern`, or, where there is none, distinct uids that no
 * account and no process has (base/unused_uids.h). Those that run programs never share with it:
 * the runner is `script_user` and the privileged one `rule_user`, or, where that is "", or root for
 * the runner, uids that nobody has. False, having said why, when there is no such user or no such
 * uid. */
bool spawn_identities(struct identity out[static ROLE_COUNT], const bool wanted[static ROLE_COUNT],
    const char *script_user, const char *rule_user);

/* A uid that no account and no process has, of the same range. False when none is to be found. */
bool spawn_stranger(struct identity *out);
/* Whether that is one; and the last one there is, which no process of ours is likely to be given
 * later. False when there is none. */
bool spawn_is_stranger(uid_t uid);
bool spawn_last_stranger(uid_t *out);

/* Starts a role from its executable; *channel is our end. The process id, or -1 with errno. */
pid_t spawn_role(enum role role, int executable, struct channel *channel);

#endif
