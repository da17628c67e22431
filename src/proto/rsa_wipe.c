#include "proto/rsa_wipe.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/secret.h"
#include "proto/rsa_key.h"

static void *take(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size == 0 ? NULL : malloc(size);
}

static void wipe_and_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (p != NULL)
		secret_wipe(p, malloc_usable_size(p));
	free(p);
}

/* realloc would leave what it moves behind. */
static void *resize(void *old, size_t size, const char *file, int line)
{
	size_t had = old == NULL ? 0 : malloc_usable_size(old);
	void *p = take(size, file, line);

	if (p != NULL && had > 0)
		memcpy(p, old, had < size ? had : size);
	if (p != NULL || size == 0)
		wipe_and_free(old, file, line);
	return p;
}

bool rsa_wipe_init(void)
{
	return CRYPTO_set_mem_functions(take, resize, wipe_and_free) == 1 && rsa_init();
}
