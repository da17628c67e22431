#include "keeper_bench_inside.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#define ELEMENTS_MOST 512
struct element {
	struct addr address;
	uint32_t policy; /* protocol 0 */
	struct ports ports;
	int64_t until_ns; /* by the kernel's clock, which stands still while the machine sleeps */
	char owner[CLIENT_NAME_BYTES];
};

static struct {
	bool installed;
	struct element elements[ELEMENTS_MOST];
	size_t count;
	struct element left[ELEMENTS_MOST]; /* by a predecessor */
	size_t left_count;
	uint32_t changes, fresh, installs, removals;
	uint32_t failures, install_failures;
	int failure, install_failure, removal_failure, address_failure;
	bool fails_for;
	struct addr failing;
	bool odd;
} box;

void bench_fw_reset(void)
{
	memset(&box, 0, sizeof box);
}

static int64_t kernel_ns(void)
{
	return clock_boot_ns() - clock_asleep_ns();
}

static struct element element_of_change(const struct fw_change *c)
{
	const struct opening *o = &c->opening;
	struct element e = {.address = o->address,
	    .policy = o->policy,
	    .ports = o->ports,
	    .until_ns = kernel_ns() + o->until_ns - clock_boot_ns()};

	memcpy(e.owner, c->owner, sizeof e.owner);
	box.odd |= o->ports.protocol != 0 && (!ports_fit(&o->ports) || o->policy != 0);
	box.odd |= !c->close && (o->until_ns <= clock_boot_ns() ||
	                            o->until_ns > clock_boot_ns() + 86400 * NS_PER_SECOND);
	return e;
}

static bool same(const struct element *a, const struct element *b)
{
	return addr_equal(&a->address, &b->address) && a->policy == b->policy &&
	       ports_equal(&a->ports, &b->ports);
}

/* What runs out is away at once, as in the kernel. */
static bool is_open(const struct element *e)
{
	return box.installed && e->until_ns > kernel_ns();
}

/* The time given is the time set. */
static void put(const struct element *e)
{
	size_t i = 0;

	while (i < box.count && !same(&box.elements[i], e))
		i++;
	assert_true(i < ELEMENTS_MOST);
	box.elements[i] = *e;
	if (i == box.count)
		box.count++;
}

static int box_change(struct fw *fw, struct fw_change *changes, size_t count)
{
	(void)fw;
	assert_in_range(count, 1, FW_CHANGES_MOST);
	box.changes++;
	if (box.failures > 0) {
		box.failures--;
		return box.failure;
	}
	if (!box.installed)
		return -ENOENT;
	for (size_t i = 0; i < count; i++) {
		if (box.fails_for && addr_equal(&changes[i].opening.address, &box.failing))
			return box.address_failure;
	}
	for (size_t i = 0; i < count; i++) {
		struct element e = element_of_change(&changes[i]);

		if (changes[i].close)
			e.until_ns = 0;
		box.fresh += changes[i].fresh;
		put(&e);
		changes[i].outcome = 0;
	}
	return 0;
}

static int box_install(
    struct fw *fw, const struct snapshot *s, const struct fw_change *open, size_t count)
{
	(void)fw;
	(void)s;
	if (box.install_failures > 0) {
		box.install_failures--;
		return box.install_failure;
	}
	box.installs++;
	box.installed = true;
	box.count = 0;
	for (size_t i = 0; i < count; i++) {
		struct element e = element_of_change(&open[i]);

		put(&e);
	}
	box.odd |= box.count != count;
	return 0;
}

static int box_remove(struct fw *fw)
{
	(void)fw;
	box.removals++;
	box.installed = false;
	return box.removal_failure;
}

static int box_adopt(struct fw *fw, const struct snapshot *s,
    void (*found)(void *context, const struct opening *o, const char *owner), void *context)
{
	(void)fw;
	(void)s;
	for (size_t i = 0; i < box.left_count; i++) {
		const struct element *e = &box.left[i];
		const struct opening o = {.address = e->address,
		    .ports = e->ports,
		    .policy = e->policy,
		    .until_ns = e->until_ns};

		found(context, &o, e->owner);
	}
	return 0;
}

static void box_close(struct fw *fw)
{
	(void)fw;
}

static bool box_disturbed(struct fw *fw)
{
	(void)fw;
	return !box.installed;
}

void bench_fw_put_into(struct fw *fw)
{
	static const struct fw_ops ops = {.name = "bench",
	    .close = box_close,
	    .install = box_install,
	    .change = box_change,
	    .remove = box_remove,
	    .adopt = box_adopt,
	    .disturbed = box_disturbed};

	*fw = (struct fw){.ops = &ops};
}

/* --- What the tests ask of it */

static struct element element_of(const char *address, struct bench_what what)
{
	struct element e = {.address = bench_address(address), .ports = bench_ports(what)};

	if (what.protocol == 0)
		e.policy = bench_config()->clients[what.as].policy;
	return e;
}

static const struct element *find(const char *address, struct bench_what what)
{
	const struct element wanted = element_of(address, what);

	for (size_t i = 0; i < box.count; i++) {
		if (same(&box.elements[i], &wanted) && is_open(&box.elements[i]))
			return &box.elements[i];
	}
	return NULL;
}

size_t bench_open_count(void)
{
	size_t count = 0;

	for (size_t i = 0; i < box.count; i++)
		count += is_open(&box.elements[i]);
	return count;
}

int64_t bench_open_ms(const char *address, struct bench_what what)
{
	const struct element *e = find(address, what);

	return e == NULL ? 0 : (e->until_ns - kernel_ns()) / NS_PER_MS;
}

const char *bench_shown(const char *address, struct bench_what what)
{
	const struct element *e = find(address, what);

	return e == NULL ? "" : e->owner;
}

uint32_t bench_fresh(void)
{
	return box.fresh;
}

uint32_t bench_changes(void)
{
	return box.changes;
}

uint32_t bench_installs(void)
{
	return box.installs;
}

uint32_t bench_removals(void)
{
	return box.removals;
}

void bench_fail_next(uint32_t times, int error)
{
	box.failures = times;
	box.failure = error;
}

void bench_fail_installs(uint32_t times, int error)
{
	box.install_failures = times;
	box.install_failure = error;
}

void bench_fail_removals(int error)
{
	box.removal_failure = error;
}

void bench_fail_for(const char *address, int error)
{
	box.fails_for = address != NULL;
	if (box.fails_for)
		box.failing = bench_address(address);
	box.address_failure = error;
}

void bench_flush(void)
{
	box.installed = false;
	box.count = 0;
}

void bench_left_before(
    const char *owner, const char *address, struct bench_what what, uint64_t timeout_ms)
{
	struct element e = element_of(address, what);

	assert_true(box.left_count < ELEMENTS_MOST);
	e.until_ns = clock_boot_ns() + (int64_t)timeout_ms * NS_PER_MS;
	snprintf(e.owner, sizeof e.owner, "%s", owner);
	box.left[box.left_count++] = e;
}

bool bench_change_was_odd(void)
{
	return box.odd;
}
