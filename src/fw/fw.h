/* The firewall as the keeper sees it. Back-ends stand in one table, chosen at run time by the
 * configuration. Everything that expires does so in the kernel: a grant handed over here ends by
 * itself whatever becomes of this process. */
#ifndef FW_FW_H
#define FW_FW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot/snapshot.h"

/* One grant: `address` may reach the ports of `policy` for `timeout_ms` from now. */
struct fw_grant {
	struct addr address;
	uint32_t policy;               /* index in the snapshot last installed */
	uint64_t timeout_ms;           /* 1 or more */
	char owner[CLIENT_NAME_BYTES]; /* shown beside the element */
};

/* One opening that names its ports, as OpenSPA requests do: `address` may reach `first`..`last` of
 * TCP or UDP, 1..65535; or, with both 0, all of IPv4 in IP (4), or of ICMP (1, for IPv4) and ICMPv6
 * (58, for IPv6) echoes and errors. An opening only lets by what something else would stop: a port
 * that neither we nor the host's chains guard is open before, during and after. */
struct fw_opening {
	struct addr address;
	uint8_t protocol;
	uint16_t first;
	uint16_t last;
	uint64_t timeout_ms;           /* 1 or more */
	char owner[CLIENT_NAME_BYTES]; /* shown beside the element */
};

/* Everything that is to be open, as install takes it. */
struct fw_live {
	const struct fw_grant *grants;
	size_t grant_count;
	const struct fw_opening *openings;
	size_t opening_count;
};

#define FW_RANGES 256 /* distinct port ranges (address family, protocol, first, last) at once */

/* Whether such an opening can be: protocol, ports, time, owner, and that they go together. */
bool fw_opening_fits(const struct fw_opening *opening);

struct fw;

/* All calls return 0 or a negative errno, unless said otherwise, and have logged why they failed.
 */
struct fw_ops {
	const char *name;
	/* Opens what the back-end needs (sockets); afterwards it opens nothing more. */
	int (*open)(struct fw *fw);
	void (*close)(struct fw *fw);
	/* Puts the whole rule set for `s` in place with `live`, in one transaction that
	 * replaces what was there; the host's chains are told to let marked packets by. On failure
	 * the rules and the policies of the last success stay in force. Of two grants for one
	 * address and policy, and of two openings of the same for one address, the longer one
	 * counts; openings count only where OpenSPA is on with the native firewall, and the first
	 * FW_RANGES distinct ranges of them (what is left out is logged). The snapshot is only read
	 * during the call. */
	int (*install)(struct fw *fw, const struct snapshot *s, const struct fw_live *live);
	/* Opens or refreshes `count` grants (up to 150) in one transaction, without a gap. On
	 * failure none is open that was not open before; -ENOENT: our rules are gone, install them.
	 */
	int (*grant)(struct fw *fw, const struct fw_grant *grants, size_t count);
	/* Closes one grant before its time; fine when it is already gone. */
	int (*revoke)(struct fw *fw, const struct fw_grant *grant);
	/* Opens or refreshes `count` openings (up to 64) as `grant` does, with the same failures;
	 * -EINVAL: one is none (fw_opening_fits), or what is installed has no
	 * place for them; -ENOSPC: more distinct
	 * ranges would be open than FW_RANGES. The time given is the time set: of an opening held
	 * by several, give the latest end. Openings that overlap without being the same do not
	 * touch each other. */
	int (*open_ports)(struct fw *fw, const struct fw_opening *openings, size_t count);
	/* Closes one opening before its time; fine when it is already gone. */
	int (*close_ports)(struct fw *fw, const struct fw_opening *opening);
	/* Takes away our table and our rules in the host's chains. */
	int (*remove)(struct fw *fw);
	/* Reads the grants that a predecessor left, for the policies of `s`. Returns how many were
	 * stored in `out`, at most `most`, or a negative errno. */
	int (*adopt)(struct fw *fw, const struct snapshot *s, struct fw_grant *out, size_t most);
	/* The same for openings, whatever the configuration says of them. */
	int (*adopt_ports)(struct fw *fw, struct fw_opening *out, size_t most);
	/* A descriptor that becomes readable when somebody else changes the rule set; -1: none. */
	int (*watch)(struct fw *fw);
	/* Reads what is to be read there. True when our rules are not as installed any more. */
	bool (*disturbed)(struct fw *fw);
};

struct fw {
	const struct fw_ops *ops;
	void *state; /* the back-end's own */
};

/* Chooses the back-end; `open` has been called on success. */
int fw_open(struct fw *fw, enum conf_firewall which);
void fw_close(struct fw *fw);

/* The text of the rule set that install would apply, as for `nft -f`. Allocated, the caller's to
 * free; NULL with errno when memory is short (ENOMEM) or a name, port or network in it is none
 * (EINVAL). Used by install itself and the dry run. */
char *fw_nft_ruleset(const struct snapshot *s, const struct fw_live *live);

extern const struct fw_ops fw_nft_ops;
extern const struct fw_ops fw_none_ops;

#endif
