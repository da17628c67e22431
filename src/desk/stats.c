/* What the processes have counted, and how the daemon is. All of it is read from memory: nobody is
 * asked, and nobody waits. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/stat.h"
#include "desk/desk.h"

#define LIST_MOST 160

/* What is to be told, in the same order every time. */
struct list {
	size_t count;
	struct control_stat stats[LIST_MOST];
};

_Static_assert(VERDICT_COUNT + (int)KERNEL_SHIELD_PLACES * (int)KERNEL_SHIELD_COUNT_MOST + COUNTS +
                       OPEN_LIMITS + 1 + ROLE_COUNT + SANDBOX_LAYERS + 12 <=
                   LIST_MOST,
    "there is room for all");

static void put(struct list *l, uint64_t value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void put(struct list *l, uint64_t value, const char *format, ...)
{
	struct control_stat *s = &l->stats[l->count++];
	va_list rest;

	va_start(rest, format);
	vsnprintf(s->name, sizeof s->name, format, rest);
	va_end(rest);
	s->value = value;
}

/* --- Verdicts, and the shield in the kernel */

static void put_kernel_shield(struct list *l, const struct kernel_shield_counts *counts)
{
	static const char *const places[KERNEL_SHIELD_PLACES] = {"xdp", "socket"};

	for (enum kernel_shield_place p = 0; counts != NULL && p < KERNEL_SHIELD_PLACES; p++)
		for (enum kernel_shield_count n = 0; n < KERNEL_SHIELD_COUNT_MOST; n++)
			put(l, kernel_shield_counted(counts, p, n), "shield-%s-%s", places[p],
			    kernel_shield_count_name(n));
}

/* A refusal counts as one wherever it happens. */
static uint64_t refused_by_kernel(const struct kernel_shield_counts *counts, enum verdict v)
{
	static const enum verdict verdicts[KERNEL_SHIELD_COUNT_MOST] = {
	    [KERNEL_SHIELD_WRONG_SIZE] = VERDICT_BAD_SIZE,
	    [KERNEL_SHIELD_WRONG_VERSION] = VERDICT_BAD_VERSION,
	    [KERNEL_SHIELD_MALFORMED] = VERDICT_MALFORMED,
	    [KERNEL_SHIELD_NO_TAG] = VERDICT_UNTAGGED,
	    [KERNEL_SHIELD_SENDER_LANE] = VERDICT_BUSY,
	    [KERNEL_SHIELD_FULL_LANE] = VERDICT_BUSY,
	    [KERNEL_SHIELD_RING_FULL] = VERDICT_BUSY};
	uint64_t sum = 0;

	for (enum kernel_shield_count n = KERNEL_SHIELD_WRONG_SIZE; n < KERNEL_SHIELD_COUNT_MOST;
	     n++)
		for (enum kernel_shield_place p = 0; verdicts[n] == v && p < KERNEL_SHIELD_PLACES;
		     p++)
			sum += kernel_shield_counted(counts, p, n);
	return sum;
}

static void put_verdicts(struct list *l, const struct desk *d)
{
	for (int v = 0; v < VERDICT_COUNT; v++) {
		uint64_t count = d->keeper_counters->verdicts[v];

		for (unsigned int i = 0; i < d->doormen; i++)
			count += d->doormen_counters[i].verdicts[v];
		if (d->shield_counts != NULL)
			count += refused_by_kernel(d->shield_counts, (enum verdict)v);
		put(l, count, "%s", verdict_name((enum verdict)v));
	}
}

/* --- Other counts */

static uint64_t sum_of(const struct desk *d, enum counted what)
{
	uint64_t sum = d->keeper_counters->counts[what];

	for (unsigned int i = 0; i < d->doormen; i++)
		sum += d->doormen_counters[i].counts[what];
	return sum;
}

/* The kernel counts what the shield's filter drops at the socket among what is lost there, and
 * tells it later than the filter does: so never less than was told before. */
static uint64_t queue_dropped(struct desk *d)
{
	const struct kernel_shield_counts *shield = d->shield_counts;
	uint64_t lost = sum_of(d, COUNT_QUEUE_DROPPED), filtered = 0;

	for (enum kernel_shield_count n = KERNEL_SHIELD_WRONG_SIZE;
	     shield != NULL && n < KERNEL_SHIELD_COUNT_MOST; n++)
		filtered += kernel_shield_counted(shield, KERNEL_SHIELD_SOCKET, n);
	lost = lost > filtered ? lost - filtered : 0;
	if (shield != NULL)
		lost += kernel_shield_counted(shield, KERNEL_SHIELD_XDP, KERNEL_SHIELD_RING_FULL);
	if (d->queue_dropped < lost)
		d->queue_dropped = lost;
	return d->queue_dropped;
}

static void put_counts(struct list *l, struct desk *d)
{
	static const char *const names[COUNTS] = {[COUNT_RECEIVED] = STAT_RECEIVED,
	    [COUNT_COPIES] = STAT_COPIES,
	    [COUNT_BUDGET_WAITING] = STAT_BUDGET "waiting",
	    [COUNT_BUDGET_KNOWN] = STAT_BUDGET "known",
	    [COUNT_BUDGET_TRIAL] = STAT_BUDGET "trial",
	    [COUNT_BUDGET_OPENSPA] = STAT_BUDGET "openspa",
	    [COUNT_LOG_LINES] = STAT_LOG_LINES,
	    [COUNT_GRANTS] = STAT_GRANTS,
	    [COUNT_GRANTS_OPENED] = STAT_GRANTS_OPENED,
	    [COUNT_FIREWALL_REPAIRS] = STAT_FIREWALL_REPAIRS,
	    [COUNT_OPEN_NS] = STAT_OPEN_NS};

	for (enum counted i = 0; i < COUNTS; i++)
		if (names[i] != NULL)
			put(l, sum_of(d, i), "%s", names[i]);
	put(l, queue_dropped(d), "%s", STAT_QUEUE_DROPPED);
	if (d->config.settings->firewall != CONF_FIREWALL_NONE)
		put(l, sum_of(d, COUNT_FIREWALL), "%s", STAT_FIREWALL);
}

static void put_open_times(struct list *l, const struct counters *keeper)
{
	for (size_t i = 0; i < OPEN_LIMITS; i++)
		put(l, keeper->opened_within[i], STAT_OPEN_US "%u", counters_open_limits_us[i]);
	put(l, keeper->opened_within[OPEN_LIMITS], "%s", STAT_OPEN_MORE);
}

/* --- How the daemon is */

static void put_status(struct list *l, const struct message_status *s)
{
	put(l, s->guard, "%s", CONTROL_GUARD);
	put(l, s->shield, "%s", CONTROL_SHIELD);
	put(l, s->intake, "%s", CONTROL_INTAKE);
	put(l, 1, STAT_UP "%s", role_name(ROLE_MAIN));
	for (enum role r = ROLE_MAIN + 1; r < ROLE_COUNT; r++)
		if ((s->roles & 1U << r) != 0)
			put(l, (s->silent & 1U << r) == 0, STAT_UP "%s", role_name(r));
	for (enum sandbox_layer layer = 0; layer < SANDBOX_LAYERS; layer++)
		put(l, (s->without & 1U << layer) != 0, STAT_WITHOUT "%s",
		    sandbox_layer_name(layer));
	put(l, (uint64_t)s->started_s, "%s", STAT_START);
	put(l, (uint64_t)s->reloaded_s, "%s", STAT_RELOAD);
	put(l, !s->reload_refused, "%s", STAT_RELOAD_OK);
	put(l, s->reloads, "%s", STAT_RELOADS);
	put(l, s->reloads_refused, "%s", STAT_RELOADS_REFUSED);
}

static void put_all(struct list *l, struct desk *d)
{
	put_verdicts(l, d);
	put_kernel_shield(l, d->shield_counts);
	put_counts(l, d);
	put_open_times(l, d->keeper_counters);
	put_status(l, &d->status);
	put(l, d->config.client_count, "%s", STAT_CLIENTS);
	put(l, d->config.device_count, "%s", STAT_DEVICES);
	put(l, d->doormen, "%s", STAT_DOORMEN);
	put(l, 1, STAT_VERSION "%s", POSTERN_VERSION);
}

void request_show_stats(struct conversation *c)
{
	struct list list = {.count = 0};

	c->state = CONVERSATION_STATS;
	put_all(&list, c->desk);
	while (c->stats_sent < list.count) {
		const struct control_stat *s = &list.stats[c->stats_sent];

		if (!conversation_send_stat(c, s->name, s->value)) {
			if (errno == EAGAIN)
				conversation_await_room(c, true);
			else
				conversation_end(c);
			return;
		}
		c->stats_sent++;
		conversation_progress(c);
	}
	conversation_end_done(c);
}
