/* Inside src/conf only. */
#ifndef SNAPSHOT_SNAPSHOT_CHECK_H
#define SNAPSHOT_SNAPSHOT_CHECK_H

#include "snapshot/snapshot.h"

/* Every value and index of a mapped snapshot whose arrays are known to be inside it. */
bool snapshot_sound(const struct snapshot *s);

#endif
