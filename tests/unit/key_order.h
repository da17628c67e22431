/* The order of clients by key, for snapshots that a test makes by hand. */
#ifndef TESTS_KEY_ORDER_H
#define TESTS_KEY_ORDER_H

#include <string.h>

#include "snapshot/snapshot.h"

/* Puts it into `by_key`, which has room for all of them. */
static inline void sort_by_key(uint32_t *by_key, const struct client *clients, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t to = i;

		for (; to > 0 && memcmp(clients[by_key[to - 1]].public_key, clients[i].public_key,
		                     CLIENT_KEY_BYTES) > 0;
		     to--)
			by_key[to] = by_key[to - 1];
		by_key[to] = i;
	}
}

#endif
