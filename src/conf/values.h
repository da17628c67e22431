/* One function a kind of value, for the configuration file and the command line alike. Each takes
 * the whole text or refuses it; then *expected is set to one static phrase that completes
 * `found "..."; expected ...`, and *out is not to be used. */
#ifndef CONF_VALUES_H
#define CONF_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/line.h"
#include "base/uuid.h"
#include "conf/schema.h"
#include "snapshot/snapshot.h"

/* Both ends included. */
struct port_spec {
	bool tcp;
	bool udp;
	uint16_t first;
	uint16_t last;
};

/* What an OpenSPA rule says: a protocol, or TCP and UDP ports. */
struct rule_spec {
	int protocol; /* 1, 4, 6, 17, 58; 0: any; -1: those of `ports` */
	struct port_spec ports;
	uint16_t duration_s; /* 0: it does not say */
};

/* "22/tcp", "53/udp", "80" (both), "8080-8090/tcp", "80-82" (both). */
bool value_port_spec(struct port_spec *out, const char *text, const char **expected);
/* Go's notation, "1m30s", "1.5h", "250ms", as nanoseconds; a negative one is refused. */
bool value_duration(int64_t *out, const char *text, const char **expected);
/* In that notation, as short as it goes: 90s, 1h30m. */
void duration_text(int64_t ns, char *out, size_t size);
/* "2026-12-31", "2026-12-31 23:59:59" (both UTC), "2026-12-31T23:59:59.5+01:00", as nanoseconds
 * since 1970. What lies outside 64 bits becomes INT64_MIN or INT64_MAX, which is "never". */
bool value_time(int64_t *out, const char *text, const char **expected);
/* Whether that is a time of day without its zone; then `zoned` is the same in UTC, as RFC 3339 has
 * it. */
bool value_lacks_zone(const char *text, size_t size, char *zoned);
/* Exactly `size` bytes (32 or 64) in base64 with padding; line breaks in it do not count. */
bool value_key(uint8_t *out, size_t size, const char *text, const char **expected);
/* As YAML has them: decimal, 0x, 0o or 0 and octal, 0b, with an optional sign, underscores between
 * the digits, and a point with nothing but zeros behind it. */
bool value_integer(int64_t *out, const char *text, const char **expected);
/* true/yes/on, false/no/off in any case. */
bool value_switch(int *out, const char *text, const char **expected);
/* One of a table's words. *expected is the phrase "one of the words listed": see the caller. */
bool value_word(int *out, const struct conf_word *words, const char *text);
/* 1 to 255 bytes of UTF-8 that can all be seen, without blanks at its ends. */
bool value_name(const char *text, const char **expected);
/* One character of UTF-8 that can be seen, and steps over it; 0: there is none. */
uint32_t value_character(const char **text);
uint32_t value_any_character(const char **text); /* one that cannot, too */
/* Any name with [A-Za-z0-9._@-] and %XX alone, as URLs write it, for file names, rules, the log and
 * the processes; a plain name is its own label. What is too long for that is cut, and + and a hash
 * follow, so that no two names have the same. Zeros fill the rest. */
void value_label(char out[static CLIENT_NAME_BYTES], const char *name);
/* The name again. False where the label was cut, or is none. */
bool value_name_of_label(char out[static CONF_TEXT_BYTES], const char *label);
/* A host name or an address; what a shell, a URL or a terminal could misread is refused. */
bool value_host(const char *text, const char **expected);
#define INTERFACE_ANY_NAME_BYTES 128 /* alternative names are longer than a device's own */
bool value_interface(const char *text, const char **expected);
bool value_network(struct cidr *out, const char *text, const char **expected);
/* "any", "tcp", "udp", "icmp", "icmpv6", "ipv4" or a port spec, then a duration of whole seconds
 * if wanted: "8000-8010/tcp 30s". */
bool value_rule(struct rule_spec *out, const char *text, const char **expected);
/* http:// or https:// and printable ASCII without spaces and quotes. */
bool value_url(const char *text, const char **expected);
/* "01234567-89ab-cdef-0123-456789abcdef", lower case. */
bool value_uuid(uint8_t out[static UUID_BYTES], const char *text, const char **expected);
/* "source", "any" or a network. */
bool value_target(const char *text, const char **expected);

/* As line_escape, but characters that can be seen stay as they are. */
void value_escape(struct line *l, const char *text, size_t most, enum line_style style);
/* `text` in double quotes, cut after `most` bytes or where `out` ends, what cannot be seen as \xNN.
 * Returns `out`; `size` is 8 at least. */
const char *value_quoted(char *out, size_t size, const char *text, size_t most);
/* What somebody may have meant by `text`: `best` of all that were considered, or NULL when none is
 * near enough. */
struct value_guess {
	const char *text;
	const char *best;
	size_t distance;
};
void value_consider(struct value_guess *guess, const char *candidate);
/* The nearest of `count` candidates, or NULL when none is near enough to be what was meant. */
const char *value_nearest(const char *text, const char *const *candidates, size_t count);

#endif
