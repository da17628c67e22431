/* What a holder may have opened, and for which address. */
#ifndef ADMIT_POLICY_H
#define ADMIT_POLICY_H

#include "admit/codec.h"
#include "admit/verdict.h"
#include "snapshot/snapshot.h"

/* Turns what a packet asked for into the address to open for. `source` is where the packet came
 * from, `targets`, `list` and `wildcard` are the holder's. VERDICT_PASS, or why not; *out is set
 * only then. */
struct target_policy {
	enum conf_targets targets;
	struct span list; /* of cidr, with CONF_TARGETS_LIST */
	bool wildcard;
};
enum verdict policy_target(struct addr *out, const struct snapshot *s,
    const struct target_policy *policy, const struct addr *asked, const struct addr *source);

/* OpenSPA: for how many seconds `device` may have what it asks for; 0: not at all. */
uint16_t policy_duration(
    const struct snapshot *s, const struct device *device, const struct asked *asked);
/* OpenSPA: a device that stands in no row, and whose key only a program knows. */
struct device policy_unlisted(
    const struct snapshot *s, const uint8_t uuid[static DEVICE_UUID_BYTES]);
/* OpenSPA: true when the request was meant for this server and not re-sealed from another. */
bool policy_is_our_address(const struct snapshot *s, const struct addr *server);

#endif
