#include "cmd/explain_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/explain_cause.h"
#include "cmd/text.h"

const char *explain_subject(char out[static EXPLAIN_SUBJECT_BYTES], const struct packet *p)
{
	struct line l = {.text = out, .size = EXPLAIN_SUBJECT_BYTES};
	char source[ADDR_TEXT_BYTES], target[ADDR_TEXT_BYTES];

	line_add(&l, "a new %s from %s",
	    p->protocol == IPPROTO_TCP ? "TCP connection" : "UDP packet",
	    addr_text(&p->source, source));
	if (p->from_port != 0)
		line_add(&l, " port %u", p->from_port);
	line_add(&l, " to %s port %u, coming in by ", addr_text(&p->meant, target), p->meant_port);
	cause_add_name(&l, p->in.name);
	line_add(&l, ",");
	return out;
}

/* "until 14:03 (alice)": what we have to do with it. */
static void add_grant(struct line *l, const struct explain_answer *a)
{
	const struct gate_grant *g = &a->gate->grant[0];
	char when[CLOCK_TEXT_BYTES];

	if (a->gate->grants == 0)
		return;
	if (g->overdue)
		line_add(l, " (%s's grant, which has ended and could not be shut)",
		    names_of(a->names, g->client));
	else
		line_add(l, " until %s (%s)", clock_text(g->until_ns, when),
		    names_of(a->names, g->client));
}

static void add_drop(struct line *l, const struct explain_answer *a)
{
	const struct walk *w = &a->x->walk;
	const char *how = w->cause.rejects ? "rejected" : "dropped";
	bool ours = w->cause.chain != NULL && cause_owner(&a->x->rules, &w->cause) == CAUSE_POSTERN;

	if (a->gate->grants > 0 && !ours) {
		line_add(l, " would be accepted by us");
		add_grant(l, a);
		line_add(l, ", then %s", how);
	} else {
		line_add(l, " would be %s", how);
	}
	if (w->cause.chain == NULL)
		return;
	line_add(l, " by ");
	cause_add(l, &a->x->rules, &w->cause);
}

static void add_pass(struct line *l, const struct explain_answer *a)
{
	line_add(l, " would be accepted");
	add_grant(l, a);
}

static void print_verdict(const struct explain_answer *a)
{
	const struct walk *w = &a->x->walk;
	char text[4 * EXPLAIN_LINE_BYTES], subject[EXPLAIN_SUBJECT_BYTES];
	struct line l = {.text = text, .size = sizeof text};
	enum cli_colour colour = w->result == WALK_PASSES    ? CLI_GREEN
	                         : w->result == WALK_DROPPED ? CLI_RED
	                                                     : CLI_YELLOW;

	line_add(&l, "%s", explain_subject(subject, a->asked));
	if (w->result == WALK_DROPPED)
		add_drop(&l, a);
	else if (w->result == WALK_PASSES)
		add_pass(&l, a);
	else
		line_add(&l, " may pass or not: this cannot be told from the rules alone");
	printf("%s%s%s\n", cli_colour(colour), text, cli_colour(CLI_PLAIN));
}

static void print_way(const struct walk *w)
{
	char target[ADDR_TEXT_BYTES], name[4 * INTERFACE_NAME_BYTES];

	if (w->packet.lost)
		puts("  its target after address translation cannot be told");
	else if (w->packet.translated)
		printf("  its target becomes %s port %u\n", addr_text(&w->packet.target, target),
		    w->packet.port);
	if (w->end == WALK_FORWARDED)
		printf("  it is forwarded by %s\n",
		    text_escaped(name, sizeof name, w->packet.out.name));
}

static const char *meaning(uint32_t code)
{
	if (code == NF_DROP)
		return "may be dropped";
	return code == NF_ACCEPT ? "may be accepted" : "may be decided";
}

static void print_doubts(const struct explain_answer *a)
{
	const struct walk *w = &a->x->walk;
	char text[EXPLAIN_LINE_BYTES];

	for (size_t i = 0; i < w->doubt_count; i++) {
		struct line l = {.text = text, .size = sizeof text};

		line_add(&l, "  %s by ", meaning(w->doubts[i].code));
		cause_add(&l, &a->x->rules, &w->doubts[i].cause);
		line_add(&l, ": what \"");
		cause_add_name(&l, w->doubts[i].what);
		line_add(&l, "\" comes to cannot be told beforehand");
		puts(text);
	}
	if (w->more_doubts)
		puts("  and by other rules");
	if (a->x->legacy_unread)
		puts("  iptables-legacy has rules of its own, which could not be read");
	if (w->result == WALK_UNSURE)
		puts("  to see what the kernel does with a real one: postern explain --trace");
}

static void print_steps(const struct explain_answer *a)
{
	const struct walk *w = &a->x->walk;
	char text[EXPLAIN_LINE_BYTES];

	for (size_t i = 0; i < w->step_count; i++) {
		struct line l = {.text = text, .size = sizeof text};

		line_add(&l, "  %s by ", w->steps[i].sure ? "let by" : "perhaps let by");
		cause_add(&l, &a->x->rules, &w->steps[i].cause);
		puts(text);
	}
}

static void print_holders(const struct explain_answer *a)
{
	const struct gate *g = a->gate;

	if (!g->configured) {
		printf("  posternd's configuration could not be read: %s\n", g->unread.text);
		return;
	}
	printf("  %u/%s is %s by posternd", a->asked->meant_port,
	    a->asked->protocol == IPPROTO_TCP ? "tcp" : "udp",
	    g->managed ? g->guards ? "managed and guarded" : "managed, and not guarded (drop_ports)"
	    : g->guards ? "guarded"
	                : "not managed");
	if (g->clients > 0)
		printf("; %zu %s open it: ", g->clients,
		    g->clients == 1 ? "client may" : "clients may");
	for (size_t i = 0; i < g->clients && i < GATE_NAMES; i++)
		printf("%s%s", i > 0 ? ", " : "", names_of(a->names, g->names[i]));
	puts(g->clients > GATE_NAMES ? ", ..." : "");
}

static void print_grants(const struct explain_answer *a)
{
	const struct gate *g = a->gate;
	char when[CLOCK_TEXT_BYTES];

	for (size_t i = 0; i < g->grants && i < GATE_NAMES; i++)
		printf("  granted to %s until %s\n", names_of(a->names, g->grant[i].client),
		    g->grant[i].overdue ? "it can be shut"
		                        : clock_text(g->grant[i].until_ns, when));
	if (g->grants > GATE_NAMES)
		printf("  and to %zu more\n", g->grants - GATE_NAMES);
}

void explain_print(const struct explain_answer *a)
{
	char text[EXPLAIN_LINE_BYTES];

	print_verdict(a);
	if (explain_reason(text, a)[0] != '\0')
		printf("  because %s\n", text);
	print_way(&a->x->walk);
	if (a->x->walk.result == WALK_UNSURE)
		print_doubts(a);
	if (a->verbose)
		print_steps(a);
	print_holders(a);
	print_grants(a);
	if (explain_remedy(text, a)[0] != '\0')
		printf("  remedy: %s\n", text);
}
