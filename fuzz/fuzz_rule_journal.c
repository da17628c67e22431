/* Any bytes as the state directory's file of rules. Whatever stood in it, what is left is sound, in
 * the state in which it was: the keeper goes by that when it has all of them shut.
 *
 * Input: whether the file is of this boot and build, and whether its checksums are right; then
 * pairs of a rule's place and its bytes. Or the file itself, if the first byte says so. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "proc/rule_journal.h"

#define MAGIC     0x50535233U
#define OF_SECOND 0x8000U /* in a place: its second copy alone, without a checksum */

static struct rule_journal file;

static void read_boot_id(void)
{
	FILE *from = fopen("/proc/sys/kernel/random/boot_id", "re");

	must(from != NULL && fgets(file.head.boot_id, sizeof file.head.boot_id, from) != NULL);
	fclose(from);
}

static int file_of(struct reader *r)
{
	uint8_t how = reader_u8(r);

	if (how % 8 == 7)
		return fuzz_file(r->data, r->left);
	memset(&file, 0, sizeof file);
	read_boot_id();
	file.head.magic = how % 8 == 1 ? 0 : MAGIC;
	file.head.layout = how % 8 == 2 ? 0 : sizeof file;
	file.head.boot_id[0] = how % 8 == 3 ? '?' : file.head.boot_id[0];
	rule_journal_seal(&file);
	file.head_sum ^= how % 8 == 4;
	while (r->left > 2) {
		uint16_t place = reader_u16(r);
		struct rule rule = {0};

		reader_take(r, &rule, r->left < sizeof rule ? r->left : sizeof rule);
		if ((place & OF_SECOND) != 0)
			memcpy(&file.places[1][place % RULES_MOST].rule, &rule, sizeof rule);
		else
			rule_journal_put(&file, place % RULES_MOST, &rule);
	}
	return fuzz_file(&file, sizeof file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	int fd = file_of(&r);
	struct rule_journal *journal;
	uint32_t after = 0;

	(void)rule_journal_left(fd);
	journal = rule_journal_map(fd);
	must(journal != NULL);
	must(journal->head.magic == MAGIC && journal->head.layout == sizeof *journal);
	for (size_t i = 0; i < RULES_MOST; i++) {
		const struct rule *rule = rule_journal_at(journal, i);

		after += rule->state != RULE_FREE;
		must(rule->state == RULE_FREE ||
		     (rule->state <= RULE_REMOVING && ports_fit(&rule->ports) &&
		         rule->behind_nat <= 1 && rule->duration_s > 0));
	}
	must(rule_journal_left(fd) == after);
	munmap(journal, sizeof *journal);
	close(fd);
	return 0;
}
