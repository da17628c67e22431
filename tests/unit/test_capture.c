/* Captures, laid out here byte by byte after the drafts of pcap and pcapng. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "main/capture.h"

#define PORT 54154
#define NOW  1795206902U

enum { ETHERNET = 1, RAW = 101, COOKED = 113, COOKED_2 = 276, BLUETOOTH = 201 };

static const uint16_t ports[2] = {PORT, 0};
static const char payload[] = "knock, knock";

static struct {
	uint8_t bytes[4096];
	size_t size;
	bool little;
} file;

static void put(const void *bytes, size_t size)
{
	assert_true(file.size + size <= sizeof file.bytes);
	memcpy(file.bytes + file.size, bytes, size);
	file.size += size;
}

static void put_big(uint64_t value, size_t size)
{
	for (size_t i = size; i-- > 0;)
		put(&(uint8_t){(uint8_t)(value >> (8 * i))}, 1);
}

/* An integer of the capture's own. */
static void put_own(uint64_t value, size_t size)
{
	for (size_t i = 0; i < size && file.little; i++)
		put(&(uint8_t){(uint8_t)(value >> (8 * i))}, 1);
	if (!file.little)
		put_big(value, size);
}

static void put_zeros(size_t size)
{
	static const uint8_t zeros[64];

	put(zeros, size);
}

static void put_udp(uint16_t port)
{
	put_big(40000, 2);
	put_big(port, 2);
	put_big(8 + sizeof payload, 2);
	put_big(0, 2);
	put(payload, sizeof payload);
}

static void put_v4(uint16_t port, uint16_t fragment, uint8_t protocol)
{
	put_big(0x4600, 2); /* with options of 4 bytes */
	put_big(24 + 8 + sizeof payload, 2);
	put_zeros(2);
	put_big(fragment, 2);
	put_big(64, 1);
	put_big(protocol, 1);
	put_zeros(2);
	put("\xc0\x00\x02\x07\xc0\x00\x02\x01", 8);
	put_zeros(4);
	put_udp(port);
}

static void put_v6(uint16_t port)
{
	put_big(0x60000000, 4);
	put_big(8 + 8 + sizeof payload, 2);
	put_big(0, 1); /* hop-by-hop options first */
	put_big(64, 1);
	put("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16);
	put("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	put_big(17, 1);
	put_zeros(7);
	put_udp(port);
}

static void put_link(uint16_t link, bool six)
{
	uint16_t type = six ? 0x86dd : 0x0800;

	if (link == ETHERNET) {
		put_zeros(12);
		put_big(0x8100, 2); /* a VLAN */
		put_big(7, 2);
		put_big(type, 2);
	} else if (link == COOKED) {
		put_zeros(14);
		put_big(type, 2);
	} else if (link == COOKED_2) {
		put_big(type, 2);
		put_zeros(18);
	}
}

static void begin_pcap(uint16_t link, bool little, bool nanoseconds)
{
	memset(&file, 0, sizeof file);
	file.little = little;
	put_own(nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, 4);
	put_own(2, 2);
	put_own(4, 2);
	put_zeros(8);
	put_own(65535, 4);
	put_own(link, 4);
}

/* Where the length of what follows goes; closed by end_frame. */
static size_t begin_frame(uint32_t fraction)
{
	put_own(NOW, 4);
	put_own(fraction, 4);
	put_zeros(8);
	return file.size;
}

static void set_own(size_t at, uint64_t value)
{
	size_t end = file.size;

	file.size = at;
	put_own(value, 4);
	file.size = end;
}

static void end_frame(size_t start)
{
	set_own(start - 8, file.size - start);
	set_own(start - 4, file.size - start);
}

static size_t begin_block(uint32_t type)
{
	put_own(type, 4);
	put_zeros(4);
	return file.size - 8;
}

static void end_block(size_t start)
{
	while (file.size % 4 != 0)
		put_zeros(1);
	set_own(start + 4, file.size + 4 - start);
	put_own(file.size + 4 - start, 4);
}

static void put_section(bool little)
{
	size_t block;

	file.little = little;
	block = begin_block(0x0a0d0d0a);
	put_own(0x1a2b3c4d, 4);
	put_own(1, 2);
	put_own(0, 2);
	put_own(UINT64_MAX, 8);
	end_block(block);
}

static void put_interface(uint16_t link, uint8_t resolution)
{
	size_t block = begin_block(1);

	put_own(link, 2);
	put_zeros(6);
	put_own(2, 2); /* if_name */
	put_own(5, 2);
	put("wire0\0\0\0", 8);
	put_own(9, 2); /* if_tsresol */
	put_own(1, 2);
	put_big(resolution, 1);
	put_zeros(3);
	put_zeros(4);
	end_block(block);
}

static void put_enhanced(uint32_t interface, uint64_t ticks, uint16_t link, bool six, uint16_t port)
{
	size_t block = begin_block(6), data;

	put_own(interface, 4);
	put_own(ticks >> 32, 4);
	put_own(ticks & UINT32_MAX, 4);
	put_zeros(8);
	data = file.size;
	put_link(link, six);
	if (six)
		put_v6(port);
	else
		put_v4(port, 0, 17);
	set_own(data - 8, file.size - data);
	set_own(data - 4, file.size - data);
	end_block(block);
}

static void assert_datagram(const struct captured *c, bool six)
{
	struct addr source, destination;

	addr_parse(&source, six ? "2001:db8::7" : "192.0.2.7");
	addr_parse(&destination, six ? "2001:db8::1" : "192.0.2.1");
	assert_int_equal(c->size, sizeof payload);
	assert_memory_equal(c->bytes, payload, sizeof payload);
	assert_true(addr_equal(&c->source, &source));
	assert_true(addr_equal(&c->destination, &destination));
	assert_int_equal(c->source_port, 40000);
	assert_int_equal(c->port, PORT);
}

static void every_kind_of_pcap(void **state)
{
	static const uint16_t links[] = {ETHERNET, COOKED, COOKED_2, RAW};

	(void)state;
	for (unsigned int i = 0; i < 4 * 8; i++) {
		bool little = i & 4, nano = i & 8, six = i & 16;
		struct captured c;
		size_t start;

		begin_pcap(links[i % 4], little, nano);
		start = begin_frame(5000);
		put_link(links[i % 4], six);
		if (six)
			put_v6(PORT);
		else
			put_v4(PORT, 0, 17);
		end_frame(start);
		assert_null(capture_find(&c, file.bytes, file.size, 0, ports));
		assert_datagram(&c, six);
		assert_int_equal(c.number, 1);
		assert_true(c.has_time);
		assert_int_equal(c.time_ns, NOW * NS_PER_SECOND + (nano ? 5000 : 5000000));
		/* However it is cut, nothing is made up: the buffer has an end that counts. */
		for (size_t size = 4; size < file.size; size++) {
			uint8_t *part = malloc(size);

			assert_non_null(part);
			memcpy(part, file.bytes, size);
			assert_non_null(capture_find(&c, part, size, 0, ports));
			free(part);
		}
	}
}

static void pcapng_of_two_sections(void **state)
{
	struct captured c;
	size_t block, whole;

	(void)state;
	memset(&file, 0, sizeof file);
	put_section(true);
	put_interface(RAW, 9);
	put_interface(ETHERNET, 6);
	block = begin_block(5); /* statistics: to be stepped over */
	put_zeros(12);
	end_block(block);
	put_enhanced(0, NOW * 1000000000ULL + 7, RAW, false, PORT + 1);
	put_enhanced(1, NOW * 1000000ULL + 7, ETHERNET, true, PORT);
	whole = file.size;
	put_section(false);
	put_interface(COOKED_2, 0x80 | 10);
	put_enhanced(0, (uint64_t)NOW * 1024 + 512, COOKED_2, false, PORT);
	assert_null(capture_find(&c, file.bytes, file.size, 0, ports));
	assert_int_equal(c.number, 2);
	assert_datagram(&c, true);
	assert_int_equal(c.time_ns, NOW * NS_PER_SECOND + 7000);
	assert_null(capture_find(&c, file.bytes, file.size, 3, ports));
	assert_datagram(&c, false);
	assert_int_equal(c.time_ns, NOW * NS_PER_SECOND + NS_PER_SECOND / 2);
	assert_null(capture_find(&c, file.bytes, file.size, 1, ports));
	assert_int_equal(c.port, PORT + 1);
	assert_int_equal(c.time_ns, NOW * NS_PER_SECOND + 7);
	assert_non_null(capture_find(&c, file.bytes, file.size, 4, ports));
	for (size_t size = 4; size < whole; size++)
		assert_non_null(capture_find(&c, file.bytes, size, 2, ports));
}

static void what_is_no_datagram(void **state)
{
	struct captured c;
	size_t start;

	(void)state;
	begin_pcap(RAW, true, false);
	start = begin_frame(0);
	put_v4(PORT, 0, 6); /* TCP */
	end_frame(start);
	start = begin_frame(0);
	put_v4(PORT, 0x2000, 17); /* more fragments follow */
	end_frame(start);
	start = begin_frame(0);
	put_v4(PORT, 100, 17); /* a later fragment */
	end_frame(start);
	start = begin_frame(0);
	put_big(0x50, 1);
	end_frame(start);
	start = begin_frame(0);
	end_frame(start);
	for (uint32_t i = 1; i <= 5; i++)
		assert_non_null(capture_find(&c, file.bytes, file.size, i, ports));
	assert_non_null(capture_find(&c, file.bytes, file.size, 0, ports));
	start = begin_frame(0);
	put_v4(PORT, 0, 17);
	end_frame(start);
	assert_null(capture_find(&c, file.bytes, file.size, 0, ports));
	assert_int_equal(c.number, 6);
	begin_pcap(BLUETOOTH, true, false);
	start = begin_frame(0);
	put_v4(PORT, 0, 17);
	end_frame(start);
	assert_non_null(capture_find(&c, file.bytes, file.size, 1, ports));
}

/* UDP and IP lengths that promise more than there is, or less than a header. */
static void lengths_that_lie(void **state)
{
	static const struct {
		size_t at; /* in the IP packet */
		uint16_t value;
	} lies[] = {{2, 23}, {2, 0}, {2, 24 + 7}, {24 + 4, 7}, {24 + 4, 0xffff}, {0, 0x4f00}};

	(void)state;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct captured c;
		size_t start, end;

		begin_pcap(RAW, true, false);
		start = begin_frame(0);
		put_v4(PORT, 0, 17);
		end_frame(start);
		end = file.size;
		file.size = start + lies[i].at;
		put_big(lies[i].value, 2);
		file.size = end;
		assert_non_null(capture_find(&c, file.bytes, file.size, 1, ports));
	}
}

static void bytes_alone(void **state)
{
	struct captured c;

	(void)state;
	assert_null(capture_find(&c, payload, sizeof payload, 0, ports));
	assert_int_equal(c.number, 0);
	assert_ptr_equal(c.bytes, payload);
	assert_int_equal(c.size, sizeof payload);
	assert_false(c.has_time);
	assert_non_null(capture_find(&c, payload, sizeof payload, 1, ports));
	assert_null(capture_find(&c, payload, 0, 0, ports));
	assert_int_equal(c.size, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind_of_pcap),
	    cmocka_unit_test(pcapng_of_two_sections),
	    cmocka_unit_test(what_is_no_datagram),
	    cmocka_unit_test(lengths_that_lie),
	    cmocka_unit_test(bytes_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
