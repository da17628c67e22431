/* Any bytes as the state directory's file of rules. Whatever stood in it, what is left is sound,
 * and to be shut.
 *
 * Input: whether the file is of this boot and build; then pairs of a rule's place and its bytes. Or
 * the file itself, if the first byte says so. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "proc/rule_journal.h"

#define MAGIC 0x50535232U

static struct rule_journal file;

static void read_boot_id(void)
{
	FILE *from = fopen("/proc/sys/kernel/random/boot_id", "re");

	must(from != NULL && fgets(file.boot_id, sizeof file.boot_id, from) != NULL);
	fclose(from);
}

static int file_of(struct reader *r)
{
	uint8_t how = reader_u8(r);

	if (how % 8 == 7)
		return fuzz_file(r->data, r->left);
	memset(&file, 0, sizeof file);
	read_boot_id();
	file.magic = how % 8 == 1 ? 0 : MAGIC;
	file.layout = how % 8 == 2 ? 0 : sizeof file;
	file.boot_id[0] = how % 8 == 3 ? '?' : file.boot_id[0];
	while (r->left > 2) {
		size_t place = reader_u16(r) % RULES_MOST;

		reader_take(r, &file.rules[place],
		    r->left < sizeof(struct rule) ? r->left : sizeof(struct rule));
	}
	return fuzz_file(&file, sizeof file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	int fd = file_of(&r);
	uint32_t before = rule_journal_left(fd), after = 0;
	struct rule_journal *journal = rule_journal_map(fd);

	must(journal != NULL);
	must(journal->magic == MAGIC && journal->layout == sizeof *journal);
	for (size_t i = 0; i < RULES_MOST; i++) {
		const struct rule *rule = &journal->rules[i];

		must(rule->state == RULE_FREE || rule->state == RULE_REMOVING);
		after += rule->state != RULE_FREE;
		must(
		    rule->state == RULE_FREE || (ports_fit(&rule->ports) && rule->behind_nat <= 1));
	}
	must(after <= before && rule_journal_left(fd) == after);
	munmap(journal, sizeof *journal);
	close(fd);
	return 0;
}
