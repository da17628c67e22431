/* Openings that name their ports, against the real kernel; test_fw_packets sends packets. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "caught_log.h"
#include "emulated.h"
#include "fw/nft.h"
#include "fw_bench.h"

#define TCP 6
#define UDP 17

static struct fw_case_element opening(
    const char *address, uint8_t protocol, uint16_t first, uint16_t last, uint64_t ms)
{
	struct fw_case_element o = {
	    .ports = {protocol, 0, first, last}, .timeout_ms = ms, .owner = "alice"};

	assert_true(addr_parse(&o.address, address));
	return o;
}

static void install(struct fw_bench *b, const struct fw_case_element *live, size_t count)
{
	b->c.settings.openspa.enabled = true;
	assert_int_equal(fw_case_install(&b->fw, &b->c.s, live, count), 0);
}

static int open_one(struct fw_bench *b, struct fw_case_element o)
{
	return fw_case_open(&b->fw, &o, 1);
}

static int close_one(struct fw_bench *b, struct fw_case_element o)
{
	return fw_case_close(&b->fw, &o);
}

static int held(struct fw_bench *b)
{
	return fw_bench_held(b, true, b->opened);
}

static const struct fw_case_element *find(
    const struct fw_bench *b, int count, const struct fw_case_element *o)
{
	for (int i = 0; i < count; i++) {
		const struct fw_case_element *is = &b->opened[i];

		if (addr_equal(&is->address, &o->address) && ports_equal(&is->ports, &o->ports))
			return is;
	}
	return NULL;
}

/* How long it lasts; 0 when it is not there. */
static uint64_t time_left(struct fw_bench *b, const struct fw_case_element *o)
{
	const struct fw_case_element *is = find(b, held(b), o);

	return is == NULL ? 0 : is->timeout_ms;
}

/* One of each kind and family; ranges that overlap, and all ports. */
static size_t fill(struct fw_case_element *o)
{
	size_t count = 0;

	for (int v6 = 0; v6 < 2; v6++) {
		const char *a = v6 ? "2001:db8::1" : "192.0.2.1";

		o[count++] = opening(a, TCP, 22, 22, 600000);
		o[count++] = opening(a, UDP, 22, 22, 600000);
		o[count++] = opening(a, TCP, 65535, 65535, 600000);
		o[count++] = opening(a, TCP, 1000, 2000, 600000);
		o[count++] = opening(a, UDP, 1000, 2000, 600000);
		o[count++] = opening(a, TCP, 1500, 2500, 600000);
		o[count++] = opening(a, TCP, 1, 65535, 600000);
		o[count++] = opening(a, v6 ? 58 : 1, 0, 0, 600000);
		o[count++] = opening(a, 4, 0, 0, 600000);
	}
	return count;
}

static void assert_all_held(struct fw_bench *b, const struct fw_case_element *o, size_t count)
{
	assert_int_equal(held(b), count);
	for (size_t i = 0; i < count; i++) {
		const struct fw_case_element *is = find(b, (int)count, &o[i]);

		if (is == NULL) {
			fail_msg("number %zu is not open", i);
			return;
		}
		assert_in_range(is->timeout_ms, 1, o[i].timeout_ms);
		assert_string_equal(is->owner, o[i].owner);
	}
}

static void every_kind_opens_and_is_adopted(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[32];
	size_t count = fill(o);

	assert_int_equal(held(b), 0); /* not even a table */
	install(b, NULL, 0);
	strcpy(o[3].owner, "bob.b-b@host_1");
	assert_int_equal(fw_case_open(&b->fw, o, count), 0);
	assert_all_held(b, o, count);
}

static void installing_keeps_what_is_live_and_nothing_else(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[32], gone = opening("192.0.2.9", TCP, 3000, 3001, 600000);
	size_t count = fill(o);

	install(b, NULL, 0);
	assert_int_equal(open_one(b, gone), 0);
	install(b, o, count);
	assert_all_held(b, o, count);
	assert_false(b->fw.ops->disturbed(&b->fw));
	/* and they are known: closed, opened again, without a second set */
	assert_int_equal(close_one(b, o[3]), 0);
	assert_int_equal(held(b), count - 1);
	assert_int_equal(fw_case_open(&b->fw, o, count), 0);
	assert_all_held(b, o, count);
	assert_false(b->fw.ops->disturbed(&b->fw));
	install(b, NULL, 0);
	assert_int_equal(held(b), 0);
}

/* A rule set without OpenSPA, or with scripts for its firewall, is none the longer for it. */
static void only_where_wanted(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o = opening("192.0.2.1", TCP, 22, 22, 600000);
	char *text;

	for (int scripts = 0; scripts < 2; scripts++) {
		b->c.settings.openspa.enabled = scripts;
		b->c.settings.openspa.firewall = scripts ? CONF_ASKED_SCRIPT : CONF_ASKED_NATIVE;
		assert_int_equal(fw_case_install(&b->fw, &b->c.s, &o, 1), 0);
		assert_int_equal(open_one(b, o), -EINVAL);
		assert_int_equal(close_one(b, o), 0);
		text = fw_bench_listing("list ruleset");
		assert_int_equal(fw_bench_count(text, "opened"), 0);
		assert_int_equal(fw_bench_count(text, "dport 22211"), scripts);
		free(text);
		assert_false(b->fw.ops->disturbed(&b->fw));
	}
	b->c.settings.openspa.firewall = CONF_ASKED_NATIVE;
	install(b, &o, 1);
	assert_int_equal(held(b), 1);
}

static void of_two_installed_the_longer_counts(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[] = {opening("192.0.2.1", TCP, 22, 22, 5000),
	    opening("192.0.2.1", TCP, 22, 22, 600000), opening("192.0.2.1", TCP, 1, 2, 600000),
	    opening("192.0.2.1", TCP, 1, 2, 5000)};

	strcpy(o[1].owner, "bob");
	install(b, o, 4);
	assert_int_equal(held(b), 2);
	assert_in_range(time_left(b, &o[0]), 5001, 600000);
	assert_string_equal(find(b, 2, &o[0])->owner, "bob");
	assert_in_range(time_left(b, &o[2]), 5001, 600000);
}

/* Of one kind each; the same address, and ports that overlap. */
static void a_refresh_touches_nothing_else(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[32];
	size_t count = fill(o);

	install(b, NULL, 0);
	assert_int_equal(fw_case_open(&b->fw, o, count), 0);
	for (size_t i = 0; i < count; i++) {
		struct fw_case_element again = o[i];
		int holds;

		again.timeout_ms = 900000;
		assert_int_equal(open_one(b, again), 0);
		again.timeout_ms = 5000;
		assert_in_range(time_left(b, &again), 600001, 900000);
		assert_int_equal(open_one(b, again), 0);
		holds = held(b);
		assert_int_equal(holds, count);
		for (size_t k = 0; k < count; k++) {
			const struct fw_case_element *is = find(b, holds, &o[k]);

			if (is == NULL)
				fail();
			else if (k == i)
				assert_in_range(is->timeout_ms, 1, 5000);
			else
				assert_in_range(is->timeout_ms, 5001, 600000);
		}
		assert_int_equal(open_one(b, o[i]), 0);
	}
}

static void closing_touches_nothing_else(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[32];
	size_t count = fill(o);

	install(b, o, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(close_one(b, o[i]), 0);
		assert_int_equal(close_one(b, o[i]), 0);
		assert_int_equal(held(b), count - i - 1);
		assert_null(find(b, (int)(count - i - 1), &o[i]));
	}
	assert_int_equal(close_one(b, opening("192.0.2.1", UDP, 7, 9, 1)), 0); /* never was */
}

static void the_kernel_ends_them(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[32];
	size_t count = fill(o);
	int left = 1;

	install(b, NULL, 0);
	for (size_t i = 0; i < count; i++)
		o[i].timeout_ms = 50;
	assert_int_equal(fw_case_open(&b->fw, o, count), 0);
	fw_close(&b->fw); /* as if killed */
	for (int i = 0; i < 1000 && left > 0; i++) {
		usleep(10000);
		left = held(b);
	}
	assert_int_equal(left, 0);
	assert_int_equal(fw_open(&b->fw, CONF_FIREWALL_NFT, FW_BENCH_BOOT, -1), 0);
}

/* Without its end the kernel would keep it for ever. */
static void what_is_over_is_not_put(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element over[] = {opening("192.0.2.1", TCP, 22, 22, 0),
	    opening("192.0.2.1", TCP, 5, 9, 0), fw_case_grant("192.0.2.1", 0, 0, "alice")};
	char *text;

	install(b, over, 3);
	text = fw_bench_listing("list table inet postern");
	assert_int_equal(fw_bench_count(text, "192.0.2.1"), 0);
	assert_int_equal(fw_bench_count(text, "opened_tcp"), 0);
	free(text);
}

/* What has ended by itself is closed with others in one transaction. */
static void closing_what_is_gone_disturbs_nobody(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[] = {
	    opening("192.0.2.1", TCP, 22, 22, 0), opening("192.0.2.2", TCP, 22, 22, 600000)};
	struct fw_change both[2];
	char *text;

	install(b, NULL, 0);
	for (size_t i = 0; i < 2; i++)
		both[i] = (struct fw_change){.owner = o[i].owner,
		    .close = i == 0,
		    .opening = {.address = o[i].address,
		        .ports = o[i].ports,
		        .until_ns = i == 0 ? 0 : clock_boot_ns() + 600 * NS_PER_SECOND}};
	assert_int_equal(b->fw.ops->change(&b->fw, both, 2), 0);
	assert_int_equal(held(b), 1);
	text = fw_bench_listing("list table inet postern");
	assert_int_equal(fw_bench_count(text, "192.0.2.1 "), 0);
	free(text);
}

static void odd_ones_open_nothing(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element good = opening("192.0.2.1", TCP, 1000, 2000, 600000);
	struct fw_case_element bad[] = {opening("192.0.2.1", TCP, 0, 22, 1000),
	    opening("192.0.2.1", TCP, 0, 0, 1000), opening("192.0.2.1", UDP, 23, 22, 1000),
	    opening("192.0.2.1", TCP, 22, 22, 0), opening("192.0.2.1", 1, 8, 7, 1000),
	    opening("192.0.2.1", 4, 1, 0, 1000), opening("192.0.2.1", 58, 0, 0, 1000),
	    opening("2001:db8::1", 1, 0, 0, 1000), opening("192.0.2.1", 47, 0, 0, 1000),
	    opening("192.0.2.1", 2, 0, 0, 1000), good};

	strcpy(bad[sizeof bad / sizeof *bad - 1].owner, "a\"b");
	assert_int_equal(open_one(b, good), -EINVAL); /* nothing installed yet */
	install(b, NULL, 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct fw_case_element two[] = {good, bad[i]};

		assert_int_equal(fw_case_open(&b->fw, two, 2), -EINVAL);
		assert_int_equal(held(b), 0);
		if (bad[i].timeout_ms > 0)
			assert_int_equal(fw_case_install(&b->fw, &b->c.s, two, 2), -EINVAL);
	}
	assert_int_equal(fw_case_open(&b->fw, NULL, 0), 0);
	assert_int_equal(open_one(b, good), 0);
	assert_false(b->fw.ops->disturbed(&b->fw));
}

static void many_at_once(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[64];

	install(b, NULL, 0);
	for (uint16_t i = 0; i < 64; i++) {
		o[i] = opening("2001:db8::1", TCP, (uint16_t)(10000 + i), 60000, 600000);
		strcpy(o[i].owner, "a-name-as-long-as-a-name-can-be-0123456789-0123456789-0123456");
	}
	assert_int_equal(fw_case_open(&b->fw, o, 64), 0);
	assert_all_held(b, o, 64);
}

static struct fw_case_element nth_range(unsigned int i)
{
	return opening(
	    i % 2 ? "192.0.2.1" : "2001:db8::1", TCP, (uint16_t)(i + 1), (uint16_t)(i + 2), 600000);
}

static void ranges_are_bounded(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element both[] = {nth_range(3), opening("192.0.2.7", UDP, 7, 9, 600000)};

	install(b, NULL, 0);
	for (unsigned int i = 0; i < 300; i++)
		assert_int_equal(open_one(b, nth_range(i)), i < FW_RANGES ? 0 : -ENOSPC);
	assert_int_equal(held(b), FW_RANGES);
	assert_int_equal(open_one(b, nth_range(7)), 0); /* what is there goes on */
	assert_int_equal(open_one(b, opening("192.0.2.1", TCP, 22, 22, 600000)), 0);
	assert_int_equal(fw_case_open(&b->fw, both, 2), -ENOSPC);
	assert_int_equal(held(b), FW_RANGES + 1);
	assert_false(b->fw.ops->disturbed(&b->fw));
}

static void unused_ranges_make_room(void **state)
{
	struct fw_bench *b = *state;
	char *text;

	install(b, NULL, 0);
	for (unsigned int i = 0; i < FW_RANGES; i++)
		assert_int_equal(open_one(b, nth_range(i)), 0);
	for (unsigned int i = 0; i < FW_RANGES; i += 3)
		assert_int_equal(close_one(b, nth_range(i)), 0);
	for (unsigned int i = 0; i < FW_RANGES; i += 3)
		assert_int_equal(open_one(b, nth_range(1000 + i)), 0);
	assert_int_equal(open_one(b, nth_range(999)), -ENOSPC);
	assert_int_equal(held(b), FW_RANGES);
	for (unsigned int i = 0; i < FW_RANGES; i++) {
		struct fw_case_element o = nth_range(i % 3 == 0 ? 1000 + i : i);

		assert_non_null(find(b, FW_RANGES, &o));
	}
	assert_false(b->fw.ops->disturbed(&b->fw));
	text = fw_bench_listing("list table inet postern");
	assert_int_equal(fw_bench_count(text, "set opened_tcp_"), FW_RANGES);
	assert_int_equal(fw_bench_count(text, "saddr @opened_tcp_"), FW_RANGES);
	free(text);
}

static size_t range_sets(void)
{
	char *text = fw_bench_listing("list table inet postern");
	size_t count = fw_bench_count(text, "set opened_tcp_");

	free(text);
	return count;
}

/* While there is room, or nothing needs it, nobody asks the kernel who has gone. */
static void room_is_made_when_there_is_none(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element live[FW_RANGES], refused[] = {nth_range(7), nth_range(998)};

	for (unsigned int i = 0; i < FW_RANGES; i++)
		live[i] = nth_range(i);
	refused[1].timeout_ms = 0;
	install(b, live, FW_RANGES - 1);
	assert_int_equal(close_one(b, live[0]), 0);
	/* It stands behind the next change, and does not count there. */
	assert_int_equal(fw_case_open(&b->fw, refused, 2), -EINVAL);
	assert_int_equal(open_one(b, live[FW_RANGES - 1]), 0);
	assert_int_equal(range_sets(), FW_RANGES);
	assert_int_equal(open_one(b, opening("192.0.2.1", TCP, 22, 22, 600000)), 0);
	assert_int_equal(open_one(b, live[7]), 0);
	assert_int_equal(close_one(b, opening("192.0.2.1", UDP, 7, 9, 1)), 0);
	assert_int_equal(range_sets(), FW_RANGES);
	assert_int_equal(open_one(b, nth_range(999)), 0);
	assert_int_equal(range_sets(), FW_RANGES);
	assert_int_equal(held(b), FW_RANGES + 1);
}

/* Those of a range that was closed for one of two stay; what ran out by itself goes. */
static void only_unused_ranges_go(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element other = opening("192.0.2.77", TCP, 4, 5, 600000);
	struct fw_case_element live[FW_RANGES];
	struct fw_change two[2];
	int refused;

	for (unsigned int i = 0; i < FW_RANGES; i++)
		live[i] = nth_range(i);
	live[200].timeout_ms = 1;
	install(b, live, FW_RANGES);
	/* That of nth_range(3), which is of the same family; what stands behind it holds nothing.
	 */
	for (size_t i = 0; i < 2; i++) {
		const struct fw_case_element *e = i == 0 ? &other : &live[200];

		two[i] = (struct fw_change){.owner = e->owner,
		    .opening = {.address = e->address,
		        .ports = e->ports,
		        .until_ns = clock_boot_ns() + 600 * NS_PER_SECOND}};
	}
	assert_int_equal(b->fw.ops->change(&b->fw, two, 1), 0);
	assert_int_equal(close_one(b, nth_range(3)), 0);
	for (int i = 0; i < 1000; i++) {
		refused = open_one(b, nth_range(999));
		if (refused == 0)
			break;
		assert_int_equal(refused, -ENOSPC);
		usleep(1000);
	}
	assert_int_equal(refused, 0);
	assert_int_equal(open_one(b, nth_range(1000)), -ENOSPC);
	assert_int_equal(close_one(b, other), 0);
	assert_int_equal(open_one(b, nth_range(1000)), 0);
	assert_int_equal(held(b), FW_RANGES);
	assert_false(b->fw.ops->disturbed(&b->fw));
}

/* Those that stand where others have moved away from. */
static void room_is_made_again(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element live[FW_RANGES], brief = nth_range(999);
	int err = -ENOSPC;

	for (unsigned int i = 0; i < FW_RANGES; i++)
		live[i] = nth_range(i);
	brief.timeout_ms = 200; /* enough to be opened on a machine that does other things */
	install(b, live, FW_RANGES);
	assert_int_equal(close_one(b, live[0]), 0);
	assert_int_equal(open_one(b, brief), 0);
	for (int i = 0; i < 1000 && err == -ENOSPC; i++) {
		usleep(1000);
		err = open_one(b, nth_range(1000));
	}
	assert_int_equal(err, 0);
	assert_int_equal(held(b), FW_RANGES);
	assert_int_equal(range_sets(), FW_RANGES);
}

/* Somebody else uses its set for a while. */
static void what_could_not_go_goes_later(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element live[FW_RANGES];

	for (unsigned int i = 0; i < FW_RANGES; i++)
		live[i] = nth_range(i);
	install(b, live, FW_RANGES);
	fw_bench_does("add chain inet postern theirs; "
	              "add rule inet postern theirs ip saddr @opened_tcp_4_5_4 drop");
	assert_int_equal(close_one(b, live[3]), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(open_one(b, nth_range(999)), -EBUSY);
	fw_bench_does("flush chain inet postern theirs");
	assert_int_equal(open_one(b, nth_range(999)), 0);
	assert_int_equal(held(b), FW_RANGES);
}

/* Of one that was closed for somebody and is held by another. */
static void the_kernel_is_asked_once(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element live[FW_RANGES], other = opening("192.0.2.77", TCP, 4, 5, 600000);

	for (unsigned int i = 0; i < FW_RANGES; i++)
		live[i] = nth_range(i);
	install(b, live, FW_RANGES);
	assert_int_equal(open_one(b, other), 0);
	assert_int_equal(close_one(b, live[3]), 0);
	assert_int_equal(open_one(b, nth_range(999)), -ENOSPC);
	fw_bench_tear(0, 8);
	assert_int_equal(open_one(b, nth_range(999)), -ENOSPC);
	assert_int_equal(held(b), -EINTR); /* the first to ask since */
	fw_bench_tear(0, 0);
}

/* It could take only all rules away. */
static void one_whose_rule_is_not_known_stays(void **state)
{
	static struct nft_ranges ranges;
	const struct nft_range known = {{TCP, 0, 5, 9}, true}, unknown = {{UDP, 0, 5, 9}, true};
	struct fw_bench *b = *state;
	struct nft_link l;

	install(b, NULL, 0);
	assert_int_equal(nft_link_open(&l, -1), 0);
	assert_int_equal(nft_ranges_append(&ranges, &unknown), 0);
	ranges.rules[0] = 7;
	nft_batch_begin(&l);
	assert_int_equal(nft_ranges_put(&l, &ranges, &known), 0);
	assert_int_equal(nft_ranges_commit(&l, &ranges), 0);
	assert_null(l.echo);
	assert_int_not_equal(ranges.rules[1], 0);
	nft_range_hold(&ranges.use[1], INT64_MAX);
	ranges.rules[0] = 0;
	assert_int_equal(nft_ranges_sweep(&l, &ranges), 0);
	assert_int_equal(ranges.count, 2);
	ranges.use[1].until_boot_ns = 0;
	assert_int_equal(nft_ranges_sweep(&l, &ranges), 0);
	assert_int_equal(ranges.count, 1);
	assert_int_equal(ranges.list[0].ports.protocol, UDP);
	nft_link_close(&l);
}

static void installing_too_many_ranges_keeps_the_rest(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[300];
	const char *said;

	for (unsigned int i = 0; i < 299; i++)
		o[i] = nth_range(i);
	o[299] = opening("192.0.2.1", TCP, 22, 22, 600000);
	caught_log_begin(LOG_LEVEL_ERROR);
	install(b, o, 300);
	said = caught_log_end();
	assert_int_equal(fw_bench_count(said, "too many distinct ranges"), 299 - FW_RANGES);
	assert_int_equal(fw_bench_count(said, "owner=alice"), 299 - FW_RANGES);
	assert_int_equal(held(b), FW_RANGES + 1);
	assert_false(b->fw.ops->disturbed(&b->fw));
}

/* The kernel refuses the last, so no range of it may be remembered, and nothing be open. */
static void a_transaction_fails_as_a_whole(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[] = {opening("192.0.2.1", TCP, 22, 22, 600000),
	    opening("192.0.2.1", TCP, 5, 9, 600000), opening("2001:db8::1", TCP, 22, 22, 600000)};

	char command[256];

	install(b, NULL, 0);
	snprintf(command, sizeof command,
	    "delete table inet postern; table inet postern { comment \"%s\"; set opened_ports_4 { "
	    "type ipv4_addr . inet_proto . inet_service; flags timeout; size 65536; }; "
	    "chain opened_ranges { }; }",
	    fw_bench_boot());
	fw_bench_does(command);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fw_case_open(&b->fw, o, 3), -ENOENT);
		assert_int_equal(held(b), 0);
	}
	assert_int_equal(fw_case_open(&b->fw, o, 2), 0);
	assert_int_equal(held(b), 2);
}

static void a_flush_is_told_by_every_kind(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[32], new = opening("192.0.2.1", TCP, 5, 9, 600000);
	struct fw_change closed[2];
	size_t count = fill(o);

	install(b, o, count);
	fw_bench_does("flush ruleset");
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(open_one(b, o[i]), -ENOENT);
		assert_int_equal(close_one(b, o[i]), 0);
	}
	for (size_t i = 0; i < 2; i++) /* what stands behind it does not matter */
		closed[i] = (struct fw_change){.owner = o[0].owner,
		    .close = true,
		    .outcome = 7,
		    .opening = {.address = o[0].address, .ports = o[0].ports}};
	assert_int_equal(b->fw.ops->change(&b->fw, closed, 1), 0);
	assert_int_equal(closed[0].outcome, 0);
	assert_int_equal(closed[1].outcome, 7);
	assert_int_equal(open_one(b, new), -ENOENT);
	assert_true(b->fw.ops->disturbed(&b->fw));
	install(b, o, count);
	assert_int_equal(open_one(b, new), 0);
	assert_int_equal(held(b), count + 1);
}

static bool awake(struct fw_bench *b)
{
	struct pollfd p = {.fd = b->fw.ops->watch(&b->fw), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void our_own_openings_wake_nobody(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[32];
	size_t count = fill(o);

	install(b, NULL, 0);
	b->fw.ops->disturbed(&b->fw);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(open_one(b, o[i]), 0);
		assert_false(b->fw.ops->disturbed(&b->fw));
		assert_false(awake(b));
	}
	for (size_t i = 0; i < count; i++)
		assert_int_equal(close_one(b, o[i]), 0);
	assert_false(awake(b));
	assert_false(b->fw.ops->disturbed(&b->fw));
}

static void disturbance(struct fw_bench *b, const char *what, bool expected)
{
	struct fw_case_element o[] = {
	    opening("192.0.2.1", TCP, 5, 9, 600000), opening("192.0.2.1", TCP, 15, 19, 600000)};

	install(b, o, 1);
	assert_int_equal(open_one(b, o[1]), 0);
	assert_false(b->fw.ops->disturbed(&b->fw));
	fw_bench_does(what);
	assert_true(awake(b));
	if (b->fw.ops->disturbed(&b->fw) != expected)
		fail_msg("%s", what);
	/* What comes next must not make it look right. */
	assert_int_equal(open_one(b, opening("192.0.2.1", 1, 0, 0, 600000)), 0);
	if (b->fw.ops->disturbed(&b->fw) != expected)
		fail_msg("%s, later", what);
}

static void what_others_do_is_noticed(void **state)
{
	struct fw_bench *b = *state;

	disturbance(b, "flush chain inet postern opened_ranges", true);
	disturbance(b, "flush chain inet postern opened", true);
	disturbance(b, "insert rule inet postern opened_ranges accept", true);
	disturbance(b, "add rule inet postern opened_ranges accept", true);
	disturbance(b, "add rule inet postern opened drop", true);
	disturbance(b, "add set inet postern more { type ipv4_addr; }", true);
	disturbance(b, "add table inet other", false);
	disturbance(b, "add table ip postern", false);
}

/* A range that comes after somebody else's change does not make that look like our own. */
static void a_new_range_hides_nothing(void **state)
{
	static const char *const changes[] = {"insert rule inet postern opened_ranges accept",
	    "add rule inet postern opened_ranges accept", "flush chain inet postern opened_ranges",
	    "insert rule inet postern input accept"};
	struct fw_bench *b = *state;

	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct fw_case_element o = opening("192.0.2.1", TCP, 5, 9, 600000);

		install(b, &o, 1);
		fw_bench_does(changes[i]);
		assert_int_equal(open_one(b, opening("192.0.2.1", TCP, 15, 19, 600000)), 0);
		assert_true(b->fw.ops->disturbed(&b->fw));
	}
}

static void a_replaced_rule_is_noticed(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[] = {
	    opening("192.0.2.1", TCP, 5, 9, 600000), opening("192.0.2.1", TCP, 15, 19, 600000)};

	for (int i = 0; i < 2; i++) {
		char *text, *rule, command[128];
		unsigned int handle;

		install(b, o, 1);
		assert_int_equal(open_one(b, o[1]), 0);
		text = fw_bench_listing("list chain inet postern opened_ranges");
		rule = strstr(text, i == 0 ? "dport 5-9" : "dport 15-19");
		assert_non_null(rule);
		rule = strstr(rule, "# handle ");
		assert_int_equal(sscanf(rule, "# handle %u", &handle), 1);
		free(text);
		snprintf(command, sizeof command,
		    "replace rule inet postern opened_ranges handle %u accept", handle);
		fw_bench_does(command);
		assert_true(b->fw.ops->disturbed(&b->fw));
	}
}

static void strangers_are_not_adopted(void **state)
{
	static const char *const names[] = {"opened_tcp_015_19_4", "opened_tcp_9_5_4",
	    "opened_tcp_5_5_4", "opened_tcp_0_5_4", "opened_tcp_5_65536_4", "opened_sctp_5_9_4",
	    "opened_tcp_15_19_5", "opened_tcp_15_19_4x", "opened_tcp_5_9_", "opened_tcx_15_19_4"};
	struct fw_bench *b = *state;
	char command[512];

	install(b, NULL, 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(command, sizeof command,
		    "table inet postern { set %s { type ipv4_addr; flags timeout; elements = { "
		    "192.0.2.1 timeout 1h comment \"alice\" }; }; }",
		    names[i]);
		fw_bench_does(command);
	}
	fw_bench_does("add element inet postern opened_ports_4 { 192.0.2.1 . 6 . 22, "
	              "192.0.2.1 . 6 . 23 timeout 1h, "
	              "192.0.2.1 . 132 . 24 timeout 1h comment \"alice\", "
	              "192.0.2.1 . 6 . 0 timeout 1h comment \"alice\" }");
	fw_bench_does("add element inet postern opened_protocols_4 { "
	              "192.0.2.1 . 6 timeout 1h comment \"alice\", "
	              "192.0.2.1 . 58 timeout 1h comment \"alice\" }");
	/* of another table */
	fw_bench_does("table inet other { set opened_tcp_5_9_4 { type ipv4_addr; flags timeout; "
	              "elements = { 192.0.2.1 timeout 1h comment \"alice\" }; }; }");
	assert_int_equal(held(b), 0);
	assert_int_equal(open_one(b, opening("192.0.2.1", TCP, 15, 19, 600000)), 0);
	assert_int_equal(held(b), 1);
	/* and a set of another shape in the place of ours is no reason to fail the others */
	fw_bench_does("table inet postern { set opened_tcp_5_9_4 { type ether_addr; flags timeout; "
	              "elements = { 00:00:00:00:00:01 timeout 1h comment \"alice\" }; }; }");
	assert_int_equal(open_one(b, opening("192.0.2.1", TCP, 22, 22, 600000)), 0);
	assert_int_equal(held(b), 2);
}

/* As long as nft allows, which is longer than our clock counts. */
static void one_that_never_ends(void **state)
{
	const uint64_t longest_ms = INT64_MAX / 2 / 1000000;
	struct fw_bench *b = *state;

	install(b, NULL, 0);
	fw_bench_does("add element inet postern opened_ports_4 { "
	              "192.0.2.1 . 6 . 22 timeout 200000d comment \"alice\" }");
	assert_int_equal(held(b), 1);
	assert_in_range(b->opened[0].timeout_ms, longest_ms - 1000, longest_ms);
}

static void count_one(void *context, const struct opening *o, const char *owner)
{
	size_t *count = context;

	(void)o;
	(void)owner;
	(*count)++;
}

/* Eight times each of them is begun anew. */
static void every_listing_may_be_torn(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[32];
	size_t count = fill(o), found = 0;
	const struct nft_adoption to = {count_one, &found};
	struct nft_range ranges[FW_RANGES];
	struct nft_link l;

	install(b, o, count);
	assert_int_equal(nft_link_open(&l, -1), 0);
	for (unsigned int after = 0; after < 4 + 1 + 8; after++) {
		fw_bench_tear(after, 8);
		assert_int_equal(nft_adopt_ports(&l, &to), -EINTR);
	}
	fw_bench_tear(4 + 1 + 8, 8);
	found = 0;
	assert_int_equal(nft_adopt_ports(&l, &to), 0);
	assert_int_equal(found, count);
	for (unsigned int after = 4; after < 4 + 1 + 8; after++) {
		fw_bench_tear(after, 7);
		assert_int_equal(nft_adopt_ports(&l, &to), 0);
	}
	fw_bench_tear(0, 7);
	assert_int_equal(nft_ranges_read(&l, ranges, FW_RANGES), 8);
	assert_int_equal(nft_ranges_read(&l, ranges, 7), 7);
	fw_bench_tear(0, 0);
	nft_link_close(&l);
}

static void listings_of_a_policy(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g[] = {fw_case_grant("192.0.2.1", 0, 600000, "alice"),
	    fw_case_grant("2001:db8::1", 0, 600000, "alice"),
	    fw_case_grant("192.0.2.1", 1, 600000, "alice")};
	const struct nft_sets sets = nft_policy_sets(&b->c.s, 0);
	struct nft_reading counted = {.key_bytes = 4, .count = 7};
	size_t found = 0;
	const struct nft_adoption to = {count_one, &found};
	struct nft_link l;

	install(b, g, 3);
	assert_int_equal(nft_link_open(&l, -1), 0);
	for (unsigned int after = 0; after < 2; after++) {
		fw_bench_tear(after, 8);
		assert_int_equal(nft_adopt_policy(&l, &sets, 0, &to), -EINTR);
	}
	fw_bench_tear(0, 0);
	found = 0;
	assert_int_equal(nft_adopt_policy(&l, &sets, 0, &to), 0);
	assert_int_equal(found, 2);
	fw_bench_tear(0, 1);
	assert_int_equal(nft_element_read(&l, sets.v4, &counted), 0);
	assert_int_equal(counted.count, 7 + 1);
	nft_link_close(&l);
}

static void removing_leaves_nothing(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element o[32];
	size_t count = fill(o);
	char *text;

	install(b, NULL, 0);
	assert_int_equal(fw_case_open(&b->fw, o, count), 0);
	assert_int_equal(b->fw.ops->remove(&b->fw), 0);
	text = fw_bench_listing("list ruleset");
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(open_one(b, o[0]), -EINVAL);
	assert_false(b->fw.ops->stands(&b->fw));
}

static void where_there_is_no_table(void **state)
{
	struct nft_reading none = {.key_bytes = 4};
	struct nft_range ranges[1];
	struct nft_link l;

	(void)state;
	fw_bench_does("table inet other { set opened_tcp_5_9_4 { type ipv4_addr; }; }");
	assert_int_equal(nft_link_open(&l, -1), 0);
	assert_int_equal(nft_ranges_read(&l, ranges, 1), 0);
	assert_int_equal(nft_element_read(&l, NFT_PORTS_4, &none), 0);
	assert_int_equal(none.count, 0);
	nft_link_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FW_TEST(every_kind_opens_and_is_adopted),
	    FW_TEST(installing_keeps_what_is_live_and_nothing_else),
	    FW_TEST(only_where_wanted),
	    FW_TEST(of_two_installed_the_longer_counts),
	    FW_TEST(a_refresh_touches_nothing_else),
	    FW_TEST(closing_touches_nothing_else),
	    FW_TEST(the_kernel_ends_them),
	    FW_TEST(what_is_over_is_not_put),
	    FW_TEST(closing_what_is_gone_disturbs_nobody),
	    FW_TEST(odd_ones_open_nothing),
	    FW_TEST(many_at_once),
	    FW_TEST(ranges_are_bounded),
	    FW_TEST(unused_ranges_make_room),
	    FW_TEST(room_is_made_when_there_is_none),
	    FW_TEST(only_unused_ranges_go),
	    FW_TEST(room_is_made_again),
	    FW_OLD_TEST(what_could_not_go_goes_later),
	    FW_TEST(the_kernel_is_asked_once),
	    FW_OLD_TEST(one_whose_rule_is_not_known_stays),
	    FW_TEST(installing_too_many_ranges_keeps_the_rest),
	    FW_OLD_TEST(a_transaction_fails_as_a_whole),
	    FW_OLD_TEST(a_flush_is_told_by_every_kind),
	    FW_TEST(our_own_openings_wake_nobody),
	    FW_OLD_TEST(what_others_do_is_noticed),
	    FW_OLD_TEST(a_new_range_hides_nothing),
	    FW_OLD_TEST(a_replaced_rule_is_noticed),
	    FW_OLD_TEST(strangers_are_not_adopted),
	    FW_OLD_TEST(one_that_never_ends),
	    FW_TEST(every_listing_may_be_torn),
	    FW_TEST(listings_of_a_policy),
	    FW_TEST(removing_leaves_nothing),
	    FW_TEST(where_there_is_no_table),
	};

	not_when_emulated("netlink of nf_tables");
	return cmocka_run_group_tests(tests, fw_bench_enter, NULL);
}
