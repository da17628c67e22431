/* Knocks that the program at the device takes past the stack: which, what arrives, and what becomes
 * of the rest, in the kernel, by its own test run. A kernel or a container that does not let us is
 * no failure. */
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

#define PASS    2 /* XDP_PASS */
#define DROP    1 /* XDP_DROP */
#define MOST    32
#define DOORMEN 3

static struct kernel_shield_loaded loaded = KERNEL_SHIELD_NONE;
static struct kernel_shield_control *control;
static const struct kernel_shield_counts *counts;
static struct knock_ring rings[DOORMEN];
static size_t chosen; /* the ring that the last one came by */
static struct record taken[MOST];
static uint8_t secret[SHIELD_SECRET_BYTES], packet[SHIELD_PACKET_BYTES];
static int64_t now_ns;

static void put_keys(enum kernel_shield_mode mode, int64_t for_ns)
{
	struct shield_keys keys;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	shield_keys_of_half(&keys, secret, 1, shield_half(now_ns));
	kernel_shield_put_keys(control, mode, &keys, t.tv_sec * NS_PER_SECOND + t.tv_nsec + for_ns);
}

static int set_up(void **state)
{
	const char *const texts[] = {FRAME_OURS_FOUR, FRAME_OURS_SIX, "::1"};
	struct kernel_shield_addresses *addresses = kernel_shield_map_addresses(loaded.addresses);
	struct addr ours[3];

	(void)state;
	control = kernel_shield_map_control(loaded.control);
	counts = kernel_shield_map_counts(loaded.counts);
	assert_true(addresses != NULL && control != NULL && counts != NULL);
	assert_int_equal(loaded.rings, DOORMEN);
	for (size_t i = 0; i < DOORMEN; i++)
		assert_true(ring_map(&rings[i], loaded.ring[i], RING_BYTES));
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

static int run(struct frame_kind kind)
{
	uint8_t frame[FRAME_BYTES];

	kind.udp_sum = true;
	if (kind.payload == NULL) {
		kind.payload = packet;
		kind.payload_bytes = sizeof packet;
	}
	return run_frame(frame, frame_build(frame, &kind));
}

static size_t receive_by(size_t ring)
{
	struct record *records[MOST];
	size_t got;

	for (size_t i = 0; i < MOST; i++)
		records[i] = &taken[i];
	got = ring_receive(&rings[ring], records, MOST);
	if (got > 0)
		chosen = ring;
	return got;
}

/* By the first that has any. */
static size_t receive(void)
{
	size_t got = 0;

	for (size_t i = 0; got == 0 && i < DOORMEN; i++)
		got = receive_by(i);
	return got;
}

/* Any, of one alone. */
static bool is_readable(void)
{
	struct pollfd p[DOORMEN];

	for (size_t i = 0; i < DOORMEN; i++)
		p[i] = (struct pollfd){.fd = loaded.ring[i], .events = POLLIN};
	return poll(p, DOORMEN, 0) == 1;
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

/* In both families. */
static void expect_both_taken(struct frame_kind kind)
{
	expect_taken(kind);
	kind.six = true;
	expect_taken(kind);
}

/* Nobody's but the stack's, or dropped: nothing arrives. */
static void expect_not_taken(struct frame_kind kind, int verdict)
{
	assert_int_equal(run(kind), verdict);
	assert_int_equal(receive(), 0);
}

static void expect_both_not_taken(struct frame_kind kind, int verdict)
{
	expect_not_taken(kind, verdict);
	kind.six = true;
	expect_not_taken(kind, verdict);
}

static uint64_t counted(enum kernel_shield_count what)
{
	return kernel_shield_counted(counts, KERNEL_SHIELD_XDP, what);
}

static void knocks_are_taken(void **state)
{
	(void)state;
	expect_both_taken((struct frame_kind){0});
	expect_both_taken((struct frame_kind){.vlan_tags = 2});
	expect_both_taken((struct frame_kind){.padding = 9});
	for (int words = 1; words <= 10; words++)
		expect_taken((struct frame_kind){.option_words = words});
}

static void junk_is_dropped(void **state)
{
	(void)state;
	frame_knock(packet, NULL, now_ns);
	expect_both_not_taken((struct frame_kind){0}, DROP);
	frame_knock(packet, secret, now_ns);
	packet[SHIELD_PACKET_BYTES - 1] = 0xff;
	expect_both_not_taken((struct frame_kind){0}, DROP);
}

/* The stack answers as at any port where nobody is. */
static void what_is_no_knock_is_the_stacks(void **state)
{
	uint8_t long_one[300] = {SHIELD_VERSION};

	(void)state;
	for (size_t size = 0; size <= sizeof long_one; size++)
		if (size != SHIELD_PACKET_BYTES)
			expect_both_not_taken(
			    (struct frame_kind){.payload = long_one, .payload_bytes = size}, PASS);
	expect_both_not_taken((struct frame_kind){.udp_bytes = 172}, PASS);
	expect_both_not_taken((struct frame_kind){.udp_bytes = 174}, PASS);
	expect_both_not_taken((struct frame_kind){.port = FRAME_PORT + 1}, PASS);
	packet[0] = 2;
	expect_both_not_taken((struct frame_kind){0}, PASS);
}

static void others_traffic_is_the_stacks(void **state)
{
	static const uint8_t options[] = {60, 0xff}, fragment[] = {44, 0xff};

	(void)state;
	expect_not_taken((struct frame_kind){.to = FRAME_OTHERS}, PASS);
	expect_not_taken((struct frame_kind){.six = true, .to = "2001:db8::2"}, PASS);
	expect_not_taken((struct frame_kind){.fragment = 0x2000}, PASS);
	expect_not_taken((struct frame_kind){.fragment = 0x0001}, PASS);
	expect_not_taken((struct frame_kind){.six = true, .extensions = options}, PASS);
	expect_not_taken((struct frame_kind){.six = true, .extensions = fragment}, PASS);
	/* They would be taken for addresses of IPv4, or of the loopback. */
	expect_not_taken((struct frame_kind){.six = true, .from = "::ffff:10.0.0.1"}, PASS);
	expect_not_taken((struct frame_kind){.six = true, .to = "::ffff:" FRAME_OURS_FOUR}, PASS);
	expect_not_taken((struct frame_kind){.six = true, .to = "::1"}, PASS);
}

/* IPv4's here, UDP's by the doorman: it gets one of size 0. */
static void damaged_on_the_way(void **state)
{
	uint8_t frame[FRAME_BYTES];

	(void)state;
	for (int words = 0; words <= 10; words += 5)
		for (int bit = 0; bit < 16; bit++)
			expect_not_taken((struct frame_kind){.option_words = words,
			                     .wrong_sum = (uint16_t)(1 << bit)},
			    PASS);
	for (int six = 0; six < 2; six++) {
		const struct frame_kind kind = {
		    .six = six, .udp_sum = true, .payload = packet, .payload_bytes = sizeof packet};
		size_t size = frame_build(frame, &kind);

		frame[size - 100] ^= 1;
		frame[size - 100 - 2] ^= 0x10;
		frame[size - 60] ^= 4;
		run_frame(frame, size);
		assert_int_equal(receive(), 1);
		assert_int_equal(taken[0].size, 0);
	}
}

static void a_full_ring_drops_and_counts(void **state)
{
	const unsigned int many = RING_BYTES / sizeof(struct ring_knock);
	uint64_t before = counted(KERNEL_SHIELD_RING_FULL);
	unsigned int got = 0, lost;

	(void)state;
	for (unsigned int i = 0; i < many; i++)
		assert_int_equal(run((struct frame_kind){.six = i % 2 != 0}), DROP);
	lost = (unsigned int)(counted(KERNEL_SHIELD_RING_FULL) - before);
	assert_in_range(lost, 1, many / 10);
	for (size_t n; (n = receive()) > 0;) {
		got += (unsigned int)n;
		assert_memory_equal(taken[n - 1].bytes, packet, sizeof packet);
	}
	assert_int_equal(got, many - lost);
	expect_both_taken((struct frame_kind){0});
}

static void copies_come_by_the_same(void **state)
{
	unsigned int used = 0;

	(void)state;
	for (int knock = 0; knock < 64; knock++) {
		size_t first;

		frame_knock(packet, secret, now_ns);
		expect_taken((struct frame_kind){0});
		first = chosen;
		used |= 1U << first;
		expect_taken((struct frame_kind){.six = true});
		assert_int_equal(chosen, first);
		packet[100] ^= 1;
		assert_int_equal(run((struct frame_kind){.from = "203.0.113.9"}), DROP);
		assert_int_equal(receive(), 1);
		assert_int_equal(chosen, first);
	}
	assert_int_equal(used, (1U << DOORMEN) - 1);
}

static void a_full_ring_takes_no_room_from_others(void **state)
{
	uint64_t before = counted(KERNEL_SHIELD_RING_FULL);
	size_t others = 0, full;

	(void)state;
	expect_taken((struct frame_kind){0});
	full = chosen;
	while (counted(KERNEL_SHIELD_RING_FULL) == before)
		assert_int_equal(run((struct frame_kind){0}), DROP);
	for (int knock = 0; knock < 64; knock++) {
		frame_knock(packet, secret, now_ns);
		assert_int_equal(run((struct frame_kind){0}), DROP);
		for (size_t i = 0; i < DOORMEN; i++)
			others += i == full ? 0 : receive_by(i);
	}
	assert_int_equal(others + counted(KERNEL_SHIELD_RING_FULL) - before, 65);
	assert_true(others > 0);
	while (receive() > 0)
		;
}

/* A doorman that is gone leaves keys behind that become stale: then the stack has the port back. */
static void whom_nobody_reads_the_stack_gets(void **state)
{
	(void)state;
	for (enum kernel_shield_mode mode = KERNEL_SHIELD_OFF; mode <= KERNEL_SHIELD_REQUIRE;
	     mode++) {
		put_keys(mode, -NS_PER_SECOND);
		expect_both_not_taken((struct frame_kind){0}, PASS);
		put_keys(mode, 600 * NS_PER_SECOND);
		expect_both_taken((struct frame_kind){0});
	}
	put_keys(KERNEL_SHIELD_OFF, 600 * NS_PER_SECOND);
	frame_knock(packet, NULL, now_ns);
	expect_both_taken((struct frame_kind){0});
}

/* At every length: nothing past the end is looked at. */
static void cut_frames_are_left_to_the_stack(void **state)
{
	uint8_t frame[FRAME_BYTES];

	(void)state;
	for (int six = 0; six < 2; six++) {
		const struct frame_kind kind = {.six = six,
		    .option_words = 3,
		    .vlan_tags = 2,
		    .udp_sum = true,
		    .payload = packet,
		    .payload_bytes = sizeof packet};
		size_t size = frame_build(frame, &kind);

		for (size_t cut = 14; cut < size; cut++)
			assert_int_equal(run_frame(frame, cut), PASS);
		assert_int_equal(receive(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(knocks_are_taken, begin),
	    cmocka_unit_test_setup(junk_is_dropped, begin),
	    cmocka_unit_test_setup(what_is_no_knock_is_the_stacks, begin),
	    cmocka_unit_test_setup(others_traffic_is_the_stacks, begin),
	    cmocka_unit_test_setup(damaged_on_the_way, begin),
	    cmocka_unit_test_setup(a_full_ring_drops_and_counts, begin),
	    cmocka_unit_test_setup(copies_come_by_the_same, begin),
	    cmocka_unit_test_setup(a_full_ring_takes_no_room_from_others, begin),
	    cmocka_unit_test_setup(whom_nobody_reads_the_stack_gets, begin),
	    cmocka_unit_test_setup(cut_frames_are_left_to_the_stack, begin),
	};
	const struct kernel_shield_wanted wanted = {FRAME_PORT, false, KERNEL_SHIELD_RING, DOORMEN};
	char why[KERNEL_SHIELD_WHY_BYTES];

	if (!secret_init())
		return 1;
	if (!ring_fits() || !kernel_shield_load(&loaded, &wanted, why)) {
		fprintf(stderr, "not run: %s\n", ring_fits() ? why : "for another kernel");
		return NOT_RUN;
	}
	return cmocka_run_group_tests(tests, set_up, NULL);
}
