/* What the configuration that was last accepted says is shut, kept in the state directory: when the
 * file is broken at the next start or boot, that much is put in place all the same. No client and
 * no key is in it. */
#ifndef SNAPSHOT_ACCEPTED_H
#define SNAPSHOT_ACCEPTED_H

#include <stdbool.h>

#include "snapshot/snapshot.h"

#define ACCEPTED_FILE "accepted"

/* Writes it whole or not at all. False with errno. */
bool accepted_save(const char *state_dir, const struct snapshot *s);
/* A snapshot without clients, as snapshot_create makes it; the caller closes it. -1 with *why when
 * there is none, or none that can be trusted. */
int accepted_load(const char *state_dir, const char **why);

#endif
