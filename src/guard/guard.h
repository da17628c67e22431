/* The inside of postern-guard, for the files that it is made of. */
#ifndef GUARD_GUARD_H
#define GUARD_GUARD_H

#include <stdbool.h>

#include "base/log.h"
#include "fw/fw.h"
#include "snapshot/snapshot.h"

struct guard_options {
	const char *config;
	const char *state_dir;
	bool stay;
	bool release;
	bool dry_run;
	enum log_format log_format;
};

/* --- rules.c: what is to be shut */

struct rules {
	struct snapshot snapshot;
	int fd;
};

/* By the configuration or, when that is not in order, by the last one that was accepted. The value
 * is an exit status, EXIT_DONE when there are rules, which has been said why. */
int rules_load(struct rules *r, const struct guard_options *o);
void rules_free(struct rules *r);
/* `fd` as in fw_open. False, having said why. */
bool rules_open_firewall(struct fw *fw, enum conf_firewall which, int fd);
/* Puts them in place, whatever stands there. An exit status. */
int rules_put(const struct rules *r, struct fw *fw);

/* --- stay.c */

/* Keeps the ports shut until it is told to take the rules away, or cannot go on: an exit status. */
int guard_stay(const struct guard_options *o);

/* --- dry_run.c */

/* Prints what would be put in place, or with `release` taken away, as text for nft, and changes
 * nothing. An exit status. */
int guard_dry_run(const struct guard_options *o);

/* --- start.c */

/* The netlink socket that the service manager has kept for a guard that was killed; -1: none. */
int guard_take_kept(void);
/* Gives up all but reading root's files and changing the firewall. False with errno. */
bool guard_contain(void);

#endif
