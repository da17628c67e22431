#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/explain_cause.h"
#include "cmd/explain_print.h"
#include "cmd/text.h"

#define HOLDERS_SHOWN 3

static struct line line_of(char *out)
{
	out[0] = '\0';
	return (struct line){.text = out, .size = EXPLAIN_LINE_BYTES};
}

static const char *protocol_of(const struct packet *p)
{
	return p->protocol == IPPROTO_TCP ? "tcp" : "udp";
}

static void add_last(struct line *l, const struct explain_answer *a)
{
	const struct gate *g = a->gate;
	char address[ADDR_TEXT_BYTES], ago[TEXT_DURATION_BYTES];

	if (!g->seen)
		return;
	line_add(l, "; %s", names_of(a->names, g->last_client));
	if (g->last_end_ns <= a->now_ns)
		line_add(l, "'s grant for %s ended %s ago", addr_text(&a->asked->source, address),
		    text_duration(a->now_ns - g->last_end_ns, ago));
	else
		line_add(l, " was let in there %s ago", text_duration(a->now_ns - g->last_ns, ago));
}

static void add_own_reason(struct line *l, const struct explain_answer *a)
{
	const struct gate *g = a->gate;

	if (g->grants > 0) {
		line_add(l, "a grant of %s is in force, but this rule comes before it",
		    names_of(a->names, g->grant[0].client));
		return;
	}
	line_add(l, "no grant is open for this address");
	add_last(l, a);
	if (!g->answered)
		line_add(l, "; posternd does not answer, so nobody can get one now");
}

const char *explain_reason(char out[static EXPLAIN_LINE_BYTES], const struct explain_answer *a)
{
	const struct walk *w = &a->x->walk;
	struct line l = line_of(out);

	if (w->result != WALK_DROPPED)
		return out;
	if (w->cause.chain == NULL)
		line_add(&l,
		    "the kernel has no way for it: no route to %s, no forwarding, or a sender "
		    "that does not belong to that interface (rp_filter)",
		    addr_text(&w->packet.target, (char[ADDR_TEXT_BYTES]){0}));
	else if (cause_owner(&a->x->rules, &w->cause) == CAUSE_POSTERN)
		add_own_reason(&l, a);
	return out;
}

static void add_knock(struct line *l, const struct explain_answer *a)
{
	const struct gate *g = a->gate;

	if (g->configured && g->clients == 0) {
		line_add(l,
		    "no client may open %u/%s: add it to the ports of one (posternd's "
		    "configuration, allowed_ports), then knock",
		    a->asked->meant_port, protocol_of(a->asked));
		return;
	}
	line_add(l, "knock from there (postern knock)");
	for (size_t i = 0; i < g->clients && i < HOLDERS_SHOWN; i++)
		line_add(l, "%s%s",
		    i == 0                ? ", as "
		    : i + 1 == g->clients ? " or "
		                          : ", ",
		    names_of(a->names, g->names[i]));
	if (g->clients > HOLDERS_SHOWN)
		line_add(l, " or %zu others", g->clients - HOLDERS_SHOWN);
}

/* Where others drop what we have granted, or do not guard. */
static void add_others(struct line *l, const struct explain_answer *a, enum cause_owner owner)
{
	unsigned int port = a->x->walk.packet.port;
	const char *protocol = protocol_of(a->asked);

	if (owner == CAUSE_UFW)
		line_add(l, "ufw allow %u/%s", port, protocol);
	else if (owner == CAUSE_FIREWALLD)
		line_add(l, "firewall-cmd --permanent --add-port=%u/%s && firewall-cmd --reload",
		    port, protocol);
	else if (owner == CAUSE_FAIL2BAN)
		line_add(l, "fail2ban-client unban %s",
		    addr_text(&a->asked->source, (char[ADDR_TEXT_BYTES]){0}));
	else
		line_add(l, "change that rule, or let the port by before it");
	if ((owner == CAUSE_UFW || owner == CAUSE_FIREWALLD) &&
	    !(a->gate->configured && a->gate->guards))
		line_add(l, "; that opens it to everybody, as posternd does not guard this port");
	if (a->gate->configured && a->gate->guards && owner != CAUSE_FAIL2BAN)
		line_add(l, "; posternd keeps the port shut to those without a grant all the same");
	if (a->gate->configured && a->gate->grants > 0 && a->gate->mark != 0)
		line_add(l,
		    "; or let by there what is granted: `meta mark & 0x%" PRIx32 " == 0x%" PRIx32
		    " accept`",
		    a->gate->mark, a->gate->mark);
}

const char *explain_remedy(char out[static EXPLAIN_LINE_BYTES], const struct explain_answer *a)
{
	const struct walk *w = &a->x->walk;
	struct line l = line_of(out);
	enum cause_owner owner;

	if (w->result != WALK_DROPPED || w->cause.chain == NULL)
		return out;
	owner = cause_owner(&a->x->rules, &w->cause);
	if (owner != CAUSE_POSTERN)
		add_others(&l, a, owner);
	else if (a->gate->grants == 0)
		add_knock(&l, a);
	return out;
}
