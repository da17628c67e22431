/* The rules of legacy iptables, as the doctor reads what iptables-legacy-save prints. All that is
 * told lies in the text. Input: that text. */
#include <string.h>

#include "doctor/legacy_save.h"
#include "fuzz.h"

struct text {
	const char *start;
	size_t size;
};

static bool lies_in(const struct text *t, const char *name)
{
	return *name == '\0' || (name >= t->start && name + strlen(name) <= t->start + t->size);
}

static void each(void *context, const struct legacy_rule *rule)
{
	const struct text *t = context;

	must(lies_in(t, rule->table) && lies_in(t, rule->chain) && lies_in(t, rule->target));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct text t = {text, size};

	legacy_save_read(text, each, &t);
	free(text);
	return 0;
}
