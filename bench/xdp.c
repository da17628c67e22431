/* bench-xdp: what a packet costs in the shield at the device, by kind, beside an XDP program that
 * parses to UDP and drops. By the kernel's own test run (BPF_PROG_TEST_RUN). One line of JSON for
 * each kind: nanoseconds, the median of rounds in which the floor has its turn as well, and the
 * ratio to that. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/secret.h"
#include "bpf/load.h"
#include "bpf/pages.h"
#include "frames.h"
#include "xdp_floor.skel.h"

#define ROUNDS 31
#define REPEAT 20000
#define RANDOM 64 /* different packets, where they are random */
#define PASS   2
#define DROP   1
#define EITHER 0

struct kind {
	const char *name;
	enum kernel_shield_mode mode;
	int result;
	void (*make)(uint8_t packet[static SHIELD_PACKET_BYTES]);
	size_t size; /* 0: as a knock */
	const char *to;
	bool six;
	bool varied;
};

static uint8_t secret[SHIELD_SECRET_BYTES];
static int64_t now_ns;

static void make_random(uint8_t packet[static SHIELD_PACKET_BYTES])
{
	secret_random(packet, SHIELD_PACKET_BYTES);
}

static void make_random_v1(uint8_t packet[static SHIELD_PACKET_BYTES])
{
	make_random(packet);
	packet[0] = SHIELD_VERSION;
}

static void make_well_formed(uint8_t packet[static SHIELD_PACKET_BYTES])
{
	frame_knock(packet, NULL, now_ns);
}

static void make_malformed(uint8_t packet[static SHIELD_PACKET_BYTES])
{
	frame_knock(packet, NULL, now_ns);
	packet[SHIELD_PACKET_BYTES - 1] = 0xff;
}

static void make_tagged(uint8_t packet[static SHIELD_PACKET_BYTES])
{
	frame_knock(packet, secret, now_ns);
}

static void make_tagged_of_neighbour(uint8_t packet[static SHIELD_PACKET_BYTES])
{
	int64_t half = shield_half(now_ns);

	frame_knock(packet, secret, (half + (half % 2 == 0 ? -2 : 2)) * 64 * NS_PER_SECOND);
}

static const struct kind kinds[] = {
    {"wrong size", KERNEL_SHIELD_REQUIRE, DROP, make_random, 100, NULL, false, false},
    {"random", KERNEL_SHIELD_REQUIRE, EITHER, make_random, 0, NULL, false, true},
    {"random, right version", KERNEL_SHIELD_REQUIRE, EITHER, make_random_v1, 0, NULL, false, true},
    {"malformed", KERNEL_SHIELD_REQUIRE, DROP, make_malformed, 0, NULL, false, false},
    {"malformed, IPv6", KERNEL_SHIELD_REQUIRE, DROP, make_malformed, 0, NULL, true, false},
    {"well-formed, require", KERNEL_SHIELD_REQUIRE, DROP, make_well_formed, 0, NULL, false, false},
    {"well-formed, require, IPv6", KERNEL_SHIELD_REQUIRE, DROP, make_well_formed, 0, NULL, true,
        false},
    {"well-formed, prefer, lane full", KERNEL_SHIELD_PREFER, EITHER, make_well_formed, 0, NULL,
        false, false},
    {"well-formed, no key", KERNEL_SHIELD_OFF, PASS, make_well_formed, 0, NULL, false, false},
    {"tagged", KERNEL_SHIELD_REQUIRE, PASS, make_tagged, 0, NULL, false, false},
    {"tagged, neighbouring epoch", KERNEL_SHIELD_REQUIRE, PASS, make_tagged_of_neighbour, 0, NULL,
        false, false},
    {"for another host", KERNEL_SHIELD_REQUIRE, PASS, make_malformed, 0, FRAME_OTHERS, false,
        false},
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bench-xdp: %s\n", what);
	exit(1);
}

static int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

static double run(int program, const uint8_t *frame, size_t size, uint32_t repeat, int expected)
{
	struct bpf_test_run_opts o = {.sz = sizeof o,
	    .data_in = frame,
	    .data_size_in = (uint32_t)size,
	    .repeat = (int)repeat};

	if (bpf_prog_test_run_opts(program, &o) != 0)
		fail(strerror(errno));
	if (expected != EITHER && (int)o.retval != expected)
		fail("a packet was not judged as it should be");
	return o.duration;
}

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static double median(double values[static ROUNDS])
{
	qsort(values, ROUNDS, sizeof *values, compare);
	return values[ROUNDS / 2];
}

static void measure(const struct kind *k, int shield, int floor)
{
	static uint8_t frames[RANDOM][FRAME_BYTES];
	double ours[ROUNDS] = {0}, floors[ROUNDS] = {0}, ratios[ROUNDS];
	const size_t count = k->varied ? RANDOM : 1;
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		uint8_t packet[SHIELD_PACKET_BYTES];
		const struct frame_kind frame = {.six = k->six,
		    .to = k->to,
		    .payload = packet,
		    .payload_bytes = k->size != 0 ? k->size : sizeof packet};

		k->make(packet);
		size = frame_build(frames[i], &frame);
	}
	for (size_t r = 0; r < ROUNDS; r++) {
		const uint32_t repeat = (uint32_t)(REPEAT / count * (count > 1 ? 4 : 1));

		for (size_t i = 0; i < count; i++) {
			floors[r] += run(floor, frames[i], size, repeat, DROP) / (double)count;
			ours[r] += run(shield, frames[i], size, repeat, k->result) / (double)count;
		}
		ratios[r] = ours[r] / floors[r];
	}
	printf("{\"what\": \"%s\", \"ns\": %.1f, \"floor_ns\": %.1f, \"ratio\": %.2f}\n", k->name,
	    median(ours), median(floors), median(ratios));
	fflush(stdout);
}

int main(void)
{
	const char *const texts[] = {FRAME_OURS_FOUR, FRAME_OURS_SIX};
	const struct kernel_shield_wanted wanted = {FRAME_PORT, false, KERNEL_SHIELD_DEVICE, 0};
	struct kernel_shield_loaded loaded = KERNEL_SHIELD_NONE;
	char why[KERNEL_SHIELD_WHY_BYTES];
	struct kernel_shield_control *control;
	struct kernel_shield_addresses *addresses;
	struct floor_object *floor = floor_object__open();
	struct shield_keys keys;
	struct addr ours[2];

	if (!secret_init() || floor == NULL)
		fail("cannot start");
	floor->rodata->port = htons(FRAME_PORT);
	if (floor_object__load(floor) != 0 || !kernel_shield_load(&loaded, &wanted, why))
		fail("the kernel refuses the programs");
	control = kernel_shield_map_control(loaded.control);
	addresses = kernel_shield_map_addresses(loaded.addresses);
	for (size_t i = 0; i < 2; i++)
		if (!addr_parse(&ours[i], texts[i]))
			fail("an address");
	if (control == NULL || addresses == NULL ||
	    !kernel_shield_put_addresses(addresses, ours, 2))
		fail(strerror(errno));
	secret_random(secret, sizeof secret);
	now_ns = clock_real_ns();
	shield_keys_of_half(&keys, secret, 1, shield_half(now_ns));
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		kernel_shield_put_keys(
		    control, kinds[i].mode, &keys, monotonic_ns() + 600 * NS_PER_SECOND);
		measure(&kinds[i], loaded.xdp, bpf_program__fd(floor->progs.floor_drop));
	}
	kernel_shield_unload(&loaded);
	floor_object__destroy(floor);
	return 0;
}
