/* Who may knock, and how a packet finds its client.
 *
 * A knock does not say who sent it: the signature has to be tried against the clients' keys. To
 * keep that cheap, the clients that last knocked from a source are tried first, and found again by
 * their keys after the configuration has changed. A source is an IPv4 address or an IPv6 /64. */
#ifndef CLIENT_DIRECTORY_H
#define CLIENT_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "snapshot/snapshot.h"

#define DIRECTORY_NOBODY UINT32_MAX
#define DIRECTORY_RECENT 4 /* clients remembered of a source, as behind one router */

struct directory;

/* For the clients of `s`. Keeps a copy of `s` itself; the memory that it maps must outlive the
 * directory. NULL when memory is short. */
struct directory *directory_new(const struct snapshot *s);
/* Safe on NULL. */
void directory_free(struct directory *d);

/* The client that last knocked from `source`, or DIRECTORY_NOBODY. A lone client is always the
 * guess. */
uint32_t directory_guess(const struct directory *d, const struct addr *source);
/* The clients that knocked from `source`, the last one first, or the lone client. Returns how
 * many. */
size_t directory_recent(const struct directory *d, const struct addr *source,
    uint32_t clients[static DIRECTORY_RECENT]);
/* Whether any client has knocked from `source`. */
bool directory_knows(const struct directory *d, const struct addr *source);
/* Call only when a signature has been verified: nothing about an unverified packet is kept. */
void directory_seen(struct directory *d, const struct addr *source, uint32_t client);
/* Carries the addresses over to the directory of a new snapshot. */
void directory_carry(struct directory *to, const struct directory *from);

#endif
