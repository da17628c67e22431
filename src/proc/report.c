#include "proc/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/uuid.h"

/* Lines a second, and in a burst. Refusals can be provoked by anyone who can make them, and grants
 * by any client. */
#define GRANTED_RATE  20
#define GRANTED_BURST 200
#define REFUSED_RATE  5
#define REFUSED_BURST 20
#define ALL_RATE      50
#define ALL_BURST     500
/* Of one client at one address, to which a line each few seconds tells all there is to tell. */
#define PAIR_BURST       4
#define PAIR_INTERVAL_NS (5 * NS_PER_SECOND)

void report_init(struct report *r, struct counters *counters)
{
	*r = (struct report){.counters = counters,
	    .ended = rate_of(GRANTED_RATE, GRANTED_BURST),
	    .all = rate_of(ALL_RATE, ALL_BURST)};
	for (int v = 0; v < VERDICT_COUNT; v++)
		r->rates[v] = v == VERDICT_GRANTED ? rate_of(GRANTED_RATE, GRANTED_BURST)
		                                   : rate_of(REFUSED_RATE, REFUSED_BURST);
}

/* The pair that shares a place with it loses it, and may be told of again. */
static bool pair_may(struct report *r, const struct knock *k, int64_t now_ns)
{
	uint32_t mix = k->holder * 2654435761U;
	struct report_pair *p;

	for (size_t i = 0; i < ADDR_BYTES; i++)
		mix = (mix ^ k->target.bytes[i]) * 16777619U;
	p = &r->pairs[mix % REPORT_PAIRS];
	if (p->lines.burst == 0 || p->holder != k->holder || !addr_equal(&p->target, &k->target))
		*p = (struct report_pair){k->holder, k->target,
		    {.interval_ns = PAIR_INTERVAL_NS, .burst = PAIR_BURST, .tokens = PAIR_BURST}};
	return rate_take(&p->lines, now_ns);
}

/* Errors are few, and are not to be lost among the rest. */
static bool may_log(struct report *r, enum verdict v, const struct knock *k)
{
	int64_t now = clock_boot_ns();

	return (v != VERDICT_GRANTED || pair_may(r, k, now)) && rate_take(&r->rates[v], now) &&
	       (verdict_level(v) == LOG_LEVEL_ERROR || rate_take(&r->all, now));
}

static void take_count(char text[static REPORT_COUNT_BYTES], uint64_t *count)
{
	snprintf(text, REPORT_COUNT_BYTES, "%" PRIu64, *count);
	*count = 0;
}

/* Names are shown only where the signature was verified: before that a holder is a guess. */
static const char *verified_name(
    const struct knock *k, const struct snapshot *s, char uuid[static UUID_TEXT_BYTES])
{
	int64_t row;

	if (!k->verified)
		return "-";
	if (k->packet.record.protocol == RECORD_OPENME)
		return k->holder < s->client_count ? s->clients[k->holder].name : "-";
	/* One that a program was asked about may be older than `s`, and its holder's number. */
	row = snapshot_find_device(s, k->packet.asked.device);
	return row < 0 ? uuid_text(uuid, k->packet.asked.device) : s->devices[row].name;
}

/* With what helps to understand the verdict: an address, or how far a clock is ahead. */
static void log_verdict(enum verdict v, const struct knock *k, const struct snapshot *s,
    int64_t now_ns, const char *suppressed)
{
	char source[ADDR_TEXT_BYTES], address[ADDR_TEXT_BYTES], port[8], text[32];
	char uuid[UUID_TEXT_BYTES];
	const char *target = NULL, *offset = NULL;

	if (v == VERDICT_GRANTED)
		target = addr_text(&k->target, address);
	else if (v == VERDICT_TARGET_REFUSED)
		target = addr_text(&k->packet.asked.target, address);
	if (v == VERDICT_STALE) {
		double ahead = (double)k->packet.asked.timestamp_ns - (double)now_ns;

		snprintf(text, sizeof text, "%+.3fs", ahead / (double)NS_PER_SECOND);
		offset = text;
	}
	snprintf(port, sizeof port, "%u", k->packet.record.source_port);
	log_event(verdict_level(v), verdict_meaning(v), "verdict", verdict_name(v), "source",
	    addr_text(&k->packet.record.source, source), "port", port, "client",
	    verified_name(k, s, uuid), "target", target, "offset", offset, "suppressed", suppressed,
	    NULL);
}

void report_verdict(struct report *r, enum verdict v, const struct knock *k,
    const struct snapshot *s, int64_t now_ns)
{
	char suppressed[REPORT_COUNT_BYTES];

	r->counters->verdicts[v]++;
	if (!log_wants(verdict_level(v)))
		return;
	if (!may_log(r, v, k)) {
		r->suppressed[v]++;
		r->counters->counts[COUNT_LOG_LINES]++;
		return;
	}
	take_count(suppressed, &r->suppressed[v]);
	log_verdict(v, k, s, now_ns, suppressed);
}

bool report_ended(struct report *r, char suppressed[static REPORT_COUNT_BYTES])
{
	int64_t now = clock_boot_ns();

	if (!log_wants(LOG_LEVEL_INFO))
		return false;
	if (!rate_take(&r->ended, now) || !rate_take(&r->all, now)) {
		r->ended_suppressed++;
		r->counters->counts[COUNT_LOG_LINES]++;
		return false;
	}
	take_count(suppressed, &r->ended_suppressed);
	return true;
}
