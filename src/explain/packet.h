/* The first packet of a connection that somebody may make to this host: what is known of it on its
 * way in. Whatever is not known makes an answer "may", never a guess. */
#ifndef EXPLAIN_PACKET_H
#define EXPLAIN_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "explain/value.h"
#include "snapshot/snapshot.h"

/* What connection tracking has made of it. */
enum packet_tracking {
	PACKET_NOT_YET,
	PACKET_NEW,
	PACKET_UNTRACKED,
	PACKET_PERHAPS_UNTRACKED /* not known */
};

/* A network device; index 0: none. */
struct packet_device {
	uint32_t index;
	char name[INTERFACE_NAME_BYTES];
};

struct packet {
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	struct addr source, target;
	uint16_t port, from_port; /* host's order; from_port 0: not known */
	struct addr meant;        /* the target before address translation */
	uint16_t meant_port;
	bool translated;           /* to target and port */
	bool lost;                 /* the target is not known any more, nor the rest of the way */
	bool changed;              /* so are parts of its headers */
	uint32_t mark, mark_known; /* a bit of the latter for each known bit of the former */
	uint32_t ct_mark, ct_mark_known;
	enum packet_tracking tracking;
	struct packet_device in, out;      /* `out` where it is forwarded */
	struct packet_device back;         /* by which an answer would leave */
	uint32_t source_type, target_type; /* RTN_*; 0: not known */
};

/* One that comes in by `in`, at its beginning. */
struct packet packet_of(uint8_t protocol, const struct addr *source, uint16_t from_port,
    const struct addr *target, uint16_t port);
bool packet_is_v4(const struct packet *p);
uint8_t packet_family(const struct packet *p); /* NFPROTO_* */

/* Loads for the register that starts at `out`. False: there is no such thing in this packet, so
 * that the rule does not match. What is not known is put there as such. */
bool packet_meta(const struct packet *p, uint32_t key, struct value *out);
bool packet_ct(const struct packet *p, uint32_t key, uint32_t direction, struct value *out);
void packet_payload(const struct packet *p, uint32_t base, uint32_t offset, struct value *out);
void packet_fib(const struct packet *p, uint32_t result, uint32_t flags, struct value *out);
bool packet_extension(const struct packet *p, uint32_t operation, bool present, struct value *out);

/* Sets the bits of a mark; all of them are unknown where `known` says so, or where it is not sure
 * that it is set. */
void packet_set_mark(uint32_t *mark, uint32_t *mark_known, const struct value *to, bool sure);

#endif
