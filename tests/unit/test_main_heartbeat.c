/* Main asks at each beat, and ends only who is silent. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "main/processes.h"
#include "proc/process.h"

#define SILENT_BEATS 6 /* after so many of them a process is ended */
#define NOBODY       1234

int __wrap_kill(pid_t pid, int number);

static unsigned int killed;

int __wrap_kill(pid_t pid, int number)
{
	assert_int_equal(pid, NOBODY);
	assert_int_equal(number, SIGKILL);
	killed++;
	return 0;
}

static struct main_process m;
static struct process keeper;

static int set_up(void **state)
{
	struct child *child = &m.children[ROLE_KEEPER];
	int fds[2];

	(void)state;
	m = (struct main_process){.audit = AUDIT_NONE};
	m.audit.told = rate_of(1, 1);
	if (!channel_pair(fds))
		return -1;
	*child = (struct child){.role = ROLE_KEEPER, .pid = NOBODY, .main = &m};
	child->peer = (struct peer){.channel = {fds[0], ROLE_MAIN, ROLE_KEEPER},
	    .handlers = main_handlers,
	    .context = child};
	keeper.main.channel = (struct channel){fds[1], ROLE_KEEPER, ROLE_MAIN};
	killed = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(m.children[ROLE_KEEPER].peer.channel.fd);
	close(keeper.main.channel.fd);
	return 0;
}

/* The keeper reads what waits for it; how many pings that was. It answers each, if there is room.
 */
static unsigned int keeper_turns(void)
{
	struct message message;
	unsigned int pings = 0;

	while (channel_receive(&keeper.main.channel, &message, PHASE_RUN) == CHANNEL_MESSAGE) {
		assert_int_equal(message.type, MESSAGE_PING_KEEPER);
		process_take_ping(&keeper, &message.body.PING_KEEPER, NULL);
		pings++;
	}
	return pings;
}

static void main_turns(void)
{
	while (peer_wait(&m.children[ROLE_KEEPER].peer, PHASE_RUN, 0) == CHANNEL_MESSAGE)
		;
}

static void who_answers_lives(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * SILENT_BEATS; i++) {
		main_ping_all(&m);
		assert_int_equal(keeper_turns(), 1);
		main_turns();
		assert_int_equal(m.children[ROLE_KEEPER].silent, 0);
	}
	assert_int_equal(killed, 0);
}

static void who_is_silent_is_ended(void **state)
{
	(void)state;
	for (unsigned int beats = 1; beats <= SILENT_BEATS; beats++) {
		assert_int_equal(killed, 0);
		main_ping_all(&m);
		main_turns();
	}
	assert_int_equal(killed, 1);
	assert_int_equal(keeper_turns(), SILENT_BEATS); /* it was asked each time */
}

/* What it tells fills its channel, and its answer finds no room. */
static void who_has_told_too_much_is_asked_again(void **state)
{
	static const struct message_audit some = {.kind = AUDIT_REFUSAL};

	(void)state;
	for (int i = 0; i < 3 * SILENT_BEATS; i++) {
		bool full = i % 3 == 0;

		while (full && channel_try_send(&keeper.main.channel, MESSAGE_AUDIT, &some))
			;
		main_ping_all(&m);
		assert_int_equal(keeper_turns(), 1);
		main_turns();
		assert_int_equal(m.children[ROLE_KEEPER].silent, full ? 1 : 0);
	}
	assert_int_equal(killed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(who_answers_lives, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(who_is_silent_is_ended, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        who_has_told_too_much_is_asked_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
