/* Inside src/conf only. */
#ifndef CONF_SNAPSHOT_CHECK_H
#define CONF_SNAPSHOT_CHECK_H

#include "conf/snapshot.h"

/* Every value and index of a mapped snapshot whose arrays are known to be inside it. */
bool snapshot_sound(const struct snapshot *s);

#endif
