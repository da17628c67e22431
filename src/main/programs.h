/* The administrator's programs, as main knows them: what the configuration says of them, and which
 * processes that makes necessary. All of it is settled at the start, before those processes close
 * their sandboxes. */
#ifndef MAIN_PROGRAMS_H
#define MAIN_PROGRAMS_H

#include "conf/conf.h"
#include "main/spawn.h"
#include "proc/message.h"

struct programs {
	struct runner_settings settings;
	/* Whom they run as, and those for rules; "": somebody unused */
	char user[CONF_TEXT_BYTES];
	char rule_user[CONF_TEXT_BYTES];
};

/* All zeros where no program is named. */
void programs_of(struct programs *out, const struct conf *conf);
/* Whether a process of this role is needed. */
bool programs_need(const struct programs *p, enum role role);
bool programs_has(const struct programs *p, enum runner_task task);
/* Whether whoever the two roles run as can reach and execute what they are to run; has said which
 * one cannot. `who` has been found by spawn_identities. */
bool programs_reachable(const struct programs *p, const struct identity who[static ROLE_COUNT]);
/* The most that a process which runs programs, or waits for them, may take to stop: two answers,
 * one that is under way and one more. */
int programs_patience_ms(const struct programs *p);
/* The key of a setting in which they differ, or NULL. */
const char *programs_difference(const struct programs *a, const struct programs *b);

#endif
