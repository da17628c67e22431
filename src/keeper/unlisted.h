/* Places for devices that no configuration lists and only a program knows: sets of a few places,
 * the set chosen by a keyed hash of the UUID, so that finding one is quick however many there are.
 */
#ifndef KEEPER_UNLISTED_H
#define KEEPER_UNLISTED_H

#include <stdbool.h>
#include <stdint.h>

#include "snapshot/snapshot.h"

#define VISITOR_SETS  2048U
#define VISITOR_WAYS  16U
#define VISITORS_MOST (VISITOR_SETS * VISITOR_WAYS)
#define VISITOR_NONE  UINT32_MAX

struct visitor {
	bool admitted; /* once: the place is its own */
	uint8_t uuid[DEVICE_UUID_BYTES];
	char name[CLIENT_NAME_BYTES]; /* the uuid as text */
};

struct visitors {
	uint8_t hash_key[16];
	struct visitor places[VISITORS_MOST];
};

/* NULL when memory is short; the caller's to free. */
struct visitors *visitors_new(void);
/* The place of an admitted device, or VISITOR_NONE. */
uint32_t visitors_find(const struct visitors *v, const uint8_t uuid[static DEVICE_UUID_BYTES]);
/* A place for a device that has none: one that is free, else one whose visitor may go; VISITOR_NONE
 * when there is none. It is free again for the next unless `admitted` is set in it. */
uint32_t visitors_place(struct visitors *v, const uint8_t uuid[static DEVICE_UUID_BYTES],
    bool (*may_go)(const void *context, uint32_t place), const void *context);

#endif
