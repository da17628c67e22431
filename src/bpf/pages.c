#include "bpf/pages.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static void *map(int fd, size_t size, int protection)
{
	void *p = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct kernel_shield_control *kernel_shield_map_control(int fd)
{
	return map(fd, sizeof(struct kernel_shield_control), PROT_READ | PROT_WRITE);
}

struct kernel_shield_addresses *kernel_shield_map_addresses(int fd)
{
	return map(fd, sizeof(struct kernel_shield_addresses), PROT_READ | PROT_WRITE);
}

const struct kernel_shield_counts *kernel_shield_map_counts(int fd)
{
	return map(fd, sizeof(struct kernel_shield_counts), PROT_READ);
}

void kernel_shield_put_keys(struct kernel_shield_control *control, enum kernel_shield_mode mode,
    const struct shield_keys *keys, int64_t until_ns)
{
	uint32_t next = (__atomic_load_n(&control->current, __ATOMIC_RELAXED) & 1) ^ 1;
	struct kernel_shield_keys *set = &control->set[next];

	_Static_assert(SHIELD_KEYS_MOST <= KERNEL_SHIELD_KEYS, "all of them go there");
	set->until_ns = until_ns < 0 ? 0 : (uint64_t)until_ns;
	set->mode = mode;
	set->count = keys->count > KERNEL_SHIELD_KEYS ? KERNEL_SHIELD_KEYS : keys->count;
	memcpy(set->key, keys->key, sizeof set->key);
	__atomic_store_n(&control->current, next, __ATOMIC_RELEASE);
}

static bool put_address(struct kernel_shield_address *table, const struct addr *ours)
{
	struct kernel_shield_address a;
	uint32_t place;

	_Static_assert(sizeof a == ADDR_BYTES, "in the order of the network");
	memcpy(&a, ours->bytes, sizeof a);
	place = kernel_shield_address_place(a.high, a.low);
	for (uint32_t i = 0; i < KERNEL_SHIELD_PROBES; i++) {
		struct kernel_shield_address *at = &table[(place + i) % KERNEL_SHIELD_ADDRESSES];

		if ((at->high | at->low) == 0 || memcmp(at, &a, sizeof a) == 0) {
			*at = a;
			return true;
		}
	}
	return false;
}

bool kernel_shield_put_addresses(
    struct kernel_shield_addresses *addresses, const struct addr ours[], size_t count)
{
	uint32_t next = (__atomic_load_n(&addresses->current, __ATOMIC_RELAXED) & 1) ^ 1;
	struct kernel_shield_address *table = addresses->table[next];
	bool fits = true;

	memset(table, 0, sizeof addresses->table[next]);
	for (size_t i = 0; fits && i < count; i++)
		fits = put_address(table, &ours[i]);
	if (!fits)
		memset(table, 0, sizeof addresses->table[next]);
	__atomic_store_n(&addresses->current, next, __ATOMIC_RELEASE);
	return fits;
}

uint64_t kernel_shield_counted(const struct kernel_shield_counts *counts,
    enum kernel_shield_place place, enum kernel_shield_count what)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < KERNEL_SHIELD_ROWS; i++)
		sum += __atomic_load_n(&counts->row[place][i].count[what], __ATOMIC_RELAXED);
	return sum;
}

const char *kernel_shield_count_name(enum kernel_shield_count what)
{
	static const char *const names[KERNEL_SHIELD_COUNT_MOST] = {
#define X(name, text) text,
	    KERNEL_SHIELD_COUNTS(X)
#undef X
	};

	return names[what];
}
