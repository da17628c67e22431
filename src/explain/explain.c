#include "explain/explain.h"

#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "explain/legacy.h"
#include "explain/route.h"

__attribute__((format(printf, 3, 4))) static bool fail(
    struct explain_error *error, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof error->text, format, args);
	va_end(args);
	error->permission = err == -EPERM || err == -EACCES;
	return false;
}

static bool find_device(struct packet *p, const char *name, struct explain_error *error)
{
	p->in = (struct packet_device){.index = if_nametoindex(name)};
	if (p->in.index == 0)
		return fail(error, 0, "there is no interface of that name; see `ip link`");
	memcpy(p->in.name, name, strnlen(name, sizeof p->in.name - 1));
	return true;
}

bool explain_packet(
    struct packet *out, const struct explain_question *q, struct explain_error *error)
{
	char source[ADDR_TEXT_BYTES];
	struct addr target = q->target;
	struct route back;
	int err = route_ask(&back, &q->source, NULL);

	addr_text(&q->source, source);
	if (err != 0 && (q->interface == NULL || !q->has_target))
		return fail(error, err,
		    "this host has no route to %s (%s), so no answer would get there; say by which "
		    "interface it comes (--interface), and to which address (--to)",
		    source, strerror(-err));
	if (!q->has_target && !back.has_source)
		return fail(error, 0, "say to which of this host's addresses it goes (--to)");
	if (!q->has_target)
		target = back.source;
	if (addr_is_v4(&target) != addr_is_v4(&q->source))
		return fail(error, 0, "one of the two addresses is IPv4, the other one IPv6");
	*out = packet_of(q->protocol, &q->source, q->from_port, &target, q->port);
	route_look(out);
	out->in = out->back;
	return q->interface == NULL || find_device(out, q->interface, error);
}

static bool read_rules(struct explain *x, struct explain_error *error)
{
	struct nft_link l;
	int err = nft_link_open(&l, -1);

	if (err == 0)
		err = rules_read(&x->rules, &l);
	nft_link_close(&l);
	if (err == -EPERM || err == -EACCES)
		return fail(error, err, "only root may read the firewall's rules");
	if (err != 0 && err != -EOPNOTSUPP && err != -EPROTONOSUPPORT)
		return fail(error, err, "cannot read the rules of nf_tables: %s", strerror(-err));
	err = legacy_read(&x->rules);
	if (err == -ENOMEM)
		return fail(error, err, "out of memory");
	x->legacy_unread = err != 0;
	return true;
}

bool explain_ask(struct explain *x, const struct explain_question *q, struct explain_error *error)
{
	*x = (struct explain){.walk = {.rules = &x->rules, .route = route_packet}};
	*error = (struct explain_error){.permission = false};
	if (!explain_packet(&x->walk.packet, q, error) || !read_rules(x, error))
		return false;
	walk_all(&x->walk);
	if (x->legacy_unread && x->walk.result == WALK_PASSES)
		x->walk.result = WALK_UNSURE;
	return true;
}

void explain_free(struct explain *x)
{
	rules_free(&x->rules);
}
