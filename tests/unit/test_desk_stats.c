/* What the desk tells of what was counted, to a tool that reads slowly, too. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/stat.h"
#include "desk/desk.h"

#define RECORDS_MOST 400

static struct {
	struct desk desk;
	struct snapshot_header header;
	struct counters doormen[2], keeper;
	struct kernel_shield_counts shield;
	int tool;
	struct control_record told[RECORDS_MOST];
	size_t told_count;
} world;

static int set_up(void **state)
{
	struct desk *d = &world.desk;

	(void)state;
	memset(&world, 0, sizeof world);
	d->doormen = 2;
	d->doormen_counters = world.doormen;
	d->keeper_counters = &world.keeper;
	d->config.header = &world.header;
	d->config.settings = &world.header.settings;
	d->config.client_count = 257;
	return loop_open(&d->process.loop) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_close(&world.desk.process.loop);
	return 0;
}

static void not_called(void *context)
{
	(void)context;
}

/* A tool whose request has been read; `room` for what it is told, in bytes, 0: plenty. */
static struct conversation *begin(int room)
{
	struct conversation *c = &world.desk.conversations[0];
	int ends[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), errno);
	if (room > 0)
		assert_return_code(
		    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room), errno);
	world.tool = ends[1];
	world.told_count = 0;
	*c = (struct conversation){.desk = &world.desk, .state = CONVERSATION_OPEN};
	c->source = (struct loop_source){ends[0], not_called, c};
	assert_true(loop_add(&world.desk.process.loop, &c->source));
	request_show_stats(c);
	return c;
}

/* What has come; whether that was all. */
static bool read_all(void)
{
	uint8_t packet[CONTROL_RECORD_BYTES];
	ssize_t size;

	while ((size = recv(world.tool, packet, sizeof packet, 0)) > 0) {
		assert_true(world.told_count < RECORDS_MOST);
		assert_true(control_decode(&world.told[world.told_count], packet, (size_t)size));
		if (world.told[world.told_count++].type == CONTROL_DONE)
			return true;
	}
	return false;
}

static uint64_t told(const char *name)
{
	uint64_t value = 0;
	int count = 0;

	for (size_t i = 0; i < world.told_count; i++)
		if (world.told[i].type == CONTROL_STAT &&
		    strcmp(world.told[i].stat.name, name) == 0) {
			value = world.told[i].stat.value;
			count++;
		}
	if (count != 1)
		fail_msg("%s is told %d times", name, count);
	return value;
}

static void ask(void)
{
	struct conversation *c = begin(0);

	assert_true(read_all());
	assert_int_equal(c->state, CONVERSATION_FREE);
	close(world.tool);
}

static void all_processes_are_added_up(void **state)
{
	(void)state;
	world.doormen[0].counts[COUNT_RECEIVED] = 3;
	world.doormen[1].counts[COUNT_RECEIVED] = 4;
	world.doormen[1].counts[COUNT_LOG_LINES] = 1;
	world.keeper.counts[COUNT_LOG_LINES] = 1;
	world.keeper.counts[COUNT_GRANTS] = 5;
	world.doormen[0].verdicts[VERDICT_BAD_SEAL] = 6;
	world.doormen[1].verdicts[VERDICT_BAD_SEAL] = 7;
	world.keeper.opened_within[2] = 8;
	world.keeper.opened_within[OPEN_LIMITS] = 9;
	world.desk.status.reloads = 2;
	world.desk.status.roles = 1U << ROLE_KEEPER | 1U << ROLE_DOORMAN;
	world.desk.status.silent = 1U << ROLE_KEEPER;
	world.desk.status.without = 1;
	ask();
	assert_int_equal(told(STAT_RECEIVED), 7);
	assert_int_equal(told(STAT_LOG_LINES), 2);
	assert_int_equal(told(STAT_GRANTS), 5);
	assert_int_equal(told("bad_seal"), 13);
	assert_int_equal(told(STAT_OPEN_US "2500"), 8);
	assert_int_equal(told(STAT_OPEN_MORE), 9);
	assert_int_equal(told(STAT_CLIENTS), 257);
	assert_int_equal(told(STAT_RELOADS), 2);
	assert_int_equal(told(STAT_UP "doorman"), 1);
	assert_int_equal(told(STAT_UP "keeper"), 0);
	assert_int_equal(told(STAT_VERSION POSTERN_VERSION), 1);
	assert_int_equal(told(STAT_FIREWALL), 0);
}

/* All of it comes, in order, however little there is room for at a time. */
static void who_reads_slowly_gets_all(void **state)
{
	struct conversation *c;
	size_t all, turns = 0;

	(void)state;
	ask();
	all = world.told_count;
	c = begin(1);
	while (!read_all()) {
		assert_int_equal(c->state, CONVERSATION_STATS);
		assert_true(c->awaits_room);
		request_show_stats(c);
		assert_in_range(++turns, 1, RECORDS_MOST);
	}
	assert_true(turns > 1);
	assert_int_equal(world.told_count, all);
	(void)told(STAT_VERSION POSTERN_VERSION);
	close(world.tool);
}

static void who_has_gone_is_let_go(void **state)
{
	struct conversation *c = begin(1);

	(void)state;
	assert_int_equal(c->state, CONVERSATION_STATS);
	close(world.tool);
	request_show_stats(c);
	assert_int_equal(c->state, CONVERSATION_FREE);
}

/* What the filter has dropped is not lost, and what was told before does not become less. */
static void filtered_is_not_lost(void **state)
{
	struct kernel_shield_row *row = &world.shield.row[KERNEL_SHIELD_SOCKET][0];

	(void)state;
	world.desk.shield_counts = &world.shield;
	world.doormen[0].counts[COUNT_QUEUE_DROPPED] = 10;
	row->count[KERNEL_SHIELD_MALFORMED] = 7;
	row->count[KERNEL_SHIELD_TAGGED] = 100;
	ask();
	assert_int_equal(told(STAT_QUEUE_DROPPED), 3);
	row->count[KERNEL_SHIELD_MALFORMED] = 12;
	ask();
	assert_int_equal(told(STAT_QUEUE_DROPPED), 3);
	world.doormen[1].counts[COUNT_QUEUE_DROPPED] = 8;
	ask();
	assert_int_equal(told(STAT_QUEUE_DROPPED), 6);
	world.shield.row[KERNEL_SHIELD_XDP][3].count[KERNEL_SHIELD_RING_FULL] = 4;
	ask();
	assert_int_equal(told(STAT_QUEUE_DROPPED), 10);
	assert_int_equal(told("shield-socket-malformed"), 12);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(all_processes_are_added_up),
	    TEST(who_reads_slowly_gets_all),
	    TEST(who_has_gone_is_let_go),
	    TEST(filtered_is_not_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
