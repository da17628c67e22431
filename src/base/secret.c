#include "base/secret.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

bool secret_init(void)
{
	return sodium_init() >= 0;
}

void secret_wipe(void *secret, size_t size)
{
	sodium_memzero(secret, size);
}

bool secret_equal(const void *a, const void *b, size_t size)
{
	return sodium_memcmp(a, b, size) == 0;
}

void secret_random(void *out, size_t size)
{
	randombytes_buf(out, size);
}

_Static_assert(SECRET_HASH_BYTES == crypto_shorthash_KEYBYTES, "SipHash's key");

uint64_t secret_hash(const uint8_t key[static SECRET_HASH_BYTES], const void *data, size_t size)
{
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, data, size, key);
	return hash;
}

void *secret_alloc(size_t size)
{
	void *p = sodium_malloc(size);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

/* Of a line of /proc/self/maps: memory that is ours alone and can be written. */
static bool is_own(const char *line, unsigned long *from, unsigned long *to)
{
	char *end;

	*from = strtoul(line, &end, 16);
	if (*end != '-')
		return false;
	*to = strtoul(end + 1, &end, 16);
	return strncmp(end, " rw-p ", strlen(" rw-p ")) == 0 && *from < *to;
}

bool secret_lock_all(size_t *needed)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int failed = maps == NULL ? errno : 0;
	unsigned long from, to;
	char line[PATH_MAX + 128];

	*needed = 0;
	while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
		if (!is_own(line, &from, &to))
			continue;
		*needed += to - from;
		if (mlock2((const void *)from, to - from, MLOCK_ONFAULT) != 0)
			failed = errno;
	}
	if (maps != NULL)
		fclose(maps);
	errno = failed;
	return failed == 0;
}

void secret_free(void *secret)
{
	sodium_free(secret);
}

static bool from_base64(void *out, size_t size, const char *text, const char *ignored)
{
	const char *end = NULL;
	size_t length = 0;

	if (sodium_base642bin(out, size, text, strlen(text), ignored, &length, &end,
	        sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    length == size && *end == '\0')
		return true;
	sodium_memzero(out, size);
	return false;
}

bool secret_from_base64(void *out, size_t size, const char *text)
{
	return from_base64(out, size, text, NULL);
}

bool secret_from_base64_lines(void *out, size_t size, const char *text)
{
	return from_base64(out, size, text, "\r\n");
}

void secret_to_base64(char *text, size_t text_size, const void *bytes, size_t size)
{
	sodium_bin2base64(text, text_size, bytes, size, sodium_base64_VARIANT_ORIGINAL);
}
