/* The firewall as it stands, for those who only want to tell. Nothing is changed, and no rule is
 * kept from anybody meanwhile. Names of others' tables and chains may hold any byte. All functions
 * need CAP_NET_ADMIN and return 0 or a negative errno: -EPERM without it, -EPROTONOSUPPORT where
 * the kernel has no nf_tables, -EINTR when the rules did not stand still long enough. */
#ifndef FW_LOOK_H
#define FW_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "snapshot/snapshot.h"

#define FW_NAME_BYTES 256 /* of a table or a chain, with the closing zero */

/* Our own table, beside the one that a configuration asks for. */
struct fw_own_table {
	bool there;
	bool this_boot; /* false: a saved rule set has put it there */
	bool owned;     /* a process keeps it from being changed by others */
	bool differs;   /* one of its chains is not there or has another number of rules */
	char chain[FW_NAME_BYTES]; /* the first one that differs */
	uint32_t rules, wanted;    /* how many it has, and should have */
};
/* `boot_id`: as clock_boot_id says it. */
int fw_look_own(const struct snapshot *s, const char *boot_id, struct fw_own_table *out);

/* An input chain of the host, not ours. */
struct fw_host_chain {
	const char *family, *table, *chain; /* "ip", "ip6" or "inet"; for the time of the call */
	int32_t priority;
	bool drops;  /* by policy, or by a rule that everything reaches */
	bool early;  /* comes before ours: what it drops never gets to us */
	bool passes; /* has our rule, which lets by what is granted */
	bool wanted; /* should have it */
};
int fw_look_host(const struct snapshot *s,
    void (*each)(void *context, const struct fw_host_chain *chain), void *context);

/* Ports that a rule of somebody else leads elsewhere before they arrive, such as those that a
 * container engine publishes. */
struct fw_translated {
	const char *family, *table, *chain; /* for the time of the call */
	struct ports ports;                 /* protocol 0: any */
	bool unclear; /* the rule looks them up in a set: which, is not told */
};
int fw_look_translated(
    void (*each)(void *context, const struct fw_translated *rule), void *context);

#endif
