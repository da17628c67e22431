/* Memory that runs out when a test says so: stands in place of malloc, calloc and
 * secret_alloc (--wrap). */
#ifndef SHORT_MEMORY_H
#define SHORT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* The `nth` allocation from now on fails, 1 being the next; 0: none does any more. */
void short_memory(size_t nth);
/* Whether it has failed. */
bool short_memory_failed(void);

#endif
