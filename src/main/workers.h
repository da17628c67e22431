/* How many doormen there are, and whose their sockets are. */
#ifndef MAIN_WORKERS_H
#define MAIN_WORKERS_H

#include <sys/types.h>

#include "main/socket_store.h"
#include "snapshot/snapshot.h"

/* As configured; by itself one processor is left to the keeper and to what is behind the gate. */
unsigned int workers_wanted(const struct settings *s);
/* Several sockets at one port are a group, which any socket of the same user may join, and get a
 * part of what arrives. So they are a user's whom nobody is: the one that has those in the store,
 * or another. False when there is none. */
bool workers_owner(uid_t *out, const struct socket_store *store);
/* The key by which packet sockets share what they capture: that of those in the store, or a new
 * one. */
struct steer_key workers_key(const struct socket_store *store);

#endif
