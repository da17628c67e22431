#include "web/history.h"

#include <string.h>

#include "stats/stats.h"

enum history_kind history_kind_of(enum verdict v)
{
	if (v == VERDICT_GRANTED)
		return HISTORY_GRANTED;
	if (v == VERDICT_HANDED_ON || v == VERDICT_ASKED || v == VERDICT_WRONG_SIGNER)
		return HISTORY_OTHER;
	/* There is less time and room than junk. */
	return v == VERDICT_BUSY || verdict_level(v) == LOG_LEVEL_DEBUG ? HISTORY_NOISE
	                                                                : HISTORY_REFUSED;
}

void history_add(struct history *h, const struct stats *s)
{
	struct history_sample *sample = &h->samples[h->next];

	if (!s->up)
		return;
	sample->at_ns = s->asked_ns;
	for (int v = 0; v < VERDICT_COUNT; v++)
		sample->verdicts[v] = stats_value(s, verdict_name((enum verdict)v));
	h->next = (h->next + 1) % HISTORY_SAMPLES;
	h->count += h->count < HISTORY_SAMPLES ? 1 : 0;
}

/* From the oldest, 0. */
static const struct history_sample *sample_of(const struct history *h, size_t number)
{
	return &h->samples[(h->next + HISTORY_SAMPLES - h->count + number) % HISTORY_SAMPLES];
}

static uint64_t gained(uint64_t before, uint64_t after)
{
	return after >= before ? after - before : after;
}

/* What came between two samples belongs to the minute of the later one. */
static void add_step(struct history_minutes *out, const struct history_sample *before,
    const struct history_sample *after, int64_t now_ns)
{
	int64_t ago = (now_ns - after->at_ns) / HISTORY_MINUTE;

	if (now_ns < after->at_ns || ago >= HISTORY_MINUTES)
		return;
	for (int v = 0; v < VERDICT_COUNT; v++) {
		uint64_t gain = gained(before->verdicts[v], after->verdicts[v]);
		enum history_kind kind = history_kind_of((enum verdict)v);
		uint64_t *count;

		out->verdicts[v] += gain;
		if (kind == HISTORY_OTHER)
			continue;
		count = &out->counts[kind][HISTORY_MINUTES - 1 - ago];
		*count = *count == HISTORY_UNKNOWN ? gain : *count + gain;
	}
}

void history_minutes(const struct history *h, int64_t now_ns, struct history_minutes *out)
{
	memset(out->verdicts, 0, sizeof out->verdicts);
	for (int k = 0; k < HISTORY_KINDS; k++)
		for (int m = 0; m < HISTORY_MINUTES; m++)
			out->counts[k][m] = HISTORY_UNKNOWN;
	for (size_t i = 1; i < h->count; i++)
		add_step(out, sample_of(h, i - 1), sample_of(h, i), now_ns);
}
