/* A keeper on a bench: the real one, with real snapshots and real channels, whose other ends are
 * the test's, a clock that stands still until it is told to go on, and a firewall in memory.
 * Everything that knows the layout of messages and of firewall calls is in here, so that the tests
 * say what happens and not how it is said. */
#ifndef TESTS_KEEPER_BENCH_H
#define TESTS_KEEPER_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admit/verdict.h"
#include "keeper/keeper.h"
#include "proc/program.h"
#include "snapshot/snapshot.h"

/* Alice and Bob share their ports, Carol has others. */
enum bench_client { ALICE, BOB, CAROL, BENCH_CLIENTS };
/* The stranger and the other one stand in no configuration. */
enum bench_device { LAPTOP, PHONE, BENCH_DEVICES, STRANGER = BENCH_DEVICES, OTHER_STRANGER };

#define BENCH_S          INT64_C(1000000000)
#define BENCH_NOW_NS     (INT64_C(1795206902) * BENCH_S)
#define BENCH_KNOCK_S    60 /* for how long a knock opens */
#define BENCH_RULE_S     30 /* for how long a device's first rule opens */
#define BENCH_PATIENCE_S 9  /* with a runner; it is late a second after that */
/* So many packets a predecessor was through with. */
#define BENCH_JUDGED_BEFORE 1000

/* What is opened: as the policy of a client says, or by protocol and ports. */
struct bench_what {
	enum bench_client as; /* protocol 0 */
	uint8_t protocol;
	uint16_t first;
	uint16_t last;
};
#define BENCH_AS(client)       ((struct bench_what){.as = (client)})
#define BENCH_TCP(first, last) ((struct bench_what){ALICE, 6, (first), (last)})

/* What the next bench_configure puts into force: everything may be changed. */
struct bench_config {
	struct settings settings;
	struct client clients[BENCH_CLIENTS];
	uint32_t client_count;
	struct device devices[BENCH_DEVICES];
	uint32_t device_count;
	struct policy policies[3]; /* Alice's and Bob's, Carol's, and one without ports */
	struct ports ports[2];
	struct openspa_rule rules[3];
	struct cidr networks[1];
};

/* --- cmocka's fixtures */
int bench_group_setup(void **state);
/* Firewall native, both runners there but not asked, the configuration in force. */
int bench_setup(void **state);
/* The same before the first configuration. */
int bench_setup_new(void **state);
/* The same with the back-end of `firewall: none`. */
int bench_setup_dry(void **state);
/* The same as bench_setup where no configuration names a program: without runners. */
int bench_setup_alone(void **state);
/* The same where programs are asked, and none makes rules: without the privileged runner. */
int bench_setup_asked(void **state);
/* The same as bench_setup with a runner that has 999 ms less: it is late in the same second. */
int bench_setup_impatient(void **state);
int bench_teardown(void **state);
#define BENCH_TEST(name)     cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
#define BENCH_TEST_NEW(name) cmocka_unit_test_setup_teardown(name, bench_setup_new, bench_teardown)

/* Whether a keeper begins to which main did not hand that descriptor (FD_...). */
bool bench_begins_without(size_t fd);

struct keeper *bench_keeper(void);
struct bench_config *bench_config(void);
/* Main sends it; what the keeper reports (an errno, or 0). */
int bench_configure(void);
/* The same, and the keeper's nth allocation for it fails. */
int bench_configure_short(size_t nth);
/* Main says stop. */
void bench_stop(bool keep_rules);
bool bench_stopped(void);
/* How often it has told main that it gets on with stopping. */
uint32_t bench_said_it_goes_on(void);

#define BENCH_AUDIT_MOST 2000
/* What main was told for the audit log since the last time. */
const struct message_audit *bench_audit(size_t *count);
/* And of strangers: the last one; VERDICT_COUNT: none. Valid after bench_audit. */
struct message_stranger bench_stranger(void);

/* --- time */
void bench_pass_ms(int64_t ms);
/* The same while the machine sleeps: the firewall's timers stand still. */
void bench_sleep_ms(int64_t ms);
/* Sets CLOCK_REALTIME alone. */
void bench_set_real(int64_t real_ns);
/* The keeper's second has passed (the clock is not moved). */
void bench_tick(void);
/* True while that second is timed. */
bool bench_ticks(void);
/* True, and done, when a repair of the rules waits for its time. */
bool bench_repair(void);
/* The same, whether it waits or not. */
void bench_repair_now(void);
/* A timer that has passed and is not read would turn the loop for ever. */
bool bench_timers_are_read(void);
/* For how long the desk is not heard after a page that took so long. */
int64_t bench_desk_pause(int64_t took_ns);
/* Whether a question of the desk's is answered now. */
bool bench_desk_is_heard(void);

/* --- the doorman's side */
struct bench_knock {
	enum bench_client by;
	const char *source;
	const char *target; /* NULL: the source */
	int64_t stamped_s;  /* ahead of now */
	bool passed_off;    /* as the holder of this number: */
	uint32_t holder;
	bool guessed;
	bool old_config;
	bool wrong_key;
};
void bench_send(const struct bench_knock *knock);
/* Sends one, and what becomes of it. */
int bench_knock(enum bench_client by, const char *source);

struct bench_request {
	enum bench_device by;
	const char *source;
	const char *target; /* NULL: the source */
	struct bench_what what;
	int64_t stamped_s;
	bool other_key; /* signed with another key than the devices' */
	bool from_nat;
	uint32_t holder; /* as the doorman says */
};
void bench_send_request(const struct bench_request *request);
int bench_request(enum bench_device by, const char *source, struct bench_what what);
/* The last one that was sent, once more. */
void bench_send_again(void);
/* Has the keeper do all that waits for it. */
void bench_run(void);

#define BENCH_NOTHING (-1)
/* The one verdict reported since the last call, and what followed where a program was asked;
 * BENCH_NOTHING: none. */
int bench_outcome(void);
/* How often since the beginning. */
uint32_t bench_counted(enum verdict v);

/* The number of the last packet that the keeper is through with. */
uint64_t bench_judged(void);

enum bench_back { BENCH_NOT_BACK, BENCH_WRONG_GUESS, BENCH_OLD_CONFIG };
/* The next knock that was given back. */
enum bench_back bench_given_back(void);
/* An OpenSPA client was told that it has it, for so many seconds; 0: nobody was told. */
uint16_t bench_told(struct bench_what what);
/* In how many calls it was told, of all requests. */
unsigned int bench_tellings(void);
/* Searches the keeper's memory for the key of the last packet that was sent. */
bool bench_key_is_left(void);
/* The same on the stack that bench_run uses up. */
bool bench_key_on_stack(void);
/* A knock that waited was freed as it was, not wiped. */
bool bench_freed_unwiped(void);

/* --- the firewall */
size_t bench_open_count(void);
/* For how long yet; 0: it is not open. */
int64_t bench_open_ms(const char *address, struct bench_what what);
/* Who is shown beside it; "" when it is not open. */
const char *bench_shown(const char *address, struct bench_what what);
/* How many changes it was given, and whole rule sets. */
uint32_t bench_changes(void);
/* How many openings it was told to be of what is closed. */
uint32_t bench_fresh(void);
uint32_t bench_installs(void);
uint32_t bench_removals(void);
void bench_fail_next(uint32_t times, int error);
void bench_fail_installs(uint32_t times, int error);
void bench_fail_removals(int error);
/* Each change fails that has to do with this address; NULL: none any more. */
void bench_fail_for(const char *address, int error);
/* Somebody has flushed the rules. */
void bench_flush(void);
/* A predecessor has left this; before the first configuration. */
void bench_left_before(
    const char *owner, const char *address, struct bench_what what, uint64_t timeout_ms);
/* True when two elements of one change were of different kinds, or more than fit. */
bool bench_change_was_odd(void);

/* --- the programs' side */
struct bench_question {
	uint32_t ticket;
	enum runner_task task;
	enum bench_device about;
	struct bench_what what;
	struct addr client;
	struct addr server;
	int64_t timestamp_s;
	uint16_t duration_s;
	bool behind_nat;
};
bool bench_runner_asked(struct bench_question *q);
bool bench_privileged_asked(struct bench_question *q);
/* The device's own key, or another one. */
void bench_runner_gives_key(const struct bench_question *q, bool other_key);
void bench_runner_gives_seconds(const struct bench_question *q, uint16_t seconds);
void bench_runner_answers(const struct bench_question *q, enum runner_outcome outcome);
void bench_privileged_answers(const struct bench_question *q, enum runner_outcome outcome);
/* Asked for exactly this, and answered. */
void bench_privileged_does(
    enum runner_task task, struct bench_what what, enum runner_outcome outcome);
/* The far end is gone. */
void bench_runner_ends(void);
/* Takes so little that it is full after a few messages. */
void bench_make_narrow(const struct channel *keepers_end, int bytes);
void bench_privileged_ends(void);
void bench_doorman_ends(void);
void bench_desk_ends(void);

/* A rule that a predecessor could not shut stands in the journal. */
void bench_rule_left(enum bench_device of, const char *address, struct bench_what what);
/* The next keeper that is set up begins with the journal as it is now, as after a crash. */
void bench_leave_journal(void);

/* --- what it remembers */
size_t bench_grants(void);
/* Rules that are not shut yet. */
uint32_t bench_rules_left(void);
/* A holder has something open, and is remembered for a packet of now. */
void bench_hold(uint32_t holder, const char *address, struct bench_what what);
void bench_let_go(uint32_t holder, const char *address, struct bench_what what);
/* Where a device stands that nobody lists, numbered from 0; DIRECTORY_NOBODY: nowhere. */
uint32_t bench_unlisted(uint32_t number);

/* --- the desk's side */
size_t bench_sessions(enum session_kind kind);
/* Each that is shown, page by page: `visit` may change what comes behind its page. */
void bench_each_session(
    void (*visit)(const struct message_session *s, void *context), void *context);
/* For how long yet, as `postern sessions` shows it; -1: it does not. */
int64_t bench_session_ms(const char *name, const char *address);
/* What is shown of that name, of that kind: at which address, and which ports. */
bool bench_session_is(
    enum session_kind kind, const char *name, const char *address, struct bench_what what);

struct addr bench_address(const char *text);

#endif
