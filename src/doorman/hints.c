#include "doorman/hints.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define SLICE 64 /* clients taken in before the sockets get their turn again: some 0.1 ms */
#define FIRST 6  /* slices before the next knock: those of few clients, for each of three days */

static void timer_ready(void *context)
{
	struct hints *h = context;
	const int64_t now_ns = clock_real_ns();

	timer_read(h->timer.fd);
	if (h->table == NULL)
		return;
	if (hint_table_work(h->table, SLICE, now_ns)) {
		timer_set(h->timer.fd, 1, 0);
		return;
	}
	if (!hint_table_complete(h->table)) {
		timer_set(h->timer.fd, hint_table_pause_ns(h->table), 0);
		return;
	}
	timer_set_at(h->timer.fd, hint_day_ends_ns(now_ns));
	if (h->clients == 0)
		return;
	if (h->number == 0)
		log_line(LOG_LEVEL_INFO, "ready for hints of %u clients", h->clients);
	else
		log_line(LOG_LEVEL_INFO, "ready for hints of %u clients (process %u)", h->clients,
		    h->number + 1);
	h->clients = 0;
}

bool hints_open(struct hints *h, struct loop *loop, unsigned int number)
{
	h->number = number;
	h->timer = (struct loop_source){timer_open_real(), timer_ready, h};
	return h->timer.fd >= 0 && loop_add(loop, &h->timer);
}

void hints_change(struct hints *h, const struct snapshot *next, int keys, struct snapshot *before)
{
	struct hint_table *table = keys < 0 ? NULL : hint_table_new(next, keys);

	if (keys >= 0 && table == NULL)
		log_event(LOG_LEVEL_WARN, "no hints are understood: knocks are served, slower",
		    "error", strerror(errno), NULL);
	hint_table_follow(table, h->table, before);
	h->table = table;
	h->clients = next->client_count;
	if (table == NULL)
		return;
	for (int i = 0; i < FIRST && hint_table_work(table, SLICE, clock_real_ns()); i++)
		;
	timer_set(h->timer.fd, 1, 0);
}

uint32_t hints_find(const struct hints *h, const struct knock *k)
{
	const struct asked *asked = &k->packet.asked;

	if (h->table == NULL)
		return DIRECTORY_NOBODY;
	return hint_table_find(h->table, asked->nonce, asked->timestamp_ns, asked->target.bytes,
	    k->packet.record.bytes + 1);
}
