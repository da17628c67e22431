/* What iptables-legacy-save prints of the rules that nf_tables knows nothing of, as far as a rule
 * says which ports it is about. */
#ifndef DOCTOR_LEGACY_SAVE_H
#define DOCTOR_LEGACY_SAVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ports.h"

/* Names are there for the time of the call, and may hold any byte. */
struct legacy_rule {
	const char *table, *chain;
	const char *target;       /* of a policy: what it is; "": none */
	struct ports ports;       /* protocol 0: any; the whole range where it names none */
	bool policy;              /* of the chain */
	bool narrow;              /* it looks at more than is said here */
	uint32_t mark, mark_mask; /* mask 0: it looks at no mark */
};

/* Calls `each` for every policy and rule, for one that names several ranges of ports once for each.
 * `saved` is taken to pieces. What is no such line is passed over. */
void legacy_save_read(
    char *saved, void (*each)(void *context, const struct legacy_rule *rule), void *context);

#endif
