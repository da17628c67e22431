#include "proc/rule_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

#define RULE_JOURNAL_MAGIC 0x50535233U /* "PSR3" */

/* Against damage, not against people: whoever can write the file is root. */
static uint64_t sum_of(const void *data, size_t size)
{
	static const uint8_t key[SECRET_HASH_BYTES] = "rules";

	return secret_hash(key, data, size);
}

static bool rule_sound(const struct rule *r)
{
	return ports_fit(&r->ports) && r->ports.zero == 0 && r->state >= RULE_ADDING &&
	       r->state <= RULE_REMOVING && r->behind_nat <= 1 && r->duration_s > 0;
}

static bool is_free(const struct rule_place *p)
{
	return sodium_is_zero((const uint8_t *)p, sizeof *p) == 1;
}

static bool holds_rule(const struct rule_place *p)
{
	return p->sum == sum_of(&p->rule, sizeof p->rule) && rule_sound(&p->rule);
}

/* The place that says where the rule stands. One that is free in one place and not in the other was
 * about to be made or forgotten, and may be there. NULL: neither says anything. */
static const struct rule_place *place_of(const struct rule_journal *j, size_t i, bool *damaged)
{
	const struct rule_place *one = &j->places[0][i], *other = &j->places[1][i];

	*damaged = (!is_free(one) && !holds_rule(one)) || (!is_free(other) && !holds_rule(other));
	if (holds_rule(one))
		return one;
	if (holds_rule(other))
		return other;
	return *damaged ? NULL : one;
}

const struct rule *rule_journal_at(const struct rule_journal *j, size_t i)
{
	return &j->places[0][i].rule;
}

void rule_journal_put(struct rule_journal *j, size_t i, const struct rule *rule)
{
	struct rule_place place;

	memset(&place, 0, sizeof place);
	if (rule != NULL) {
		memcpy(&place.rule, rule, sizeof place.rule);
		place.sum = sum_of(&place.rule, sizeof place.rule);
	}
	for (int copy = 0; copy < 2; copy++) {
		memcpy(&j->places[copy][i], &place, sizeof place);
		__atomic_signal_fence(__ATOMIC_SEQ_CST); /* in this order */
	}
}

/* Whatever a predecessor was about, the rule may be there: so it is to be shut. */
static void take_over(struct rule_journal *journal)
{
	uint32_t left = 0, lost = 0, healed = 0;

	for (size_t i = 0; i < RULES_MOST; i++) {
		bool damaged;
		const struct rule_place *p = place_of(journal, i, &damaged);
		struct rule rule = {.state = RULE_FREE};

		if (p != NULL)
			memcpy(&rule, &p->rule, sizeof rule);
		healed += damaged && p != NULL;
		lost += p == NULL;
		left += rule.state != RULE_FREE;
		rule_journal_put(journal, i, rule.state == RULE_FREE ? NULL : &rule);
	}
	if (left > 0)
		log_line(LOG_LEVEL_WARN,
		    "a predecessor left %u rules of scripts open; having them shut", left);
	if (lost > 0 || healed > 0)
		log_line(LOG_LEVEL_ERROR,
		    "the state directory's file of rules is damaged: %u rules are taken from "
		    "their second place, %u are in neither: look for rules that nothing will shut",
		    healed, lost);
}

void rule_journal_seal(struct rule_journal *journal)
{
	journal->head_sum = sum_of(&journal->head, sizeof journal->head);
}

static void write_head(struct rule_journal *journal, const char *boot_id)
{
	memset(&journal->head, 0, sizeof journal->head);
	journal->head.magic = RULE_JOURNAL_MAGIC;
	journal->head.layout = sizeof *journal;
	snprintf(journal->head.boot_id, sizeof journal->head.boot_id, "%s", boot_id);
	rule_journal_seal(journal);
}

enum head { HEAD_NONE, HEAD_OF_THIS_BOOT, HEAD_OF_ANOTHER };

static enum head read_head(const struct rule_journal *j, const char *boot_id)
{
	if (j->head.magic != RULE_JOURNAL_MAGIC || j->head.layout != sizeof *j ||
	    j->head_sum != sum_of(&j->head, sizeof j->head))
		return HEAD_NONE;
	return strncmp(j->head.boot_id, boot_id, sizeof j->head.boot_id) == 0 ? HEAD_OF_THIS_BOOT
	                                                                      : HEAD_OF_ANOTHER;
}

uint32_t rule_journal_left(int fd)
{
	char boot_id[CLOCK_BOOT_ID_BYTES];
	struct rule_journal *journal = malloc(sizeof *journal);
	uint32_t left = 0;

	if (journal != NULL && clock_boot_id(boot_id) &&
	    pread(fd, journal, sizeof *journal, 0) == (ssize_t)sizeof *journal &&
	    read_head(journal, boot_id) == HEAD_OF_THIS_BOOT) {
		for (size_t i = 0; i < RULES_MOST; i++)
			left +=
			    !is_free(&journal->places[0][i]) || !is_free(&journal->places[1][i]);
	}
	free(journal);
	return left;
}

/* Rules are found by their own checksums, also when what says whose they are is damaged. */
static bool has_rules(const struct rule_journal *j)
{
	for (size_t i = 0; i < RULES_MOST; i++)
		if (holds_rule(&j->places[0][i]) || holds_rule(&j->places[1][i]))
			return true;
	return false;
}

static void take_up(struct rule_journal *journal, const char *boot_id, off_t size)
{
	enum head head = read_head(journal, boot_id);

	if (size != 0 && (head == HEAD_NONE || size != sizeof *journal))
		log_line(LOG_LEVEL_ERROR,
		    "the state directory's file of rules is damaged, or another version's: %s",
		    has_rules(journal) ? "the rules that are found in it are shut"
		                       : "begun anew; look for rules that nothing will shut");
	if (head == HEAD_OF_THIS_BOOT || (head == HEAD_NONE && has_rules(journal)))
		take_over(journal);
	else
		memset(journal, 0, sizeof *journal);
	write_head(journal, boot_id);
}

struct rule_journal *rule_journal_map(int fd)
{
	char boot_id[CLOCK_BOOT_ID_BYTES];
	struct rule_journal *journal;
	struct stat st;

	if (!clock_boot_id(boot_id) || fstat(fd, &st) != 0)
		return NULL;
	/* All of it on the disk in any case: what is written to a hole of a full one is fatal. */
	if ((st.st_size > (off_t)sizeof *journal && ftruncate(fd, sizeof *journal) != 0) ||
	    (errno = posix_fallocate(fd, 0, sizeof *journal)) != 0)
		return NULL;
	journal = mmap(NULL, sizeof *journal, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (journal == MAP_FAILED)
		return NULL;
	take_up(journal, boot_id, st.st_size);
	return journal;
}
