/* In what order datagrams that have passed the cheap checks get their curve arithmetic. Each sender
 * (an IPv4 address or an IPv6 /64) waits in the shorter of two rings that a keyed hash chooses, and
 * rings are served in turn, so that one who sends a thousand times as much is served about as often
 * as another one. Rings are in classes, which are served by weights: none of them starves another.
 *
 * What is kept here is only who is next: numbers of slots. The datagrams stand elsewhere. */
#ifndef DOORMAN_RINGS_H
#define DOORMAN_RINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define RINGS_OF_CLASS  1024
#define RINGS_SLOTS_MAX 2048
#define RINGS_NONE      UINT16_MAX /* no slot, no ring */

enum rings_class {
	RINGS_TAGGED, /* with a tag of the shield */
	RINGS_KNOWN,  /* from where clients have knocked */
	RINGS_OTHER,
	RINGS_CLASSES
};

struct ring {
	uint16_t first, last; /* slots */
	uint16_t count;
	uint16_t next;   /* ring that has its turn after this one */
	uint64_t sender; /* hash of who found it empty */
};

struct rings_lane {
	struct ring rings[RINGS_OF_CLASS];
	uint16_t first, last; /* rings with something in them, in the order of their turns */
	uint16_t free;        /* slots that this class may still take */
	uint16_t most;        /* no ring has more */
	uint16_t hand;        /* ring that is next to give back room */
	uint16_t credit;      /* turns that are left to it in this round */
};

struct rings {
	struct rings_lane lanes[RINGS_CLASSES];
	uint16_t next[RINGS_SLOTS_MAX]; /* of a slot: the one behind it in its ring, or free list */
	uint16_t first_free;
	uint16_t waiting;
	uint8_t hash_key[SECRET_HASH_BYTES];
};

/* `slots` of each class; their sum is how many slots there are, at most RINGS_SLOTS_MAX. */
void rings_init(struct rings *r, const uint16_t slots[static RINGS_CLASSES]);
/* A slot for a datagram of that sender, behind those that wait already. In a full class the oldest
 * of a longer ring makes room, and is lost (`displaced`: it stood in that very slot), unless there
 * is no ring that has at least two more: then RINGS_NONE. */
uint16_t rings_put(
    struct rings *r, enum rings_class class, const struct addr *source, bool *displaced);
/* The slot whose turn it is, which is free again; RINGS_NONE when nothing waits. */
uint16_t rings_take(struct rings *r);

#endif
