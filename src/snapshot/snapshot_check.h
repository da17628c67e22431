/* Inside src/snapshot only. */
#ifndef SNAPSHOT_SNAPSHOT_CHECK_H
#define SNAPSHOT_SNAPSHOT_CHECK_H

#include "snapshot/snapshot.h"

/* Every value and index of the settings. */
bool snapshot_settings_sound(const struct snapshot_header *h);
/* The same of the elements of all arrays, which are known to be inside, from `first` to before
 * `end`. */
bool snapshot_elements_sound(const struct snapshot *s, uint32_t first, uint32_t end);
/* How many elements the longest array has. */
uint32_t snapshot_longest(const struct snapshot_header *h);

#endif
