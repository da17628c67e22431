#include "proc/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/uuid.h"

/* Lines a second, and in a burst; refusals can be provoked by anyone who can make them. */
#define GRANTED_RATE  100
#define GRANTED_BURST 1000
#define REFUSED_RATE  5
#define REFUSED_BURST 20

void report_init(struct report *r, struct counters *counters)
{
	r->counters = counters;
	for (int v = 0; v < VERDICT_COUNT; v++) {
		r->rates[v] = v == VERDICT_GRANTED ? rate_of(GRANTED_RATE, GRANTED_BURST)
		                                   : rate_of(REFUSED_RATE, REFUSED_BURST);
		r->suppressed[v] = 0;
	}
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
	char suppressed[24];

	r->counters->verdicts[v]++;
	if (!log_wants(verdict_level(v)))
		return;
	if (!rate_take(&r->rates[v], clock_boot_ns())) {
		r->suppressed[v]++;
		return;
	}
	snprintf(suppressed, sizeof suppressed, "%" PRIu64, r->suppressed[v]);
	r->suppressed[v] = 0;
	log_verdict(v, k, s, now_ns, suppressed);
}
