#include "base/uuid.h"

#include <sodium.h>
#include <string.h>

bool uuid_parse(uint8_t out[static UUID_BYTES], const char *text)
{
	char again[UUID_TEXT_BYTES];
	size_t size = 0;

	/* libsodium takes dashes anywhere, and either case: only one text is ours. */
	return sodium_hex2bin(out, UUID_BYTES, text, strlen(text), "-", &size, NULL) == 0 &&
	       size == UUID_BYTES && strcmp(uuid_text(again, out), text) == 0;
}

const char *uuid_text(char out[static UUID_TEXT_BYTES], const uint8_t uuid[static UUID_BYTES])
{
	static const size_t groups[] = {4, 2, 2, 2, 6}; /* bytes between dashes */
	char *to = out;

	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
		sodium_bin2hex(to, 2 * groups[i] + 1, uuid, groups[i]);
		uuid += groups[i];
		to += 2 * groups[i];
		*to++ = '-';
	}
	out[UUID_TEXT_BYTES - 1] = '\0';
	return out;
}
