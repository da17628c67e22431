/* One thing that is open for one address. */
#ifndef GRANT_OPENING_H
#define GRANT_OPENING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/ports.h"

struct opening {
	struct addr address;
	struct ports ports; /* protocol 0: those of `policy` */
	uint32_t policy;    /* index in the snapshot in force; 0 where `ports` says what is open */
	uint32_t holder;    /* index in the keeper's snapshot (snapshot_holder_name) */
	int64_t until_ns;   /* CLOCK_BOOTTIME */
};

/* True when both are one and the same for a firewall, whoever holds them. */
bool opening_same(const struct opening *a, const struct opening *b);

#endif
