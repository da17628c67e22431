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

static uint32_t left_in(const struct rule_journal *journal, enum rule_state state)
{
	uint32_t count = 0;

	for (size_t i = 0; i < RULES_MOST; i++)
		count += journal->rules[i].state == state;
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
	journal->rules[0] = a_rule;
	journal->rules[7] = a_rule;
	journal->rules[7].state = RULE_ADDING;
	journal->rules[RULES_MOST - 1] = a_rule;
	journal->rules[RULES_MOST - 1].state = RULE_REMOVING;
	closed(journal);
	journal = opened();
	for (int left = RULE_ADDING; left <= RULE_REMOVING; left++)
		assert_int_equal(left_in(journal, (enum rule_state)left), 1);
	assert_int_equal(journal->rules[7].ports.first, 22);
	closed(journal);
}

static void another_boot_begins_anew(void **state)
{
	struct rule_journal *journal = opened();

	(void)state;
	journal->rules[0] = a_rule;
	journal->boot_id[0] ^= 1;
	closed(journal);
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
	memcpy(journal->rules, bad, sizeof bad);
	closed(journal);
	journal = opened();
	assert_int_equal(left_in(journal, RULE_FREE), RULES_MOST);
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
	assert_int_equal(ftruncate(file, sizeof *journal), 0);
	assert_int_equal(pwrite(file, junk, sizeof junk, 0), sizeof junk);
	journal = opened();
	assert_int_equal(left_in(journal, RULE_FREE), RULES_MOST);
	journal->layout++;
	journal->rules[0] = a_rule;
	closed(journal);
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
	journal->rules[0] = journal->rules[9] = a_rule;
	assert_int_equal(rule_journal_left(file), 2);
	journal->boot_id[0] ^= 1;
	assert_int_equal(rule_journal_left(file), 0);
	journal->boot_id[0] ^= 1;
	journal->layout++;
	assert_int_equal(rule_journal_left(file), 0);
	journal->layout--;
	assert_int_equal(rule_journal_left(file), 2);
	journal->magic ^= 1;
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
	    T(no_journal_at_all),
	    T(how_many_are_left),
	};

	log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
