#include "short_memory.h"

#include <errno.h>

static size_t to_go;
static bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_secret_alloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_secret_alloc(size_t size);

static bool fails_now(void)
{
	bool now = to_go == 1;

	to_go -= to_go > 0;
	failed = failed || now;
	if (now)
		errno = ENOMEM;
	return now;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_secret_alloc(size_t size)
{
	return fails_now() ? NULL : __real_secret_alloc(size);
}

void short_memory(size_t nth)
{
	to_go = nth;
	failed = false;
}

bool short_memory_failed(void)
{
	return failed;
}
