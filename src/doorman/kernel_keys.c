/* The keys of tags for the shield in the kernel: derived here, since the secret is here alone, and
 * written into memory that its programs read. They are true for half an epoch, and count for a
 * little longer, so that a doorman that hangs leaves stale keys behind, which refuse nobody. */
#include <time.h>

#include "base/clock.h"
#include "base/secret.h"
#include "doorman/doorman.h"

#define GRACE_NS (10 * NS_PER_SECOND)
#define HALF_NS  (SHIELD_EPOCH_S / 2 * NS_PER_SECOND)

static int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

void doorman_put_kernel_keys(void *context)
{
	struct doorman *d = context;
	const struct shield *s = &d->hands->shield;
	const int64_t now_ns = clock_real_ns();
	struct shield_keys keys;

	if (d->kernel_keys == NULL)
		return;
	timer_read(d->kernel_keys_timer.fd);
	timer_set_at(d->kernel_keys_timer.fd, now_ns - now_ns % HALF_NS + HALF_NS);
	shield_keys_of_half(&keys, s->secrets, s->secret_count, shield_half(now_ns));
	_Static_assert((int)CONF_SHIELD_OFF == (int)KERNEL_SHIELD_OFF &&
	                   (int)CONF_SHIELD_PREFER == (int)KERNEL_SHIELD_PREFER &&
	                   (int)CONF_SHIELD_REQUIRE == (int)KERNEL_SHIELD_REQUIRE,
	    "the same, in the kernel");
	kernel_shield_put_keys(d->kernel_keys, (enum kernel_shield_mode)d->config.settings->shield,
	    &keys, monotonic_ns() + HALF_NS - now_ns % HALF_NS + GRACE_NS);
	secret_wipe(&keys, sizeof keys);
}

bool doorman_open_kernel_keys(struct doorman *d, int control)
{
	if (control < 0)
		return true;
	d->kernel_keys = kernel_shield_map_control(control);
	d->kernel_keys_timer = (struct loop_source){timer_open_real(), doorman_put_kernel_keys, d};
	return d->kernel_keys != NULL && d->kernel_keys_timer.fd >= 0 &&
	       loop_add(&d->process.loop, &d->kernel_keys_timer);
}
