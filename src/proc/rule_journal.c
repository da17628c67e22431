#include "proc/rule_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define RULE_JOURNAL_MAGIC 0x50535232U /* "PSR2" */

static bool rule_sound(const struct rule *r)
{
	return ports_fit(&r->ports) && r->ports.zero == 0 && r->state <= RULE_REMOVING &&
	       r->behind_nat <= 1 && r->duration_s > 0;
}

/* Whatever a predecessor was about, the rule may be there: so it is to be shut. */
static void take_over(struct rule_journal *journal)
{
	uint32_t left = 0, unsound = 0;

	for (size_t i = 0; i < RULES_MOST; i++) {
		struct rule *r = &journal->rules[i];

		if (r->state == RULE_FREE)
			continue;
		if (rule_sound(r)) {
			left++;
		} else {
			*r = (struct rule){0};
			unsound++;
		}
	}
	if (left > 0)
		log_line(LOG_LEVEL_WARN,
		    "a predecessor left %u rules of scripts open; having them shut", left);
	if (unsound > 0)
		log_line(LOG_LEVEL_ERROR,
		    "%u rules in the state directory's file of rules are damaged: look for rules "
		    "that nothing will shut",
		    unsound);
}

static void begin_anew(struct rule_journal *journal, const char *boot_id)
{
	memset(journal, 0, sizeof *journal);
	journal->magic = RULE_JOURNAL_MAGIC;
	journal->layout = sizeof *journal;
	snprintf(journal->boot_id, sizeof journal->boot_id, "%s", boot_id);
}

uint32_t rule_journal_left(int fd)
{
	char boot_id[CLOCK_BOOT_ID_BYTES];
	struct rule_journal *journal = malloc(sizeof *journal);
	uint32_t left = 0;

	if (journal != NULL && clock_boot_id(boot_id) &&
	    pread(fd, journal, sizeof *journal, 0) == (ssize_t)sizeof *journal &&
	    journal->magic == RULE_JOURNAL_MAGIC && journal->layout == sizeof *journal &&
	    strncmp(journal->boot_id, boot_id, sizeof boot_id) == 0) {
		for (size_t i = 0; i < RULES_MOST; i++)
			left += journal->rules[i].state != RULE_FREE;
	}
	free(journal);
	return left;
}

struct rule_journal *rule_journal_map(int fd)
{
	char boot_id[CLOCK_BOOT_ID_BYTES];
	struct rule_journal *journal;
	struct stat st;

	if (!clock_boot_id(boot_id) || fstat(fd, &st) != 0)
		return NULL;
	/* All of it on the disk in any case: what is written to a hole of a full one is fatal. */
	if ((st.st_size != sizeof *journal && ftruncate(fd, 0) != 0) ||
	    (errno = posix_fallocate(fd, 0, sizeof *journal)) != 0)
		return NULL;
	journal = mmap(NULL, sizeof *journal, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (journal == MAP_FAILED)
		return NULL;
	if (st.st_size != 0 &&
	    (journal->magic != RULE_JOURNAL_MAGIC || journal->layout != sizeof *journal))
		log_line(LOG_LEVEL_ERROR,
		    "the state directory's file of rules is damaged, or another version's: begun "
		    "anew; look for rules that nothing will shut");
	else if (strncmp(journal->boot_id, boot_id, sizeof boot_id) == 0) {
		take_over(journal);
		return journal;
	}
	begin_anew(journal, boot_id);
	return journal;
}
