#include "proc/stranger.h"

#include <string.h>

#include "base/clock.h"

/* Of all strangers together, for each verdict: a second and in a burst. Of one, in a burst and then
 * each so often. Main has limits of its own, which are lower over time. */
#define RATE           1
#define BURST          20
#define SOURCE_BURST   3
#define SOURCE_EACH_NS (60 * NS_PER_SECOND)

bool stranger_is_told_of(enum verdict v)
{
#define X(name) [VERDICT_##name] = true,
	static const bool told[VERDICT_COUNT] = {STRANGER_VERDICTS(X)};
#undef X

	return v < VERDICT_COUNT && told[v];
}

void strangers_init(struct strangers *s, const struct channel *main, enum message_type type)
{
	*s = (struct strangers){.main = main, .type = type};
	for (int v = 0; v < VERDICT_COUNT; v++)
		s->rates[v] = rate_of(RATE, BURST);
}

/* A clock that was set back stops nothing. */
static void follow_clock(struct rate *r, int64_t now_ns)
{
	if (r->last_ns > now_ns)
		r->last_ns = now_ns;
}

/* None is left and none was earned. */
static bool is_used_up(struct rate *r, int64_t now_ns)
{
	follow_clock(r, now_ns);
	return r->tokens == 0 && now_ns - r->last_ns < r->interval_ns;
}

/* By verdict, so that junk with somebody's address hides nothing else that comes from there. */
static struct rate *rate_of_source(struct strangers *s, const struct addr *source, enum verdict v)
{
	struct stranger_source *p;
	uint64_t halves[2];

	_Static_assert(sizeof halves == sizeof *source, "an address is two halves");
	memcpy(halves, source, sizeof halves);
	p = &s->sources[((halves[0] ^ halves[1] ^ v) * UINT64_C(0x9e3779b97f4a7c15)) >> 56];
	/* Whoever shares a place with another takes it, and is told of again. */
	if (p->rate.burst == 0 || p->verdict != v || !addr_equal(&p->source, source))
		*p = (struct stranger_source){*source, v,
		    {.interval_ns = SOURCE_EACH_NS, .burst = SOURCE_BURST, .tokens = SOURCE_BURST}};
	return &p->rate;
}

/* By its source first, so that one sender does not use up what is for all. */
static bool may_tell(struct strangers *s, enum verdict v, const struct addr *source, int64_t now_ns)
{
	struct addr sender;
	struct rate *own;

	if (is_used_up(&s->rates[v], now_ns))
		return false;
	sender = addr_sender(source);
	own = rate_of_source(s, &sender, v);
	return !is_used_up(own, now_ns) && rate_take(own, now_ns) &&
	       rate_take(&s->rates[v], now_ns);
}

static int32_t seconds_ahead(const struct knock *k, int64_t now_ns)
{
	double ahead =
	    ((double)k->packet.asked.timestamp_ns - (double)now_ns) / (double)NS_PER_SECOND;

	if (ahead >= INT32_MAX)
		return INT32_MAX;
	return ahead <= INT32_MIN ? INT32_MIN : (int32_t)ahead;
}

static void tell(struct strangers *s, struct message_stranger *m)
{
	m->left_out = s->left_out;
	if (channel_try_send(s->main, s->type, m))
		s->left_out = 0;
	else
		s->left_out++;
}

static void tell_of(struct strangers *s, enum verdict v, const struct knock *k, int64_t now_ns)
{
	const struct record *r = &k->packet.record;
	struct message_stranger m = {.verdict = (uint8_t)v,
	    .protocol = r->protocol == RECORD_OPENSPA ? RECORD_OPENSPA : RECORD_OPENME,
	    .source_port = r->source_port,
	    .source = r->source,
	    .ahead_s = v == VERDICT_STALE ? seconds_ahead(k, now_ns) : 0};

	tell(s, &m);
}

void strangers_tell(struct strangers *s, enum verdict v, const struct knock *k, int64_t now_ns)
{
	if (!stranger_is_told_of(v))
		return;
	if (may_tell(s, v, &k->packet.record.source, now_ns))
		tell_of(s, v, k, now_ns);
	else
		s->left_out++;
}

void strangers_close(struct strangers *s)
{
	struct message_stranger m = {.verdict = VERDICT_COUNT};

	if (s->left_out > 0)
		tell(s, &m);
}
