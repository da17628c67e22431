#include <stdlib.h>
#include <string.h>

#include "conf/layout_parts.h"

bool ranges_add(struct ranges *r, uint8_t protocol, uint16_t first, uint16_t last)
{
	if (r->count == r->room) {
		uint32_t room = r->room == 0 ? 8 : r->room * 2;
		struct ports *more = reallocarray(r->items, room, sizeof *more);

		if (more == NULL)
			return false;
		r->items = more;
		r->room = room;
	}
	r->items[r->count++] = (struct ports){.protocol = protocol, .first = first, .last = last};
	return true;
}

bool ranges_add_spec(struct ranges *r, const struct port_spec *spec)
{
	return (!spec->tcp || ranges_add(r, IPPROTO_TCP, spec->first, spec->last)) &&
	       (!spec->udp || ranges_add(r, IPPROTO_UDP, spec->first, spec->last));
}

bool ranges_add_all(struct ranges *r, const struct ranges *more)
{
	for (uint32_t i = 0; i < more->count; i++) {
		if (!ranges_add(
		        r, more->items[i].protocol, more->items[i].first, more->items[i].last))
			return false;
	}
	return true;
}

int ranges_compare(const void *a, const void *b)
{
	const struct ports *x = a, *y = b;

	if (x->protocol != y->protocol)
		return x->protocol - y->protocol;
	if (x->first != y->first)
		return x->first - y->first;
	return x->last - y->last;
}

void ranges_merge(struct ranges *r)
{
	uint32_t kept = 0;

	if (r->count == 0)
		return;
	qsort(r->items, r->count, sizeof *r->items, ranges_compare);
	for (uint32_t i = 1; i < r->count; i++) {
		struct ports *last = &r->items[kept], *next = &r->items[i];

		if (next->protocol != last->protocol || next->first > (uint32_t)last->last + 1)
			r->items[++kept] = *next;
		else if (next->last > last->last)
			last->last = next->last;
	}
	r->count = kept + 1;
}

bool networks_put(struct networks *n, const struct cidr *network)
{
	if (n->count == n->room) {
		uint32_t room = n->room == 0 ? 8 : n->room * 2;
		struct cidr *more = reallocarray(n->items, room, sizeof *more);

		if (more == NULL)
			return false;
		n->items = more;
		n->room = room;
	}
	n->items[n->count++] = *network;
	return true;
}

bool networks_add(struct networks *n, const char *text)
{
	const char *ignored = NULL;
	struct cidr network;

	memset(&network, 0, sizeof network);
	return !value_network(&network, text, &ignored) || networks_put(n, &network);
}

bool build_targets(
    struct parts *p, uint8_t *kind, struct span *list, const struct conf_list *targets)
{
	uint32_t first = p->networks.count;

	*kind = CONF_TARGETS_LIST;
	if (strcmp(targets->items[0].text, "source") == 0)
		*kind = CONF_TARGETS_SOURCE;
	else if (strcmp(targets->items[0].text, "any") == 0)
		*kind = CONF_TARGETS_ANY;
	for (size_t i = 0; *kind == CONF_TARGETS_LIST && i < targets->count; i++) {
		if (!networks_add(&p->networks, targets->items[i].text))
			return false;
	}
	*list = span_from(first, p->networks.count);
	return true;
}
