/* Captured packets, taken apart: what is in one, and that no bytes lead out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "intake/frame.h"

#define PAYLOAD 5
#define V4_SIZE (20 + 8 + PAYLOAD)
#define V6_SIZE (40 + 8 + PAYLOAD)

/* Their checksums were computed by another program. */
static const uint8_t v4[V4_SIZE] = {0x45, 0, 0, V4_SIZE, 0x12, 0x34, 0x40, 0, 64, 17, 0x5b, 0x40,
    10, 77, 1, 2, 192, 0, 2, 9, 0x9c, 0x40, 0xd3, 0x8a, 0, 13, 0x7c, 0xde, 'k', 'n', 'o', 'c', 'k'};
static const uint8_t v6[V6_SIZE] = {0x60, 0, 0, 0, 0, 13, 17, 64, 0xfd, 0x77, 0, 1, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 2, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x9c, 0x40, 0xd3,
    0x8a, 0, 13, 0x1e, 0xfa, 'k', 'n', 'o', 'c', 'k'};

static void assert_address(const struct addr *a, const char *text)
{
	struct addr wanted;

	assert_true(addr_parse(&wanted, text));
	assert_true(addr_equal(a, &wanted));
}

static void assert_knock(const uint8_t *packet, size_t size, const char *from, const char *to)
{
	struct datagram d;

	assert_int_equal(frame_read(&d, packet, size), FRAME_DATAGRAM);
	assert_address(&d.source, from);
	assert_address(&d.destination, to);
	assert_int_equal(d.source_port, 40000);
	assert_int_equal(d.port, 54154);
	assert_int_equal(d.size, PAYLOAD);
	assert_memory_equal(d.bytes, "knock", PAYLOAD);
	assert_true(frame_is_intact(&d, packet, true));
}

static void of_both_families(void **state)
{
	(void)state;
	assert_knock(v4, sizeof v4, "10.77.1.2", "192.0.2.9");
	assert_knock(v6, sizeof v6, "fd77:1::2", "2001:db8::9");
}

static void what_follows_is_left(void **state)
{
	uint8_t padded[V4_SIZE + 13] = {0};

	(void)state;
	memcpy(padded, v4, sizeof v4);
	memset(padded + sizeof v4, 0xff, 13);
	assert_knock(padded, sizeof padded, "10.77.1.2", "192.0.2.9");
}

static void options_are_passed_over(void **state)
{
	uint8_t four[V4_SIZE + 4] = {0}, six[V6_SIZE + 8] = {0};
	struct datagram d;

	(void)state;
	memcpy(four, v4, 20);
	memcpy(four + 24, v4 + 20, V4_SIZE - 20);
	memset(four + 20, 1, 4);
	four[0] = 0x46;
	four[3] = sizeof four;
	assert_int_equal(frame_read(&d, four, sizeof four), FRAME_DATAGRAM);
	assert_memory_equal(d.bytes, "knock", PAYLOAD);
	memcpy(six, v6, 40);
	memcpy(six + 48, v6 + 40, V6_SIZE - 40);
	six[5] = 13 + 8;
	six[6] = 60;
	six[40] = 17;
	assert_int_equal(frame_read(&d, six, sizeof six), FRAME_DATAGRAM);
	assert_memory_equal(d.bytes, "knock", PAYLOAD);
}

static void cut_at_every_length(void **state)
{
	struct datagram d;

	(void)state;
	for (size_t size = 0; size < sizeof v4; size++)
		assert_int_not_equal(frame_read(&d, v4, size), FRAME_DATAGRAM);
	for (size_t size = 0; size < sizeof v6; size++)
		assert_int_not_equal(frame_read(&d, v6, size), FRAME_DATAGRAM);
}

static void what_is_none(void **state)
{
	static const struct {
		size_t place;
		uint8_t value;
		const char *what;
	} rows[] = {{0, 0x44, "a header that is too short"}, {0, 0x55, "another version"},
	    {3, 19, "shorter than its header"}, {6, 0x20, "the first of several fragments"},
	    {7, 1, "a later fragment"}, {9, 6, "TCP"}, {25, 7, "shorter than UDP's header"},
	    {25, 14, "longer than the packet"}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t packet[V4_SIZE];
		struct datagram d;

		memcpy(packet, v4, sizeof packet);
		packet[rows[i].place] = rows[i].value;
		if (frame_read(&d, packet, sizeof packet) != FRAME_OTHER)
			fail_msg("taken: %s", rows[i].what);
	}
}

/* As the stack has it, which a packet socket passes by. */
static void from_nobody_and_from_many(void **state)
{
	static const char *const fours[] = {"0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255"};
	static const char *const sixes[] = {"::", "ff02::1", "192.0.2.7", "0.0.0.0"};

	(void)state;
	for (size_t i = 0; i < sizeof fours / sizeof *fours; i++) {
		uint8_t four[V4_SIZE], six[V6_SIZE];
		struct datagram d;
		struct addr a;

		memcpy(four, v4, sizeof four);
		memcpy(six, v6, sizeof six);
		assert_true(addr_parse(&a, fours[i]));
		memcpy(four + 12, a.bytes + 12, 4);
		assert_int_equal(frame_read(&d, four, sizeof four), FRAME_OTHER);
		assert_true(addr_parse(&a, sixes[i]));
		memcpy(six + 8, a.bytes, sizeof a.bytes);
		assert_int_equal(frame_read(&d, six, sizeof six), FRAME_OTHER);
	}
}

/* Of a packet that is still one after a bit was turned, the sums tell; the lifetime of one of IPv6
 * and its first bytes are in none. */
static void every_flipped_bit(void **state)
{
	static const struct {
		const uint8_t *packet;
		size_t size;
	} rows[] = {{v4, sizeof v4}, {v6, sizeof v6}};

	(void)state;
	for (size_t row = 0; row < 2; row++)
		for (size_t bit = 0; bit < 8 * rows[row].size; bit++) {
			bool summed = row == 0 || bit / 8 >= 8;
			uint8_t packet[V6_SIZE];
			struct datagram d;

			memcpy(packet, rows[row].packet, rows[row].size);
			packet[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			if (frame_read(&d, packet, rows[row].size) == FRAME_DATAGRAM && summed)
				assert_false(frame_is_intact(&d, packet, true));
		}
}

/* UDP's may be left out over IPv4, and need not be looked at. */
static void without_a_checksum(void **state)
{
	uint8_t four[V4_SIZE], six[V6_SIZE];
	struct datagram d;

	(void)state;
	memcpy(four, v4, sizeof four);
	memcpy(six, v6, sizeof six);
	four[26] = four[27] = six[46] = six[47] = 0;
	assert_int_equal(frame_read(&d, four, sizeof four), FRAME_DATAGRAM);
	assert_true(frame_is_intact(&d, four, true));
	assert_int_equal(frame_read(&d, six, sizeof six), FRAME_DATAGRAM);
	assert_false(frame_is_intact(&d, six, true));
	assert_true(frame_is_intact(&d, six, false));
	four[26] = 1;
	assert_int_equal(frame_read(&d, four, sizeof four), FRAME_DATAGRAM);
	assert_false(frame_is_intact(&d, four, true));
	assert_true(frame_is_intact(&d, four, false));
	four[10] ^= 1;
	assert_false(frame_is_intact(&d, four, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(of_both_families),
	    cmocka_unit_test(what_follows_is_left),
	    cmocka_unit_test(options_are_passed_over),
	    cmocka_unit_test(cut_at_every_length),
	    cmocka_unit_test(what_is_none),
	    cmocka_unit_test(from_nobody_and_from_many),
	    cmocka_unit_test(every_flipped_bit),
	    cmocka_unit_test(without_a_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
