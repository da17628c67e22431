#include "web/people.h"

#include <stdlib.h>
#include <string.h>

void people_clear(struct people *p)
{
	p->grant_count = p->client_count = 0;
	p->grants_all = p->clients_all = 0;
}

static void take_grant(struct people *p, const struct control_session *s)
{
	struct grant_shown *g = &p->grants[p->grant_count];

	p->grants_all++;
	if (p->grant_count == PEOPLE_MOST)
		return;
	p->grant_count++;
	*g = (struct grant_shown){.address = s->address,
	    .opened_ns = s->opened_ns,
	    .left_ms = s->remaining_ms,
	    .more = s->more || s->port_count > PEOPLE_PORTS_MOST,
	    .overdue = s->overdue};
	memcpy(g->label, s->client, sizeof g->label);
	g->port_count =
	    (uint8_t)(s->port_count < PEOPLE_PORTS_MOST ? s->port_count : PEOPLE_PORTS_MOST);
	memcpy(g->ports, s->ports, g->port_count * sizeof g->ports[0]);
}

static void take_client(struct people *p, const struct control_last_seen *seen)
{
	struct client_shown *c = &p->clients[p->client_count];

	p->clients_all++;
	if (p->client_count == PEOPLE_MOST)
		return;
	p->client_count++;
	*c = (struct client_shown){.address = seen->address, .seen_ns = seen->when_ns};
	memcpy(c->label, seen->client, sizeof c->label);
}

void people_take(void *people, const struct control_record *record)
{
	if (record->type == CONTROL_SESSION)
		take_grant(people, &record->session);
	else if (record->type == CONTROL_LAST_SEEN)
		take_client(people, &record->last_seen);
}

static int by_label(const void *a, const void *b)
{
	const struct grant_shown *left = a, *right = b;

	return strcmp(left->label, right->label);
}

static int label_of_grant(const void *label, const void *grant)
{
	return strcmp(label, ((const struct grant_shown *)grant)->label);
}

static int by_end(const void *a, const void *b)
{
	const struct grant_shown *left = a, *right = b;

	if (left->overdue != right->overdue)
		return left->overdue ? -1 : 1;
	if (left->left_ms != right->left_ms)
		return left->left_ms < right->left_ms ? -1 : 1;
	return by_label(a, b);
}

static int by_seen(const void *a, const void *b)
{
	const struct client_shown *left = a, *right = b;

	if (left->seen_ns != right->seen_ns)
		return left->seen_ns > right->seen_ns ? -1 : 1;
	return strcmp(left->label, right->label);
}

void people_order(struct people *p)
{
	qsort(p->grants, p->grant_count, sizeof p->grants[0], by_label);
	for (size_t i = 0; i < p->client_count; i++)
		p->clients[i].has_grant = bsearch(p->clients[i].label, p->grants, p->grant_count,
		                              sizeof p->grants[0], label_of_grant) != NULL;
	qsort(p->grants, p->grant_count, sizeof p->grants[0], by_end);
	qsort(p->clients, p->client_count, sizeof p->clients[0], by_seen);
}
