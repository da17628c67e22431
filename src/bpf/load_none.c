/* In place of load.c in a build without libbpf, clang or bpftool. */
#include <stdio.h>

#include "bpf/load.h"

bool kernel_shield_load(struct kernel_shield_loaded *out, const struct kernel_shield_wanted *wanted,
    char why[static KERNEL_SHIELD_WHY_BYTES])
{
	(void)wanted;
	*out = (struct kernel_shield_loaded)KERNEL_SHIELD_NONE;
	snprintf(why, KERNEL_SHIELD_WHY_BYTES, "this build is without it (-Dxdp)");
	return false;
}

void kernel_shield_unload(struct kernel_shield_loaded *loaded)
{
	(void)loaded;
}
