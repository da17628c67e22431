#include "proc/rule_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define RULE_JOURNAL_MAGIC 0x50535242U /* "PSRB" */

static bool rule_sound(const struct rule *r)
{
	switch (r->protocol) {
	case IPPROTO_ICMP:
	case IPPROTO_IPIP:
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_ICMPV6:
		return r->state <= RULE_REMOVING && r->behind_nat <= 1 && r->zero == 0 &&
		       r->first_port <= r->last_port && r->duration_s > 0;
	default:
		return false;
	}
}

/* Whatever a predecessor was about, the rule may be there: so it is shut. */
static void take_over(struct rule_journal *book)
{
	uint32_t left = 0, unsound = 0;

	for (size_t i = 0; i < RULES_MOST; i++) {
		struct rule *r = &book->rules[i];

		if (r->state == RULE_FREE)
			continue;
		if (rule_sound(r)) {
			r->state = RULE_REMOVING;
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

static void begin_anew(struct rule_journal *book, const char *boot_id)
{
	memset(book, 0, sizeof *book);
	book->magic = RULE_JOURNAL_MAGIC;
	book->layout = sizeof *book;
	snprintf(book->boot_id, sizeof book->boot_id, "%s", boot_id);
}

uint32_t rule_journal_left(int fd)
{
	char boot_id[CLOCK_BOOT_ID_BYTES];
	struct rule_journal *book = malloc(sizeof *book);
	uint32_t left = 0;

	if (book != NULL && clock_boot_id(boot_id) &&
	    pread(fd, book, sizeof *book, 0) == (ssize_t)sizeof *book &&
	    book->magic == RULE_JOURNAL_MAGIC && book->layout == sizeof *book &&
	    strncmp(book->boot_id, boot_id, sizeof boot_id) == 0) {
		for (size_t i = 0; i < RULES_MOST; i++)
			left += book->rules[i].state != RULE_FREE;
	}
	free(book);
	return left;
}

struct rule_journal *rule_journal_map(int fd)
{
	char boot_id[CLOCK_BOOT_ID_BYTES];
	struct rule_journal *book;
	struct stat st;

	if (!clock_boot_id(boot_id) || fstat(fd, &st) != 0)
		return NULL;
	/* All of it on the disk in any case: what is written to a hole of a full one is fatal. */
	if ((st.st_size != sizeof *book && ftruncate(fd, 0) != 0) ||
	    (errno = posix_fallocate(fd, 0, sizeof *book)) != 0)
		return NULL;
	book = mmap(NULL, sizeof *book, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (book == MAP_FAILED)
		return NULL;
	if (st.st_size != 0 && (book->magic != RULE_JOURNAL_MAGIC || book->layout != sizeof *book))
		log_line(LOG_LEVEL_ERROR,
		    "the state directory's file of rules is damaged, or another version's: begun "
		    "anew; look for rules that nothing will shut");
	else if (strncmp(book->boot_id, boot_id, sizeof boot_id) == 0) {
		take_over(book);
		return book;
	}
	begin_anew(book, boot_id);
	return book;
}
