#include "conf/values.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/secret.h"
#include "conf/schema.h"

#define DIGITS  "0123456789"
#define BLANKS  " \t"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Steps over 1 to 5 digits that make a port, and blanks around them, as openme does. */
static bool take_port_number(const char **text, uint16_t *out)
{
	unsigned long value;
	size_t length;

	*text += strspn(*text, BLANKS);
	length = strspn(*text, DIGITS);

	if (length < 1 || length > 5)
		return false;
	value = strtoul(*text, NULL, 10);
	*text += length;
	*text += strspn(*text, BLANKS);
	*out = (uint16_t)value;
	return value >= 1 && value <= UINT16_MAX;
}

static bool take_protocol(const char *text, struct port_spec *out)
{
	out->tcp = *text == '\0' || strcasecmp(text, "/tcp") == 0;
	out->udp = *text == '\0' || strcasecmp(text, "/udp") == 0;
	return out->tcp || out->udp;
}

bool value_port_spec(struct port_spec *out, const char *text, const char **expected)
{
	*expected =
	    "ports such as 22/tcp, 53/udp, 80 or 8080-8090/tcp, with numbers from 1 to 65535";
	if (!take_port_number(&text, &out->first))
		return false;
	out->last = out->first;
	if (*text == '-') {
		text++;
		if (!take_port_number(&text, &out->last))
			return false;
	}
	if (!take_protocol(text, out)) {
		*expected = "tcp or udp, or nothing for both, after the port, such as 22/tcp";
		return false;
	}
	*expected = "a range that starts with its lower port, such as 8080-8090/tcp";
	return out->first <= out->last;
}

bool value_key(uint8_t *out, size_t size, const char *text, const char **expected)
{
	size_t length = (size + 2) / 3 * 4, padding = (3 - size % 3) % 3;

	*expected = size == 64 ? "64 bytes in base64: 88 characters, the last two `==`"
	                       : "32 bytes in base64: 44 characters, the last one `=`";
	if (secret_from_base64_lines(out, size, text))
		return true;
	if (strlen(text) == length && strcspn(text, "=") == length - padding)
		*expected = "base64 of A-Z, a-z, 0-9, + and /: a character of it is wrong, so take "
		            "it again from where it came from";
	return false;
}

/* Copies a number without its underscores and without zeros behind its point. False when it has no
 * room. */
static bool plain_number(char *out, size_t size, const char *text)
{
	const char *point = strchr(text, '.');
	size_t length = 0;

	if (point != NULL && point[1 + strspn(point + 1, "0")] != '\0')
		return false;
	for (; *text != '\0' && text != point; text++) {
		if (*text == '_' && length > 0)
			continue;
		if (length + 1 >= size)
			return false;
		out[length++] = *text;
	}
	out[length] = '\0';
	return true;
}

/* The base that YAML reads a number in, and steps over what says so. */
static int take_base(const char **digits)
{
	static const struct {
		char letter;
		int base;
	} marks[] = {{'x', 16}, {'o', 8}, {'b', 2}};

	if (**digits != '0')
		return 10;
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		if (((*digits)[1] | 0x20) == marks[i].letter) {
			*digits += 2;
			return marks[i].base;
		}
	}
	return strpbrk(*digits, "89") == NULL ? 8 : 10;
}

bool value_integer(int64_t *out, const char *text, const char **expected)
{
	char plain[72] = "", *end = NULL;
	const char *digits = plain;
	bool negative;
	int base;

	*expected = "a whole number";
	if (!plain_number(plain, sizeof plain, text))
		return false;
	negative = *digits == '-';
	digits += negative || *digits == '+';
	base = take_base(&digits);
	if (!(base == 16 ? isxdigit((unsigned char)*digits) : isdigit((unsigned char)*digits)) ||
	    (base == 16 && digits[1] == 'x'))
		return false;
	errno = 0;
	*out = strtoll(digits, &end, base);
	if (negative)
		*out = -*out;
	return errno == 0 && *end == '\0';
}

bool value_switch(int *out, const char *text, const char **expected)
{
	static const struct conf_word words[] = {{"true", 1}, {"yes", 1}, {"on", 1}, {"false", 0},
	    {"no", 0}, {"off", 0}, {"y", 1}, {"n", 0}, {NULL, 0}};

	*expected = "true or false";
	for (const struct conf_word *w = words; w->word != NULL; w++) {
		if (strcasecmp(text, w->word) == 0) {
			*out = w->number;
			return true;
		}
	}
	return false;
}

bool value_word(int *out, const struct conf_word *words, const char *text)
{
	for (const struct conf_word *w = words; w->word != NULL; w++) {
		if (strcmp(text, w->word) == 0) {
			*out = w->number;
			return true;
		}
	}
	return false;
}

bool value_host(const char *text, const char **expected)
{
	size_t length = strlen(text);

	*expected = "a host name or an address, such as gate.example.org, 192.0.2.1 or 2001:db8::1";
	return length > 0 && length < CONF_TEXT_BYTES - 2 && *text != '-' && *text != '.' &&
	       strspn(text, LETTERS DIGITS "._-:%") == length;
}

bool value_interface(const char *text, const char **expected)
{
	size_t length = strlen(text);

	*expected = "the name of a network interface, up to 127 letters, digits and . _ -";
	return length > 0 && length < INTERFACE_ANY_NAME_BYTES && strcmp(text, ".") != 0 &&
	       strcmp(text, "..") != 0 && *text != '-' &&
	       strspn(text, LETTERS DIGITS "._-") == length;
}

bool value_network(struct cidr *out, const char *text, const char **expected)
{
	*expected = "an address or a network such as 192.0.2.0/24 or 2001:db8::/32, with no bits "
	            "set behind the prefix";
	return cidr_parse(out, text);
}

bool value_target(const char *text, const char **expected)
{
	struct cidr network;

	if (strcmp(text, "source") == 0 || strcmp(text, "any") == 0 ||
	    value_network(&network, text, expected))
		return true;
	*expected = "source, any, or networks such as 192.0.2.0/24";
	return false;
}
