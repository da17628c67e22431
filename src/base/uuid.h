/* UUIDs, which name OpenSPA devices. Source: RFC 9562, section 4. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#define UUID_BYTES      16
#define UUID_TEXT_BYTES 37 /* with the closing zero */

/* The whole of `text`: 8-4-4-4-12 hexadecimal digits, lower case. False when it is anything else.
 */
bool uuid_parse(uint8_t out[static UUID_BYTES], const char *text);
/* The same back; returns `out`. */
const char *uuid_text(char out[static UUID_TEXT_BYTES], const uint8_t uuid[static UUID_BYTES]);

#endif
