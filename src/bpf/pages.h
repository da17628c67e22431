/* The pieces of memory by which user space tells the shield in the kernel what holds, and reads
 * what it has counted. Each maps what it is given, before its sandbox closes; the mapping lives as
 * long as the process. */
#ifndef BPF_PAGES_H
#define BPF_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "bpf/kernel_shield.h"
#include "proto/shield.h"

/* NULL with errno. */
struct kernel_shield_control *kernel_shield_map_control(int fd);
struct kernel_shield_addresses *kernel_shield_map_addresses(int fd);
const struct kernel_shield_counts *kernel_shield_map_counts(int fd);

/* From now on these keys hold, until then (CLOCK_MONOTONIC). At most every few milliseconds. */
void kernel_shield_put_keys(struct kernel_shield_control *control, enum kernel_shield_mode mode,
    const struct shield_keys *keys, int64_t until_ns);

/* From now on these are our addresses. More than there is room for: none are, so that everything
 * passes, and false. */
bool kernel_shield_put_addresses(
    struct kernel_shield_addresses *addresses, const struct addr ours[], size_t count);

/* What was counted in that place, by all processors. */
uint64_t kernel_shield_counted(const struct kernel_shield_counts *counts,
    enum kernel_shield_place place, enum kernel_shield_count what);
const char *kernel_shield_count_name(enum kernel_shield_count what);

#endif
