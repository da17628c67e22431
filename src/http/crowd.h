/* Everybody who is connected: how many from where, and who has been silent for too long. */
#ifndef HTTP_CROWD_H
#define HTTP_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"

#define CROWD_BUCKETS 1024

/* The caller's, part of its own record of a connection. */
struct visitor {
	LIST_ENTRY(visitor) same_bucket;
	TAILQ_ENTRY(visitor) by_progress;
	struct addr peer;
	int64_t progress_ns; /* when it came, or was last answered in full */
	int fd;              /* the caller's business */
	bool queued;
};

LIST_HEAD(crowd_bucket, visitor);
TAILQ_HEAD(crowd_queue, visitor);

struct crowd {
	struct crowd_bucket buckets[CROWD_BUCKETS];
	struct crowd_queue queue; /* the longest without progress first */
	uint8_t hash_key[16];
	uint32_t most, per_address;
	uint32_t count;
};

/* At most `most` at once, and `per_address` of them from one IPv4 address or one IPv6 /64, which is
 * what a household gets. After secret_init. */
void crowd_init(struct crowd *c, uint32_t most, uint32_t per_address);
/* One more would not be too many; one more from `peer` neither. */
bool crowd_has_room(const struct crowd *c);
bool crowd_has_room_for(const struct crowd *c, const struct addr *peer);

/* v->peer is set by the caller; `v` must stay where it is until crowd_leave. */
void crowd_enter(struct crowd *c, struct visitor *v, int64_t now_ns);
void crowd_leave(struct crowd *c, struct visitor *v);
/* A request of `v` has been answered: its time starts anew. */
void crowd_progress(struct crowd *c, struct visitor *v, int64_t now_ns);
/* Someone whose last progress was before `since_ns`, each only once; NULL when there is none. */
struct visitor *crowd_next_late(struct crowd *c, int64_t since_ns);
/* Everyone not yet found late whose last progress was before `since_ns`. `visit` leaves the crowd
 * as it is. */
void crowd_each_quiet(struct crowd *c, int64_t since_ns, void (*visit)(const struct visitor *v));
bool crowd_is_empty(const struct crowd *c);

#endif
