/* Rules as `postern explain` names them. */
#ifndef CMD_EXPLAIN_CAUSE_H
#define CMD_EXPLAIN_CAUSE_H

#include "base/line.h"
#include "explain/explain.h"
#include "explain/rule_text.h"

/* Adds "table inet filter, chain input, rule handle 12: `tcp dport 22 drop` (ufw)". Names and text
 * are escaped. */
void cause_add(struct line *l, const struct rules *rules, const struct cause *cause);
/* A name from outside, escaped, cut where it is very long. */
void cause_add_name(struct line *l, const char *name);

/* Whose rules a chain's are, by its name and its neighbours'. */
enum cause_owner {
	CAUSE_OTHER,
	CAUSE_POSTERN,
	CAUSE_UFW,
	CAUSE_FIREWALLD,
	CAUSE_DOCKER,
	CAUSE_FAIL2BAN,
	CAUSE_IPTABLES
};
enum cause_owner cause_owner(const struct rules *rules, const struct cause *cause);
/* NULL: nobody that is known. */
const char *cause_owner_name(enum cause_owner owner);

#endif
