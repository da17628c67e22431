#include "cmd/text.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/line.h"
#include "conf/values.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

const char *text_escaped(char *out, size_t size, const char *text)
{
	size_t used = 0;

	while (*text != '\0') {
		const char *from = text;
		bool plain = *text != '\\' && value_character(&text) != 0;
		size_t length = plain ? (size_t)(text - from) : 4;

		if (used + length >= size)
			break;
		if (plain)
			memcpy(out + used, from, length);
		else
			snprintf(out + used, size - used, "\\x%02x", (unsigned char)*text++);
		used += length;
	}
	out[used] = '\0';
	return out;
}

const char *text_name(char *out, size_t size, const char *name)
{
	const char *expected = NULL;

	return value_name(name, &expected) ? name : text_escaped(out, size, name);
}

/* Steps over one character. */
static int width_of_next(const char **at)
{
	uint32_t c = value_character(at);
	int columns = c == 0 ? 1 : wcwidth((wchar_t)c);

	*at += c == 0;
	return columns < 0 ? 1 : columns; /* this locale may not know it */
}

int text_width(const char *text)
{
	int width = 0;

	while (*text != '\0')
		width += width_of_next(&text);
	return width;
}

void text_cell(FILE *to, const char *text, int width)
{
	bool fits = text_width(text) <= width;
	int room = fits ? width : width - 1;

	while (*text != '\0') {
		const char *from = text;
		int columns = width_of_next(&text);

		if (columns > room)
			break;
		fwrite(from, 1, (size_t)(text - from), to);
		room -= columns;
	}
	fprintf(to, "%*s%s", room, "", fits || width <= 0 ? "" : "~");
}

void text_column(const char *text, int width)
{
	width -= text_width(text);
	printf("%s%*s ", text, width < 0 ? 0 : width, "");
}

const char *text_duration(int64_t ns, char text[static TEXT_DURATION_BYTES])
{
	int64_t seconds = ns <= 0 ? 0 : (ns - 1) / NS_PER_SECOND + 1;
	int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (days > 0)
		snprintf(text, TEXT_DURATION_BYTES, "%" PRId64 "d%" PRId64 "h", days, hours % 24);
	else if (hours > 0)
		snprintf(text, TEXT_DURATION_BYTES, "%" PRId64 "h%" PRId64 "m%" PRId64 "s", hours,
		    minutes % 60, seconds % 60);
	else if (minutes > 0)
		snprintf(
		    text, TEXT_DURATION_BYTES, "%" PRId64 "m%" PRId64 "s", minutes, seconds % 60);
	else
		snprintf(text, TEXT_DURATION_BYTES, "%" PRId64 "s", seconds);
	return text;
}

const char *text_protocol(uint8_t protocol, char text[static 4])
{
	if (protocol == IPPROTO_TCP)
		return "tcp";
	if (protocol == IPPROTO_UDP)
		return "udp";
	if (protocol == IPPROTO_ICMP)
		return "icmp";
	if (protocol == IPPROTO_ICMPV6)
		return "icmpv6";
	if (protocol == IPPROTO_IPIP)
		return "ipv4";
	snprintf(text, 4, "%u", protocol);
	return text;
}

static int one_range(char *out, size_t size, const struct ports *range)
{
	char number[4];
	const char *protocol = text_protocol(range->protocol, number);

	if (ports_fit(range) && !ports_numbered(range))
		return snprintf(out, size, "%s", protocol);
	if (range->first == range->last)
		return snprintf(out, size, "%u/%s", range->first, protocol);
	return snprintf(out, size, "%u-%u/%s", range->first, range->last, protocol);
}

const char *text_ports(char *out, size_t size, const struct ports *ports, size_t count, bool more)
{
	static const char comma[] = ", ", dots[] = "...";
	size_t used = 0, i;

	out[0] = '\0';
	for (i = 0; i < count; i++) {
		char one[32];
		size_t length = (size_t)one_range(one, sizeof one, &ports[i]);

		if (used + sizeof comma + length + sizeof comma + sizeof dots > size)
			break;
		used +=
		    (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? comma : "", one);
	}
	if (i < count || more)
		snprintf(out + used, size - used, "%s%s", used > 0 ? comma : "", dots);
	return out;
}

const char *text_fingerprint(
    const uint8_t key[static CLIENT_KEY_BYTES], char text[static TEXT_FINGERPRINT_BYTES])
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, key, CLIENT_KEY_BYTES);
	sodium_bin2hex(text, TEXT_FINGERPRINT_BYTES, hash, 8);
	return text;
}

static bool yaml_could_misread(const char *text)
{
	static const char *const words[] = {
	    "y", "n", "yes", "no", "on", "off", "true", "false", "null"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcasecmp(text, words[i]) == 0)
			return true;
	}
	/* Numbers and times start with a digit; a colon may end a key. */
	return strspn(text, LETTERS) == 0 || strspn(text, LETTERS "0123456789._@-") < strlen(text);
}

const char *text_json(char *out, size_t size, const char *text)
{
	struct line l = {.text = out, .size = size};

	line_add(&l, "\"");
	for (; *text != '\0'; text++)
		line_add(&l, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	line_add(&l, "\"");
	return out;
}

const char *text_yaml(char *out, size_t size, const char *text)
{
	if (yaml_could_misread(text))
		return text_json(out, size, text);
	snprintf(out, size, "%s", text);
	return out;
}
