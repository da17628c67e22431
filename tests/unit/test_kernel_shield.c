/* What the shield's programs do with packets of every kind, in the kernel, by its own test run. A
 * kernel or a container that does not let us is no failure. */
#include <errno.h>
#include <linux/if_ether.h>
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

#define NOT_RUN 77 /* Meson's word for a test that was skipped */

#define PASS 2 /* XDP_PASS */
#define DROP 1 /* XDP_DROP */

static struct kernel_shield_loaded loaded = KERNEL_SHIELD_NONE;
static struct kernel_shield_control *control;
static struct kernel_shield_addresses *addresses;
static const struct kernel_shield_counts *counts;
static uint8_t secret[SHIELD_SECRET_BYTES], packet[SHIELD_PACKET_BYTES];
static int64_t now_ns;

static int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

static void put_keys(enum kernel_shield_mode mode, int64_t for_ns)
{
	struct shield_keys keys;

	shield_keys_of_half(&keys, secret, 1, shield_half(now_ns));
	kernel_shield_put_keys(control, mode, &keys, monotonic_ns() + for_ns);
}

static void load(bool one_interface)
{
	const char *const texts[] = {FRAME_OURS_FOUR, FRAME_OURS_SIX};
	char why[KERNEL_SHIELD_WHY_BYTES];
	struct addr ours[2];

	kernel_shield_unload(&loaded);
	if (!kernel_shield_load(&loaded,
	        &(struct kernel_shield_wanted){FRAME_PORT, one_interface, KERNEL_SHIELD_DEVICE, 0},
	        why))
		fail_msg("%s", why);
	control = kernel_shield_map_control(loaded.control);
	addresses = kernel_shield_map_addresses(loaded.addresses);
	counts = kernel_shield_map_counts(loaded.counts);
	assert_true(control != NULL && addresses != NULL && counts != NULL);
	for (size_t i = 0; i < 2; i++)
		assert_true(addr_parse(&ours[i], texts[i]));
	assert_true(kernel_shield_put_addresses(addresses, ours, 2));
	now_ns = clock_real_ns();
	secret_random(secret, sizeof secret);
	put_keys(KERNEL_SHIELD_REQUIRE, 600 * NS_PER_SECOND);
}

static int set_up(void **state)
{
	(void)state;
	load(false);
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

	if (kind.payload == NULL) {
		kind.payload = packet;
		kind.payload_bytes = sizeof packet;
	}
	return run_frame(frame, frame_build(frame, &kind));
}

/* Both families, alike. */
static void expect(struct frame_kind kind, int verdict)
{
	for (int six = 0; six < 2; six++) {
		kind.six = six;
		assert_int_equal(run(kind), verdict);
	}
}

/* A tagged one passes and junk does not: so it was looked into. */
static void expect_judged(struct frame_kind kind)
{
	frame_knock(packet, secret, now_ns);
	assert_int_equal(run(kind), PASS);
	frame_knock(packet, NULL, now_ns);
	assert_int_equal(run(kind), DROP);
	packet[0] = 2;
	assert_int_equal(run(kind), DROP);
}

static void expect_untouched(struct frame_kind kind)
{
	frame_knock(packet, NULL, now_ns);
	packet[0] = 2;
	assert_int_equal(run(kind), PASS);
}

static void tags_are_told(void **state)
{
	const int64_t skew_ns = 60 * NS_PER_SECOND;
	uint8_t other[SHIELD_SECRET_BYTES];

	(void)state;
	expect_judged((struct frame_kind){0});
	expect_judged((struct frame_kind){.six = true});
	for (int i = -1; i <= 1; i++) {
		frame_knock(packet, secret, now_ns + i * skew_ns);
		expect((struct frame_kind){0}, PASS);
	}
	for (int i = -1; i <= 1; i += 2) {
		frame_knock(packet, secret, now_ns + i * 10 * skew_ns);
		expect((struct frame_kind){0}, DROP);
	}
	secret_random(other, sizeof other);
	frame_knock(packet, other, now_ns);
	expect((struct frame_kind){0}, DROP);
}

static void every_bit_counts(void **state)
{
	uint8_t good[SHIELD_PACKET_BYTES];

	(void)state;
	frame_knock(good, secret, now_ns);
	good[SHIELD_PACKET_BYTES - 1] = 0x08;
	for (size_t bit = 0; bit < sizeof good * 8; bit++) {
		/* The cipher text and all but the highest half byte of S are the doorman's. */
		bool covered = bit < (SHIELD_TAG_AT + 8) * 8 || bit >= sizeof good * 8 - 4;

		memcpy(packet, good, sizeof packet);
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect((struct frame_kind){0}, covered ? DROP : PASS);
	}
}

/* RFC 8032: L, in the order of the wire. */
static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
    0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};

static void s_is_below_the_order(void **state)
{
	(void)state;
	frame_knock(packet, secret, now_ns);
	memcpy(packet + SHIELD_S_AT, order, sizeof order);
	expect((struct frame_kind){0}, DROP);
	packet[SHIELD_S_AT]--;
	expect((struct frame_kind){0}, PASS);
	packet[SHIELD_S_AT] += 2;
	expect((struct frame_kind){0}, DROP);
	memcpy(packet + SHIELD_S_AT, order, sizeof order);
	packet[SHIELD_S_AT + 16] = 1;
	expect((struct frame_kind){0}, DROP);
	packet[SHIELD_S_AT + 16] = 0;
	packet[SHIELD_S_AT + 15]--;
	expect((struct frame_kind){0}, PASS);
}

static void vlan_tags_are_passed_by(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		expect_judged((struct frame_kind){.six = six, .vlan_tags = 1});
		expect_judged((struct frame_kind){.six = six, .vlan_tags = 2});
		expect_judged(
		    (struct frame_kind){.six = six, .vlan_tags = 2, .outer = ETH_P_8021AD});
		expect_untouched((struct frame_kind){.six = six, .vlan_tags = 3});
	}
}

/* Those of a VLAN are another device's, and of another program perhaps. */
static void one_interface_has_no_vlans(void **state)
{
	(void)state;
	load(true);
	expect_judged((struct frame_kind){0});
	expect_judged((struct frame_kind){.vlan_tags = 1, .priority_tag = true});
	expect_untouched((struct frame_kind){.vlan_tags = 1});
	expect_untouched((struct frame_kind){.vlan_tags = 2, .six = true});
	load(false);
}

static void ip_options_are_passed_by(void **state)
{
	(void)state;
	for (int words = 1; words <= 10; words++)
		expect_judged((struct frame_kind){.option_words = words});
}

static void extension_headers_are_passed_by(void **state)
{
	static const uint8_t one[][2] = {{0, 0xff}, {43, 0xff}, {60, 0xff}};
	static const uint8_t three[] = {0, 60, 43, 0xff}, six[] = {0, 60, 43, 60, 60, 60, 0xff};
	static const uint8_t seven[] = {0, 60, 43, 60, 60, 60, 60, 0xff};
	static const uint8_t fragment[] = {44, 0xff}, behind[] = {0, 44, 0xff}, ah[] = {51, 0xff};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (uint8_t units = 0; units < 20; units++)
			expect_judged((struct frame_kind){
			    .six = true, .extensions = one[i], .extension_units = units});
	expect_judged((struct frame_kind){.six = true, .extensions = three, .extension_units = 3});
	expect_judged((struct frame_kind){.six = true, .extensions = six, .extension_units = 1});
	expect_untouched((struct frame_kind){.six = true, .extensions = seven});
	expect_untouched((struct frame_kind){.six = true, .extensions = fragment});
	expect_untouched((struct frame_kind){.six = true, .extensions = behind});
	expect_untouched((struct frame_kind){.six = true, .extensions = ah});
}

static void fragments_are_left_to_the_stack(void **state)
{
	(void)state;
	expect_untouched((struct frame_kind){.fragment = 0x2000});
	expect_untouched((struct frame_kind){.fragment = 0x2001});
	expect_untouched((struct frame_kind){.fragment = 0x0001});
	expect_judged((struct frame_kind){.fragment = 0x4000}); /* not to be fragmented */
}

static void others_traffic_is_untouched(void **state)
{
	(void)state;
	expect_untouched((struct frame_kind){.port = FRAME_PORT + 1});
	expect_untouched((struct frame_kind){.six = true, .port = FRAME_PORT - 1});
	expect_untouched((struct frame_kind){.protocol = IPPROTO_TCP});
	expect_untouched((struct frame_kind){.six = true, .protocol = IPPROTO_TCP});
	expect_untouched((struct frame_kind){.to = FRAME_OTHERS});
	expect_untouched((struct frame_kind){.to = "255.255.255.255"});
	expect_untouched((struct frame_kind){.six = true, .to = "2001:db8::2"});
	expect_untouched((struct frame_kind){.six = true, .to = "ff02::1"});
}

static void wrong_sizes_are_refused(void **state)
{
	uint8_t long_one[300];

	(void)state;
	frame_knock(packet, secret, now_ns);
	memset(long_one, 0, sizeof long_one);
	memcpy(long_one, packet, sizeof packet);
	for (size_t size = 0; size <= sizeof long_one; size++)
		expect((struct frame_kind){.payload = long_one, .payload_bytes = size},
		    size == SHIELD_PACKET_BYTES ? PASS : DROP);
	/* What a switch has added counts for nothing; what UDP says does. */
	expect((struct frame_kind){.padding = 9}, PASS);
	expect((struct frame_kind){.udp_bytes = 172}, DROP);
	expect((struct frame_kind){.udp_bytes = 174}, DROP);
}

/* Cut at every length: it is not looked at past its end, and the stack has the last word. */
static void cut_frames_are_left_to_the_stack(void **state)
{
	static const uint8_t chain[] = {0, 60, 0xff};
	struct frame_kind kinds[] = {{.vlan_tags = 2, .option_words = 3},
	    {.six = true, .extensions = chain, .extension_units = 1}};
	uint8_t frame[FRAME_BYTES];

	(void)state;
	frame_knock(packet, NULL, now_ns);
	for (size_t i = 0; i < 2; i++) {
		size_t size;

		kinds[i].payload = packet;
		kinds[i].payload_bytes = sizeof packet;
		size = frame_build(frame, &kinds[i]);
		assert_int_equal(run_frame(frame, size), DROP);
		for (size_t cut = ETH_HLEN; cut < size; cut++)
			assert_int_equal(run_frame(frame, cut), PASS);
	}
}

/* --- Modes */

static uint64_t counted(enum kernel_shield_count what)
{
	return kernel_shield_counted(counts, KERNEL_SHIELD_XDP, what);
}

static void without_a_key_form_alone_counts(void **state)
{
	(void)state;
	put_keys(KERNEL_SHIELD_OFF, 0);
	frame_knock(packet, NULL, now_ns);
	expect((struct frame_kind){0}, PASS);
	packet[0] = 0;
	expect((struct frame_kind){0}, DROP);
	put_keys(KERNEL_SHIELD_REQUIRE, 600 * NS_PER_SECOND);
}

static void stale_keys_refuse_nobody(void **state)
{
	uint64_t before = counted(KERNEL_SHIELD_STALE);

	(void)state;
	put_keys(KERNEL_SHIELD_REQUIRE, -NS_PER_SECOND);
	frame_knock(packet, NULL, now_ns);
	expect((struct frame_kind){0}, PASS);
	frame_knock(packet, secret, now_ns);
	expect((struct frame_kind){0}, PASS);
	packet[0] = 2;
	expect((struct frame_kind){0}, DROP);
	assert_int_equal(counted(KERNEL_SHIELD_STALE) - before, 4);
	put_keys(KERNEL_SHIELD_REQUIRE, 600 * NS_PER_SECOND);
}

static void two_secrets_count(void **state)
{
	uint8_t both[2 * SHIELD_SECRET_BYTES];
	struct shield_keys keys;

	(void)state;
	secret_random(both, sizeof both);
	shield_keys_of_half(&keys, both, 2, shield_half(now_ns));
	kernel_shield_put_keys(
	    control, KERNEL_SHIELD_REQUIRE, &keys, monotonic_ns() + 600 * NS_PER_SECOND);
	for (size_t i = 0; i < 2; i++) {
		frame_knock(packet, both + i * SHIELD_SECRET_BYTES, now_ns);
		expect((struct frame_kind){0}, PASS);
	}
	frame_knock(packet, secret, now_ns);
	expect((struct frame_kind){0}, DROP);
}

/* Runs the same frame again and again; how many were let through. */
static unsigned int flood(const char *from, bool six, unsigned int times)
{
	unsigned int passed = 0;

	for (unsigned int i = 0; i < times; i++)
		passed += run((struct frame_kind){.from = from, .six = six}) == PASS;
	return passed;
}

/* As many as its burst, and the few that time adds; others have their own, and tags go by. */
static void a_sender_has_a_lane(void **state)
{
	const unsigned int burst = KERNEL_SHIELD_SENDER_BURST, many = 20 * burst;
	static const char *const from[] = {"198.51.100.7", "2001:db8:7::7"};

	(void)state;
	load(false);
	put_keys(KERNEL_SHIELD_PREFER, 600 * NS_PER_SECOND);
	for (int six = 0; six < 2; six++) {
		int64_t began = monotonic_ns();
		unsigned int passed, late;

		frame_knock(packet, NULL, now_ns);
		passed = flood(from[six], six, many);
		late = (unsigned int)((monotonic_ns() - began) * KERNEL_SHIELD_SENDER_RATE /
		                      NS_PER_SECOND);
		assert_in_range(passed, burst, burst + late + 12);
		frame_knock(packet, secret, now_ns);
		assert_int_equal(flood(from[six], six, 10), 10);
	}
	frame_knock(packet, NULL, now_ns);
	assert_int_equal(flood("198.51.100.8", false, 10), 10);
	assert_int_equal(flood("2001:db8:8::7", true, 10), 10);
	/* Another address of the same /64 is the same sender. */
	assert_in_range(flood("2001:db8:7::8", true, burst), 0, burst / 2);
	assert_true(counted(KERNEL_SHIELD_SENDER_LANE) > 0);
}

static void what_happens_is_counted(void **state)
{
	static const enum kernel_shield_count all[] = {KERNEL_SHIELD_TAGGED, KERNEL_SHIELD_NO_TAG,
	    KERNEL_SHIELD_WRONG_VERSION, KERNEL_SHIELD_WRONG_SIZE, KERNEL_SHIELD_MALFORMED};
	enum { COUNTS = sizeof all / sizeof *all };
	uint64_t before[COUNTS];

	(void)state;
	load(false);
	for (size_t i = 0; i < COUNTS; i++)
		before[i] = counted(all[i]);
	expect_judged((struct frame_kind){0});
	run((struct frame_kind){.payload = packet, .payload_bytes = 9});
	packet[0] = SHIELD_VERSION;
	packet[SHIELD_RANDOM_AT - 1] |= 0x80;
	run((struct frame_kind){0});
	for (size_t i = 0; i < COUNTS; i++)
		assert_int_equal(counted(all[i]) - before[i], 1);
}

/* More addresses than there is room for: then nothing is for us, and all passes. */
static void too_many_addresses_let_all_pass(void **state)
{
	static struct addr ours[KERNEL_SHIELD_ADDRESSES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		char text[32];

		snprintf(text, sizeof text, "2001:db8::%zx", i + 1);
		assert_true(addr_parse(&ours[i], text));
	}
	assert_false(kernel_shield_put_addresses(addresses, ours, sizeof ours / sizeof *ours));
	expect_untouched((struct frame_kind){.six = true});
	assert_true(kernel_shield_put_addresses(addresses, ours, 200));
	for (size_t i = 0; i < 210; i++) {
		char text[32];

		snprintf(text, sizeof text, "2001:db8::%zx", i + 1);
		if (i < 200)
			expect_judged((struct frame_kind){.six = true, .to = text});
		else
			expect_untouched((struct frame_kind){.six = true, .to = text});
	}
	load(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tags_are_told),
	    cmocka_unit_test(every_bit_counts),
	    cmocka_unit_test(s_is_below_the_order),
	    cmocka_unit_test(vlan_tags_are_passed_by),
	    cmocka_unit_test(one_interface_has_no_vlans),
	    cmocka_unit_test(ip_options_are_passed_by),
	    cmocka_unit_test(extension_headers_are_passed_by),
	    cmocka_unit_test(fragments_are_left_to_the_stack),
	    cmocka_unit_test(others_traffic_is_untouched),
	    cmocka_unit_test(wrong_sizes_are_refused),
	    cmocka_unit_test(cut_frames_are_left_to_the_stack),
	    cmocka_unit_test(without_a_key_form_alone_counts),
	    cmocka_unit_test(stale_keys_refuse_nobody),
	    cmocka_unit_test(two_secrets_count),
	    cmocka_unit_test(a_sender_has_a_lane),
	    cmocka_unit_test(what_happens_is_counted),
	    cmocka_unit_test(too_many_addresses_let_all_pass),
	};
	char why[KERNEL_SHIELD_WHY_BYTES];

	if (!secret_init())
		return 1;
	if (!kernel_shield_load(&loaded,
	        &(struct kernel_shield_wanted){FRAME_PORT, false, KERNEL_SHIELD_DEVICE, 0}, why)) {
		fprintf(stderr, "not run: %s\n", why);
		return NOT_RUN;
	}
	return cmocka_run_group_tests(tests, set_up, NULL);
}
