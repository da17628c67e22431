#include "base/uuid.h"

#include <string.h>

#define UUID_TEXT_LENGTH (UUID_TEXT_BYTES - 1)

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_dash(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

bool uuid_parse(uint8_t out[static UUID_BYTES], const char *text)
{
	size_t digits = 0;

	memset(out, 0, UUID_BYTES);
	if (strlen(text) != UUID_TEXT_LENGTH)
		return false;
	for (size_t at = 0; at < UUID_TEXT_LENGTH; at++) {
		int digit = hex_digit(text[at]);

		if (is_dash(at) ? text[at] != '-' : digit < 0)
			return false;
		if (is_dash(at))
			continue;
		out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | digit);
		digits++;
	}
	return true;
}

const char *uuid_text(char out[static UUID_TEXT_BYTES], const uint8_t uuid[static UUID_BYTES])
{
	static const char hex[] = "0123456789abcdef";
	size_t digits = 0;

	for (size_t at = 0; at < UUID_TEXT_LENGTH; at++) {
		if (is_dash(at)) {
			out[at] = '-';
			continue;
		}
		out[at] = hex[digits % 2 == 0 ? uuid[digits / 2] >> 4 : uuid[digits / 2] & 15];
		digits++;
	}
	out[UUID_TEXT_LENGTH] = '\0';
	return out;
}
