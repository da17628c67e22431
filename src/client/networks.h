/* From which networks clients have knocked: an IPv4 /24 or an IPv6 /48. A phone that has another
 * address of its provider today is then found among those who were seen there, and not among all.
 *
 * A table that is mapped and outlives the daemon. It holds pairs: a network, as a keyed hash, and a
 * client, as the beginning of its public key. What stands there is never believed: it only says
 * whose keys are tried first. Several processes may write it at once; what two of them write into
 * one place at the same time is one pair lost. */
#ifndef CLIENT_NETWORKS_H
#define CLIENT_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/secret.h"
#include "snapshot/snapshot.h"

#define NETWORKS_PAGE_PAIRS 64  /* that are looked at together */
#define NETWORKS_OF_NETWORK 16  /* a network's share of a page: more go to its next one */
#define NETWORKS_CHAIN_MOST 128 /* pages of one network */
#define NETWORKS_FOUND_MOST (NETWORKS_CHAIN_MOST * NETWORKS_OF_NETWORK)
#define NETWORKS_HEAD_BYTES 4096

struct networks {
	uint64_t *pairs; /* client 32, network 16, when last 16 bits; 0: free */
	uint32_t pages;  /* a power of two */
	uint8_t hash_key[SECRET_HASH_BYTES];
};

enum networks_origin { NETWORKS_KEPT, NETWORKS_MADE, NETWORKS_OUTGROWN, NETWORKS_UNSOUND };

/* The network of a source; host bits zero. */
struct addr networks_of(const struct addr *source);

/* Puts a file in order, with all its blocks: an empty one is begun, and one that is too small for
 * so many clients or is not sound is begun anew. False with errno. */
bool networks_prepare(int fd, uint32_t clients, enum networks_origin *origin);
/* Maps a prepared file, or with -1 memory of this process alone, for a test or where there is no
 * file. False with errno; `fd` stays the caller's. */
bool networks_open(struct networks *n, int fd);
/* Safe on a zeroed one. */
void networks_close(struct networks *n);

/* Whether anybody was seen there: one look at one page. */
bool networks_known(const struct networks *n, const struct addr *source);
/* The clients of `s` that were seen in the network of `source`, the last one first. Returns how
 * many. */
size_t networks_find(const struct networks *n, const struct snapshot *s, const struct addr *source,
    int64_t now_real_ns, uint32_t clients[], size_t most);
/* Call only when the client's signature on a fresh knock has been verified. */
void networks_seen(struct networks *n, const struct addr *source,
    const uint8_t key[static CLIENT_KEY_BYTES], int64_t now_real_ns);

#endif
