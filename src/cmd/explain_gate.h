/* What posternd has to do with a connection that `postern explain` is asked about. */
#ifndef CMD_EXPLAIN_GATE_H
#define CMD_EXPLAIN_GATE_H

#include "cmd/cli.h"
#include "conf/conf.h"
#include "explain/packet.h"

#define GATE_NAMES 5 /* as many are told by name */

/* Names are labels (cmd/names.h). */
struct gate_grant {
	char client[CLIENT_NAME_BYTES];
	int64_t until_ns; /* CLOCK_REALTIME */
	bool overdue;     /* it has ended, and the port is open still */
};

struct gate {
	/* By the configuration, where that could be read; why not else. */
	bool configured;
	struct conf_error unread;
	bool managed;   /* the port is one that clients open */
	bool guards;    /* and is shut without a grant */
	bool all;       /* guard: all */
	uint32_t mark;  /* on granted packets */
	size_t clients; /* whose policy holds the port, neither revoked nor expired; and devices */
	char names[GATE_NAMES][CLIENT_NAME_BYTES];

	/* By the daemon, where that answers. */
	bool answered;
	size_t grants;                       /* in force, for this address and port */
	struct gate_grant grant[GATE_NAMES]; /* the first of them; the longest is the first */
	bool seen; /* a knock for this address was accepted, the latest of all */
	char last_client[CLIENT_NAME_BYTES];
	int64_t last_ns, last_end_ns; /* CLOCK_REALTIME; NEVER_NS: not known */
};

/* Never fails: what cannot be found out is not told. `port`: as it was before translation. */
void gate_ask(struct gate *out, const struct cli *cli, const struct packet *p, int64_t now_ns);

#endif
