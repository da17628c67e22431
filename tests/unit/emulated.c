#include "emulated.h"

#include <stdio.h>
#include <stdlib.h>

#define NOT_RUN 77

bool is_emulated(const char *lacking)
{
	bool is = getenv("MESON_EXE_WRAPPER") != NULL;

	if (is)
		fprintf(stderr, "left out: QEMU has no %s\n", lacking);
	return is;
}

size_t emulated_step(void)
{
	return getenv("MESON_EXE_WRAPPER") != NULL ? 13 : 1;
}

void not_when_emulated(const char *lacking)
{
	if (is_emulated(lacking))
		exit(NOT_RUN);
}
