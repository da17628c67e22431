/* Places for devices that no configuration lists and only a program knows: sets of a few places,
 * the set chosen by a keyed hash of the UUID, so that finding one is quick however many there are.
 */
#ifndef KEEPER_UNLISTED_H
#define KEEPER_UNLISTED_H

#include <stdbool.h>
#include <stdint.h>

#include "snapshot/snapshot.h"

#define UNLISTED_SETS 2048U
#define UNLISTED_WAYS 16U
#define UNLISTED_MOST (UNLISTED_SETS * UNLISTED_WAYS)
#define UNLISTED_NONE UINT32_MAX

struct unlisted_device {
	bool admitted; /* once: the place is its own */
	uint8_t uuid[DEVICE_UUID_BYTES];
	char name[CLIENT_NAME_BYTES]; /* the uuid as text */
};

struct unlisted_devices {
	uint8_t hash_key[16];
	struct unlisted_device places[UNLISTED_MOST];
};

/* NULL when memory is short; the caller's to free. */
struct unlisted_devices *unlisted_new(void);
/* The place of an admitted device, or UNLISTED_NONE. */
uint32_t unlisted_find(
    const struct unlisted_devices *v, const uint8_t uuid[static DEVICE_UUID_BYTES]);
/* A place for a device that has none: one that is free, else one whose unlisted may go;
 * UNLISTED_NONE when there is none. It is free again for the next unless `admitted` is set in it.
 */
uint32_t unlisted_place(struct unlisted_devices *v, const uint8_t uuid[static DEVICE_UUID_BYTES],
    bool (*may_go)(const void *context, uint32_t place), const void *context);

#endif
