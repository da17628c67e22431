/* Which rule would stop, or let by, a new connection to this host now. */
#ifndef EXPLAIN_EXPLAIN_H
#define EXPLAIN_EXPLAIN_H

#include "explain/walk.h"

struct explain_question {
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	struct addr source;
	uint16_t from_port; /* 0: any */
	bool has_target;
	struct addr target; /* else: the one that an answer to `source` would be sent from */
	uint16_t port;
	const char *interface; /* by which it comes; NULL: by which an answer would leave */
};

/* What cannot be asked; the words for it are in `text`. */
struct explain_error {
	char text[200];
	bool permission;
};

struct explain {
	struct rules rules;
	struct walk walk;
	bool legacy_unread; /* iptables has tables of its own, which could not be read */
};

/* Reads the rules as they are now, and follows them. False with *error. explain_free in any case.
 */
bool explain_ask(struct explain *x, const struct explain_question *q, struct explain_error *error);
void explain_free(struct explain *x);

/* The packet that is asked about, at its beginning. False with *error. */
bool explain_packet(
    struct packet *out, const struct explain_question *q, struct explain_error *error);

#endif
