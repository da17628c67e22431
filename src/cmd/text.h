/* Values as people read them. */
#ifndef CMD_TEXT_H
#define CMD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "snapshot/snapshot.h"

/* Characters that can be seen as they are, every other byte, and the backslash, as \xNN; cut where
 * `size` ends. Returns `out`. */
const char *text_escaped(char *out, size_t size, const char *text);
/* A name as it is; what is none, and stands in a file all the same, escaped. */
const char *text_name(char *out, size_t size, const char *name);
/* To standard output, filled up to `width` columns, and a blank. */
void text_column(const char *text, int width);

/* To `to`, in exactly `width` columns: cut, with ~ in the last one, or filled up with blanks. What
 * cannot be seen is left out. */
void text_cell(FILE *to, const char *text, int width);
/* How many columns it takes. */
int text_width(const char *text);

#define TEXT_DURATION_BYTES 32
/* "0s", "29s", "28m1s", "3h0m2s", "12d4h": rounded up to whole seconds. Returns `text`. */
const char *text_duration(int64_t ns, char text[static TEXT_DURATION_BYTES]);

/* "22/tcp, 60000-61000/udp"; "..." at the end when `more` or when `size` is too small. */
const char *text_ports(char *out, size_t size, const struct ports *ports, size_t count, bool more);
/* "tcp", "udp", or the number. */
const char *text_protocol(uint8_t protocol, char text[static 4]);

#define TEXT_FINGERPRINT_BYTES 17
/* The first 8 bytes of SHA-256 of a public key, in hexadecimal, as openme shows it. */
const char *text_fingerprint(
    const uint8_t key[static CLIENT_KEY_BYTES], char text[static TEXT_FINGERPRINT_BYTES]);

/* A string of JSON for a name or host that was checked. Returns `out`, which holds
 * 2 * strlen(text) + 3. */
const char *text_json(char *out, size_t size, const char *text);
/* The same for YAML, without quotes where it needs none. */
const char *text_yaml(char *out, size_t size, const char *text);

#endif
