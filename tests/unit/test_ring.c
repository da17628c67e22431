/* The ring that the kernel writes knocks into, made up here: in order, round its end, and with
 * everything in it that has no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "intake/ring.h"
#include "intake/ring_knock.h"

#define BYTES 4096U
#define MOST  32
#define WHOLE (BPF_RINGBUF_HDR_SZ + sizeof(struct ring_knock))

static unsigned long read_at, written_at;
static uint8_t *data; /* twice in a row, as the kernel has it */
static struct knock_ring ring;
static struct record taken[MOST];

static int set_up(void **state)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);

	(void)state;
	if (fd < 0 || ftruncate(fd, BYTES) != 0)
		return -1;
	data = mmap(NULL, 2 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < 2; i++)
		if (mmap(data + i * BYTES, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		        fd, 0) == MAP_FAILED)
			return -1;
	close(fd);
	ring = (struct knock_ring){&read_at, &written_at, data, BYTES};
	return 0;
}

static int begin(void **state)
{
	(void)state;
	read_at = written_at = 0;
	memset(data, 0, BYTES);
	return 0;
}

static void put(uint32_t head, const void *bytes, size_t size)
{
	memcpy(data + written_at % BYTES, &head, sizeof head);
	memcpy(data + written_at % BYTES + BPF_RINGBUF_HDR_SZ, bytes, size);
	written_at += (BPF_RINGBUF_HDR_SZ + size + 7) & ~7UL;
}

static uint32_t head_at(unsigned long at)
{
	uint32_t head;

	memcpy(&head, data + at % BYTES, sizeof head);
	return head;
}

static void set_busy(unsigned long at, bool busy)
{
	uint32_t head = head_at(at) & ~(uint32_t)BPF_RINGBUF_BUSY_BIT;

	head |= busy ? BPF_RINGBUF_BUSY_BIT : 0;
	memcpy(data + at % BYTES, &head, sizeof head);
}

/* IPv4, from 192.0.2.`number` and port 40000, without a checksum. */
static struct ring_knock knock_of(uint8_t number)
{
	struct ring_knock k = {.datagram = {0x9c, 0x40, 0xd3, 0x8a, 0, RING_DATAGRAM_BYTES}};
	const uint8_t from[16] = {[10] = 0xff, 0xff, 192, 0, 2, number};
	const uint8_t to[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};

	memcpy(k.from, from, sizeof from);
	memcpy(k.to, to, sizeof to);
	memset(k.datagram + 8, number, RING_DATAGRAM_BYTES - 8);
	return k;
}

static void put_knock(uint8_t number)
{
	const struct ring_knock k = knock_of(number);

	put(sizeof k, &k, sizeof k);
}

static size_t receive(size_t most)
{
	struct record *records[MOST];

	for (size_t i = 0; i < MOST; i++)
		records[i] = &taken[i];
	memset(taken, 0xee, sizeof taken);
	return ring_receive(&ring, records, most);
}

static void expect(const struct record *r, uint8_t number)
{
	struct addr from, to;
	uint8_t bytes[RING_DATAGRAM_BYTES - 8];

	assert_true(addr_parse(&to, "192.0.2.1"));
	from = to;
	from.bytes[15] = number;
	memset(bytes, number, sizeof bytes);
	assert_int_equal(r->size, sizeof bytes);
	assert_memory_equal(r->bytes, bytes, sizeof bytes);
	assert_true(addr_equal(&r->source, &from) && addr_equal(&r->local, &to));
	assert_int_equal(r->source_port, 40000);
}

static void in_order_and_round_the_end(void **state)
{
	(void)state;
	for (unsigned int turn = 0; turn < 1000; turn++) {
		unsigned int count = turn % 18;

		for (unsigned int i = 0; i < count; i++)
			put_knock((uint8_t)(turn + i));
		for (unsigned int i = 0; i < count; i += 5) {
			unsigned int left = count - i < 5 ? count - i : 5;

			assert_int_equal(receive(5), left);
			for (unsigned int j = 0; j < left; j++)
				expect(&taken[j], (uint8_t)(turn + i + j));
		}
		assert_int_equal(receive(MOST), 0);
		assert_int_equal(read_at, written_at);
	}
	assert_true(written_at > 100UL * BYTES);
}

/* As near to the end of the numbers. */
static void places_that_overflow(void **state)
{
	(void)state;
	read_at = written_at = 0UL - 3 * WHOLE;
	for (uint8_t i = 0; i < 6; i++)
		put_knock(i);
	assert_int_equal(receive(MOST), 6);
	expect(&taken[5], 5);
	assert_int_equal(read_at, written_at);
}

static void what_is_being_written_waits(void **state)
{
	unsigned long at;

	(void)state;
	put_knock(1);
	at = written_at;
	put_knock(2);
	put_knock(3);
	set_busy(at, true);
	assert_int_equal(receive(MOST), 1);
	assert_int_equal(read_at, at);
	assert_int_equal(receive(MOST), 0);
	set_busy(at, false);
	assert_int_equal(receive(MOST), 2);
	expect(&taken[0], 2);
	expect(&taken[1], 3);
}

static void what_is_none_is_passed_over(void **state)
{
	static const uint8_t some[300];

	(void)state;
	put(BPF_RINGBUF_DISCARD_BIT | sizeof(struct ring_knock), some, sizeof(struct ring_knock));
	for (uint32_t size = 0; size < 300; size++) {
		if (size == sizeof(struct ring_knock))
			continue;
		put(size, some, size);
		put_knock(7);
		assert_int_equal(receive(MOST), 1);
		expect(&taken[0], 7);
	}
}

/* Sizes that lead out of what is written, places that are none: all of it is given up. */
static void what_has_no_sense_is_given_up(void **state)
{
	static const uint32_t heads[] = {2 * WHOLE, BYTES, 0x3fffffff, 0x7fffffff,
	    BPF_RINGBUF_DISCARD_BIT | 0x3fffffff, (uint32_t)sizeof(struct ring_knock) + 1};

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		begin(NULL);
		put_knock(1);
		put_knock(2);
		memcpy(data + WHOLE, &heads[i], sizeof heads[i]);
		assert_int_equal(receive(MOST), 1);
		assert_int_equal(read_at, written_at);
		put_knock(3);
		assert_int_equal(receive(MOST), 1);
		expect(&taken[0], 3);
	}
	begin(NULL);
	put_knock(1);
	written_at -= 8; /* of the right size, and not all there */
	assert_int_equal(receive(MOST), 0);
	assert_int_equal(read_at, written_at);
	begin(NULL);
	read_at = 4; /* no place of the kernel's */
	put_knock(1);
	assert_int_equal(receive(MOST), 0);
	assert_int_equal(read_at, written_at);
	begin(NULL);
	written_at = BYTES + 8; /* more than there is */
	assert_int_equal(receive(MOST), 0);
	begin(NULL);
	read_at = 4096; /* past what is written */
	assert_int_equal(receive(MOST), 0);
	assert_int_equal(read_at, written_at);
}

/* The same in each run (Marsaglia's xorshift). */
static uint32_t some(void)
{
	static uint32_t x = 7;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* Bytes at random, as if the kernel's side were somebody else: no end of reading, and nothing is
 * read but the ring, which has no more behind it. */
static void any_bytes(void **state)
{
	(void)state;
	for (unsigned int turn = 0; turn < 20000; turn++) {
		for (size_t i = 0; i < BYTES; i += 8) {
			uint32_t head = some() & (turn % 2 == 0 ? 0x400003ffU : ~0U);

			memcpy(data + i, &head, sizeof head);
		}
		read_at = some() & ~7UL;
		written_at = read_at + (some() & (BYTES - 1));
		for (unsigned int i = 0; read_at != written_at && i < 2 * BYTES / 8; i++)
			if (receive(MOST) == 0 && (head_at(read_at) & BPF_RINGBUF_BUSY_BIT) != 0)
				break;
		assert_true(written_at - read_at <= BYTES);
	}
}

static uint16_t sum_of(const struct ring_knock *k, bool whole)
{
	uint32_t sum = 17 + RING_DATAGRAM_BYTES;
	const uint8_t *from = (const uint8_t *)k->from, *to = (const uint8_t *)k->to;

	for (size_t i = 0; i < 16; i += 2)
		sum += (uint32_t)(from[i] << 8 | from[i + 1]) + (uint32_t)(to[i] << 8 | to[i + 1]);
	for (size_t i = 0; whole && i < RING_DATAGRAM_BYTES; i++)
		sum += (uint32_t)k->datagram[i] << (i % 2 == 0 ? 8 : 0);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static size_t received_with_sum(bool six, uint16_t sum)
{
	struct ring_knock k = knock_of(9);

	if (six)
		memcpy(k.from, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09", sizeof k.from);
	k.datagram[6] = (uint8_t)(sum >> 8);
	k.datagram[7] = (uint8_t)sum;
	put(sizeof k, &k, sizeof k);
	assert_int_equal(receive(MOST), 1);
	return taken[0].size;
}

/* Damaged: of size 0, which is refused. One that was never on a wire has a sum that is begun. */
static void checksums(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		struct ring_knock k = knock_of(9);
		uint16_t right, begun;

		if (six)
			memcpy(k.from, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09", sizeof k.from);
		right = (uint16_t)~sum_of(&k, true);
		begun = sum_of(&k, false);
		assert_int_equal(received_with_sum(six, right), 165);
		assert_int_equal(received_with_sum(six, begun), 165);
		assert_int_equal(received_with_sum(six, 0), six ? 0 : 165);
		for (int bit = 0; bit < 16; bit++) {
			assert_int_equal(received_with_sum(six, (uint16_t)(right ^ 1 << bit)), 0);
			assert_int_equal(received_with_sum(six, (uint16_t)(begun ^ 1 << bit)), 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(in_order_and_round_the_end, begin),
	    cmocka_unit_test_setup(places_that_overflow, begin),
	    cmocka_unit_test_setup(what_is_being_written_waits, begin),
	    cmocka_unit_test_setup(what_is_none_is_passed_over, begin),
	    cmocka_unit_test_setup(what_has_no_sense_is_given_up, begin),
	    cmocka_unit_test_setup(any_bytes, begin),
	    cmocka_unit_test_setup(checksums, begin),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
