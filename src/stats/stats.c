#include "stats/stats.h"

#include <string.h>

#include "base/clock.h"
#include "ctl/stat.h"
#include "stats/kinds.h"

/* --- Asking */

static bool is_name(const char *name)
{
	return strspn(
	           name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+~") ==
	       strlen(name);
}

static void take_record(void *context, const struct control_record *record)
{
	struct stats *s = context;

	if (record->type == CONTROL_STAT && s->count < STATS_MOST && is_name(record->stat.name) &&
	    stats_find(s, record->stat.name) == NULL)
		s->values[s->count++] = record->stat;
}

enum ctl_result stats_ask(
    const char *control, int64_t timeout_ns, struct stats *s, struct control_error *error)
{
	enum ctl_result result;

	*s = (struct stats){.asked_ns = clock_boot_ns()};
	result = ctl_ask(control, CONTROL_STATS, timeout_ns, take_record, s, error);
	s->up = result == CTL_DONE;
	if (!s->up)
		s->count = 0;
	return result;
}

const struct control_stat *stats_find(const struct stats *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->values[i].name, name) == 0)
			return &s->values[i];
	return NULL;
}

uint64_t stats_value(const struct stats *s, const char *name)
{
	const struct control_stat *found = stats_find(s, name);

	return found == NULL ? 0 : found->value;
}

/* --- Verdicts */

uint64_t stats_of_kind(const struct stats *s, enum stats_kind kind)
{
	uint64_t sum = 0;

	for (enum verdict v = 0; v < VERDICT_COUNT; v++)
		if (stats_kind_of(v) == kind)
			sum += stats_value(s, stats_verdict_name(v));
	return sum;
}

uint64_t stats_granted(const struct stats *s)
{
	return stats_of_kind(s, STATS_GRANTED);
}

uint64_t stats_refused(const struct stats *s)
{
	uint64_t sum = 0;

	for (enum stats_kind kind = STATS_JUNK; kind < STATS_KINDS; kind++)
		sum += stats_of_kind(s, kind);
	return sum;
}

/* --- Health */

static bool all_answer(const struct stats *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (strncmp(s->values[i].name, STAT_UP, strlen(STAT_UP)) == 0 &&
		    s->values[i].value == 0)
			return false;
	return true;
}

size_t stats_complaints(const struct stats *s, const char *out[static STATS_COMPLAINTS_MOST])
{
	const struct control_stat *firewall = stats_find(s, STAT_FIREWALL);
	const struct control_stat *reload = stats_find(s, STAT_RELOAD_OK);
	const uint64_t intake = stats_value(s, CONTROL_INTAKE);
	size_t count = 0;

	if (!s->up)
		return 0;
	if (firewall != NULL && firewall->value == 0)
		out[count++] = "the firewall has lost our rules: ports may be open to all";
	if (!all_answer(s))
		out[count++] = "a process of the daemon does not answer";
	if (intake == CONTROL_INTAKE_XDP_NOWHERE)
		out[count++] = "knocks are heard nowhere: no network device has the program (XDP)";
	if (intake == CONTROL_INTAKE_XDP_IN_PART)
		out[count++] = "a network device is deaf: it does not have the program (XDP)";
	if (stats_value(s, CONTROL_GUARD) == CONTROL_GUARD_GONE)
		out[count++] = "postern-guard is gone: nobody keeps the rules when the daemon ends";
	if (reload != NULL && reload->value == 0)
		out[count++] = "the last reload was refused, and the old configuration is in force";
	return count;
}

bool stats_healthy(const struct stats *s)
{
	const char *complaints[STATS_COMPLAINTS_MOST];

	return s->up && stats_complaints(s, complaints) == 0;
}
