/* Names of clients, devices and profiles: any text that people can see, and its plain form. */
#include "conf/values.h"

#include <ctype.h>
#include <sodium.h>
#include <string.h>

#include "base/line.h"
#include "conf/schema.h"

#define HASH_BYTES 16

struct range {
	uint32_t first;
	uint32_t last;
};

/* Control characters, those without a width, those that turn the direction of what is beside them,
 * separators of lines, and what is no character. */
static const struct range unseen[] = {{0, 0x1f}, {0x7f, 0x9f}, {0xad, 0xad}, {0x34f, 0x34f},
    {0x61c, 0x61c}, {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x200b, 0x200b},
    {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164}, {0xd800, 0xdfff},
    {0xfdd0, 0xfdef}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xfffe, 0xffff},
    {0xe0000, UINT32_MAX}};
/* Not at the ends. Letters are joined or kept apart by 0x200c and 0x200d, as in Persian. */
static const struct range blanks[] = {{' ', ' '}, {0xa0, 0xa0}, {0x1680, 0x1680}, {0x2000, 0x200a},
    {0x200c, 0x200d}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};

#define IS_ONE_OF(c, ranges) is_one_of(c, ranges, sizeof(ranges) / sizeof *(ranges))

static bool is_one_of(uint32_t c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	}
	return false;
}

uint32_t value_any_character(const char **text)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	const uint8_t *from = (const uint8_t *)*text;
	unsigned int more = *from < 0x80 ? 0 : *from >> 5 == 6 ? 1 : *from >> 4 == 14 ? 2 : 3;
	uint32_t c = more == 0 ? *from : *from & (0x3fU >> more);

	if (more == 3 && *from >> 3 != 30)
		return 0;
	for (unsigned int i = 1; i <= more; i++) {
		if (from[i] >> 6 != 2)
			return 0;
		c = c << 6 | (from[i] & 0x3fU);
	}
	if (c < least[more])
		return 0;
	*text += more + 1;
	return c;
}

uint32_t value_character(const char **text)
{
	const char *at = *text;
	uint32_t c = value_any_character(&at);

	if (IS_ONE_OF(c, unseen))
		return 0;
	*text = at;
	return c;
}

bool value_name(const char *text, const char **expected)
{
	uint32_t first = 0, last = 0;
	const char *at = text;

	*expected = "a name of up to 255 bytes in UTF-8, without control or invisible characters, "
	            "and without blanks at its ends";
	while (*at != '\0') {
		last = value_character(&at);
		if (last == 0)
			return false;
		first = first == 0 ? last : first;
	}
	return first != 0 && at - text < CONF_TEXT_BYTES && !IS_ONE_OF(first, blanks) &&
	       !IS_ONE_OF(last, blanks);
}

void value_escape(struct line *l, const char *text, size_t most, enum line_style style)
{
	for (const char *at = text, *from = at; *at != '\0' && (size_t)(at - text) < most;
	     from = at) {
		if ((uint8_t)*at < 0x80 || value_character(&at) == 0)
			line_escape(l, at++, 1, style);
		else if (l->size - l->used > (size_t)(at - from))
			line_add(l, "%.*s", (int)(at - from), from);
		else
			l->cut = true; /* no character is shown in part */
		if (l->cut)
			return;
	}
}

/* What stands in a label for itself. Not at its start: what file names there would hide or tools
 * take for an option. */
static bool stands(char c, bool start)
{
	return isalnum((unsigned char)c) || c == '_' ||
	       (!start && (c == '.' || c == '@' || c == '-'));
}

static void write_label(struct line *l, const char *name)
{
	for (const char *c = name; *c != '\0'; c++) {
		bool plain = (uint8_t)*c < 0x80 && stands(*c, c == name);

		if (l->size - l->used <= (plain ? 1U : 3U))
			l->cut = true;
		if (l->cut)
			return;
		line_add(l, plain ? "%c" : "%%%02X", plain ? *c : (uint8_t)*c);
	}
}

void value_label(char out[static CLIENT_NAME_BYTES], const char *name)
{
	struct line l = {.text = out, .size = CLIENT_NAME_BYTES};
	uint8_t hash[HASH_BYTES];

	memset(out, 0, CLIENT_NAME_BYTES);
	write_label(&l, name);
	if (l.cut) {
		l = (struct line){.text = out, .size = CLIENT_NAME_BYTES - 1 - 2 * HASH_BYTES};
		write_label(&l, name);
		crypto_generichash(hash, sizeof hash, (const uint8_t *)name, strlen(name), NULL, 0);
		out[l.used++] = '+';
		sodium_bin2hex(out + l.used, CLIENT_NAME_BYTES - l.used, hash, sizeof hash);
	} else if (l.used == 0) {
		out[0] = '%';
	}
}

bool value_name_of_label(char out[static CONF_TEXT_BYTES], const char *label)
{
	const char *expected = NULL;
	size_t used = 0;

	for (const char *c = label; *c != '\0'; c++) {
		out[used] = *c;
		if (*c == '%' &&
		    sodium_hex2bin((uint8_t *)&out[used], 1, c + 1, 2, NULL, NULL, NULL) != 0)
			return false;
		if (*c == '+' || out[used] == '\0' || ++used == CONF_TEXT_BYTES)
			return false;
		c += *c == '%' ? 2 : 0;
	}
	out[used] = '\0';
	return value_name(out, &expected);
}
