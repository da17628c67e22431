/* The file of what rule scripts have opened, as a daemon finds it at its start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/rule_journal.h"

static int file;

static int set_up(void **state)
{
	(void)state;
	file = memfd_create("journal", MFD_CLOEXEC);
	return file < 0;
}

static int tear_down(void **state)
{
	(void)state;
	return close(file);
}

static struct rule_journal *opened(void)
{
	struct rule_journal *journal = rule_journal_map(file);

	assert_non_null(journal);
	return journal;
}

static void closed(struct rule_journal *journal)
{
	assert_int_equal(munmap(journal, sizeof *journal), 0);
}

static const struct rule a_rule = {
    .state = RULE_OPEN, .ports.protocol = 6, .ports.first = 22, .ports.last = 22, .duration_s = 30};

static void put(struct rule_journal *journal, size_t i, enum rule_state state)
{
	struct rule rule = a_rule;

	rule.state = (uint8_t)state;
	rule_journal_put(journal, i, &rule);
}

static uint32_t left_in(const struct rule_journal *journal, enum rule_state state)
{
	uint32_t count = 0;

	for (size_t i = 0; i < RULES_MOST; i++)
		count += rule_journal_at(journal, i)->state == state;
	return count;
}

static void a_new_file_is_an_empty_journal(void **state)
{
	struct rule_journal *journal = opened();
	struct stat st;

	(void)state;
	assert_int_equal(left_in(journal, RULE_FREE), RULES_MOST);
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_size, sizeof *journal);
	assert_true(st.st_blocks * 512 >= st.st_size); /* no ENOSPC when it is written to */
	closed(journal);
}

/* As a copy of it may be. Not in memory: there, reading fills a hole. */
static void a_file_with_holes_is_filled(void **state)
{
	const off_t hole = 8192, size = sizeof(struct rule_journal);
	char name[] = "rule-journal-XXXXXX";
	struct stat st;

	(void)state;
	assert_int_equal(close(file), 0);
	file = mkostemp(name, O_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(unlink(name), 0);
	closed(opened());
	if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, hole, size - hole) != 0)
		skip();
	closed(opened());
	assert_int_equal(fstat(file, &st), 0);
	assert_true(st.st_blocks * 512 >= size);
}

static void what_a_killed_daemon_left_is_to_be_shut(void **state)
{
	struct rule_journal *journal = opened();

	(void)state;
	put(journal, 0, RULE_OPEN);
	put(journal, 7, RULE_ADDING);
	put(journal, RULES_MOST - 1, RULE_REMOVING);
	closed(journal);
	journal = opened();
	for (int left = RULE_ADDING; left <= RULE_REMOVING; left++)
		assert_int_equal(left_in(journal, (enum rule_state)left), 1);
	assert_int_equal(rule_journal_at(journal, 7)->ports.first, 22);
	closed(journal);
}

/* That of another boot, or the one that it had. */
static void other_head(int fd, bool other)
{
	static struct rule_journal own, *journal;

	journal = mmap(NULL, sizeof *journal, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(journal != MAP_FAILED);
	if (other) {
		own.head = journal->head;
		own.head_sum = journal->head_sum;
		journal->head.boot_id[0] ^= 1;
		rule_journal_seal(journal);
	} else {
		journal->head = own.head;
		journal->head_sum = own.head_sum;
	}
	closed(journal);
}

static void another_boot_begins_anew(void **state)
{
	struct rule_journal *journal = opened();

	(void)state;
	put(journal, 0, RULE_OPEN);
	closed(journal);
	other_head(file, true);
	journal = opened();
	assert_int_equal(left_in(journal, RULE_FREE), RULES_MOST);
	closed(journal);
}

static void damaged_rules_are_not_asked_about(void **state)
{
	static const struct rule bad[] = {
	    {.state = 9, .ports.protocol = 6, .duration_s = 1},
	    {.state = RULE_OPEN, .ports.protocol = 99, .duration_s = 1},
	    {.state = RULE_OPEN,
	        .ports.protocol = 6,
	        .ports.first = 2,
	        .ports.last = 1,
	        .duration_s = 1},
	    {.state = RULE_OPEN, .ports.protocol = 6, .ports.first = 2, .ports.last = 2},
	    {.state = RULE_OPEN, .ports.protocol = 6, .behind_nat = 2, .duration_s = 1},
	};
	struct rule_journal *journal = opened();

	(void)state;
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
		rule_journal_put(journal, k, &bad[k]);
	closed(journal);
	journal = opened();
	assert_int_equal(left_in(journal, RULE_FREE), RULES_MOST);
	closed(journal);
}

/* The bytes of `one` are changed at every place that there is. */
static void a_rule_is_damaged(void **state)
{
	struct rule_journal *journal = opened();

	(void)state;
	for (size_t at = 0; at < sizeof(struct rule_place); at++) {
		for (int copy = 0; copy < 2; copy++) {
			put(journal, 3, RULE_OPEN);
			((uint8_t *)&journal->places[copy][3])[at] ^= 0x10;
			closed(journal);
			journal = opened();
			assert_int_equal(left_in(journal, RULE_OPEN), 1);
			assert_int_equal(rule_journal_at(journal, 3)->ports.first, 22);
			assert_memory_equal(&journal->places[0][3], &journal->places[1][3],
			    sizeof journal->places[0][3]);
		}
	}
	closed(journal);
}

/* Nothing is asked about what may be another's rule. */
static void a_rule_is_damaged_in_both_places(void **state)
{
	struct rule_journal *journal = opened();

	(void)state;
	put(journal, 3, RULE_OPEN);
	put(journal, 4, RULE_OPEN);
	journal->places[0][3].rule.ports.last = 23;
	journal->places[1][3].rule.ports.last = 23;
	closed(journal);
	journal = opened();
	assert_int_equal(left_in(journal, RULE_OPEN), 1);
	assert_int_equal(rule_journal_at(journal, 3)->state, RULE_FREE);
	closed(journal);
}

static void killed_between_the_two_places(void **state)
{
	struct rule_journal *journal = opened();

	(void)state;
	put(journal, 0, RULE_OPEN);
	memset(&journal->places[0][0], 0, sizeof journal->places[0][0]);
	put(journal, 1, RULE_ADDING);
	memset(&journal->places[1][1], 0, sizeof journal->places[1][1]);
	closed(journal);
	journal = opened();
	assert_int_equal(left_in(journal, RULE_FREE), RULES_MOST - 2);
	rule_journal_put(journal, 0, NULL);
	rule_journal_put(journal, 1, NULL);
	closed(journal);
	journal = opened();
	assert_int_equal(left_in(journal, RULE_FREE), RULES_MOST);
	closed(journal);
}

/* The rules have their own checksums. */
static void a_head_that_is_damaged(void **state)
{
	struct rule_journal *journal = opened();

	(void)state;
	for (size_t at = 0; at < sizeof journal->head; at++) {
		put(journal, 9, RULE_OPEN);
		((uint8_t *)&journal->head)[at] ^= 1;
		closed(journal);
		journal = opened();
		assert_int_equal(left_in(journal, RULE_OPEN), 1);
		closed(journal);
		assert_int_equal(rule_journal_left(file), 1);
		journal = opened();
	}
	closed(journal);
}

static void a_file_that_is_cut_short(void **state)
{
	struct rule_journal *journal = opened();

	(void)state;
	put(journal, 9, RULE_OPEN);
	closed(journal);
	assert_int_equal(ftruncate(file, sizeof *journal / 2), 0);
	journal = opened();
	assert_int_equal(left_in(journal, RULE_OPEN), 1);
	closed(journal);
}

static void no_journal_at_all(void **state)
{
	static const char junk[100] = "junk";
	struct rule_journal *journal;

	(void)state;
	assert_int_equal(write(file, junk, sizeof junk), sizeof junk);
	closed(opened());
	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(ftruncate(file, sizeof *journal + 1), 0);
	assert_int_equal(pwrite(file, junk, sizeof junk, 0), sizeof junk);
	journal = opened();
	assert_int_equal(left_in(journal, RULE_FREE), RULES_MOST);
	closed(journal);
}

/* Counted without being taken over: for a start that will not shut them. */
static void how_many_are_left(void **state)
{
	struct rule_journal *journal;

	(void)state;
	assert_int_equal(rule_journal_left(file), 0);
	journal = opened();
	assert_int_equal(rule_journal_left(file), 0);
	put(journal, 0, RULE_OPEN);
	put(journal, 9, RULE_OPEN);
	assert_int_equal(rule_journal_left(file), 2);
	other_head(file, true);
	assert_int_equal(rule_journal_left(file), 0);
	other_head(file, false);
	assert_int_equal(rule_journal_left(file), 2);
	journal->head.layout++;
	assert_int_equal(rule_journal_left(file), 0);
	closed(journal);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
	    T(a_new_file_is_an_empty_journal),
	    T(a_file_with_holes_is_filled),
	    T(what_a_killed_daemon_left_is_to_be_shut),
	    T(another_boot_begins_anew),
	    T(damaged_rules_are_not_asked_about),
	    T(a_rule_is_damaged),
	    T(a_rule_is_damaged_in_both_places),
	    T(killed_between_the_two_places),
	    T(a_head_that_is_damaged),
	    T(a_file_that_is_cut_short),
	    T(no_journal_at_all),
	    T(how_many_are_left),
	};

	if (!secret_init())
		return 1;
	log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
