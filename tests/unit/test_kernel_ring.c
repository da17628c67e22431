/* Knocks that the program at the device takes past the stack: which, what arrives, and what becomes
 * of the rest, in the kernel, by its own test run. A kernel or a container that does not let us is no
 * failure. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/secret.h"
#include "bpf/load.h"
#include "bpf/pages.h"
#include "frames.h"
#include "intake/ring.h"
#include "intake/ring_knock.h"

#define NOT_RUN 77 /* Meson's word for a test that was skipped */

#define PASS 2 /* XDP_PASS */
#define DROP 1 /* XDP_DROP */
#define MOST 32

static struct kernel_shield_loaded loaded = KERNEL_SHIELD_NONE;
static struct kernel_shield_control *control;
static const struct kernel_shield_counts *counts;
static struct knock_ring ring;
static struct record taken[MOST];
static uint8_t secret[SHIELD_SECRET_BYTES], packet[SHIELD_PACKET_BYTES];
static int64_t now_ns;

static void put_keys(enum kernel_shield_mode mode, int64_t for_ns)
{
	struct shield_keys keys;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	shield_keys_of_half(&keys, secret, 1, shield_half(now_ns));
	kernel_shield_put_keys(
	    control, mode, &keys, t.tv_sec * NS_PER_SECOND + t.tv_nsec + for_ns);
}

static int set_up(void **state)
{
	const char *const texts[] = {FRAME_OURS_FOUR, FRAME_OURS_SIX, "::1"};
	struct kernel_shield_addresses *addresses =
	    kernel_shield_map_addresses(loaded.addresses);
	struct addr ours[3];

	(void)state;
	control = kernel_shield_map_control(loaded.control);
	counts = kernel_shield_map_counts(loaded.counts);
	assert_true(addresses != NULL && control != NULL && counts != NULL);
	assert_true(ring_map(&ring, loaded.ring, RING_BYTES));
	for (size_t i = 0; i < 3; i++)
		assert_true(addr_parse(&ours[i], texts[i]));
	assert_true(kernel_shield_put_addresses(addresses, ours, 3));
	now_ns = clock_real_ns();
	secret_random(secret, sizeof secret);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	put_keys(KERNEL_SHIELD_REQUIRE, 600 * NS_PER_SECOND);
	frame_knock(packet, secret, now_ns);
	return 0;
}

static int run_frame(const uint8_t *frame, size_t size)
{
	struct bpf_test_run_opts o = {
	    .sz = sizeof o, .data_in = frame, .data_size_in = (uint32_t)size};

	assert_return_code(bpf_prog_test_run_opts(loaded.xdp, &o), errno);
	return (int)o.retval;
}

static void finish(uint8_t *frame, size_t udp_at, const struct frame_kind *kind);

/* With the checksums that a frame from a wire has; `wrong` bits of them flipped. */
static int run(struct frame_kind kind)
{
	uint8_t frame[FRAME_BYTES];
	size_t size;

	if (kind.payload == NULL) {
		kind.payload = packet;
		kind.payload_bytes = sizeof packet;
	}
	size = frame_build(frame, &kind);
	finish(frame, size, &kind);
	return run_frame(frame, size);
}

static size_t receive(void)
{
	struct record *records[MOST];

	for (size_t i = 0; i < MOST; i++)
		records[i] = &taken[i];
	return ring_receive(&ring, records, MOST);
}

static bool is_readable(void)
{
	struct pollfd p = {.fd = loaded.ring, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void expect_taken(struct frame_kind kind)
{
	struct addr from, to;

	assert_false(is_readable());
	assert_int_equal(run(kind), DROP);
	assert_true(is_readable());
	assert_int_equal(receive(), 1);
	assert_true(addr_parse(&from, kind.six ? "2001:db8:7::7" : "198.51.100.7"));
	assert_true(addr_parse(&to, kind.six ? FRAME_OURS_SIX : FRAME_OURS_FOUR));
	assert_true(addr_equal(&taken[0].source, &from) && addr_equal(&taken[0].local, &to));
	assert_int_equal(taken[0].size, sizeof packet);
	assert_memory_equal(taken[0].bytes, packet, sizeof packet);
	assert_int_equal(receive(), 0);
}

/* Nobody's but the stack's, or dropped: nothing arrives. */
static void expect_not_taken(struct frame_kind kind, int verdict)
{
	assert_int_equal(run(kind), verdict);
	assert_int_equal(receive(), 0);
}

