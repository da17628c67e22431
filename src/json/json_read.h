/* JSON from outside, read strictly: one whole text, no key twice, no deeper than wanted. */
#ifndef JSON_JSON_READ_H
#define JSON_JSON_READ_H

#include <jansson.h>
#include <stddef.h>

/* The object in `text`; NULL for everything else. `depth` counts objects and arrays inside each
 * other, the outermost one as 1. The caller's (json_decref). */
json_t *json_read(const char *text, size_t size, unsigned int depth);

#endif
