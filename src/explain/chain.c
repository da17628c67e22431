#include "explain/chain.h"

#include "explain/rule.h"

#define DEPTH_MOST 16       /* the kernel's own limit */
#define RULES_MOST 2000000U /* asked in all */

/* A chain that is being asked. */
struct asking {
	struct walk *w;
	const struct rules_chain *chain;
	unsigned int depth;
	bool reached; /* the next rule is, for certain */
	bool leaves;  /* it may be left before its end, by a return */
};

static void doubt(struct walk *w, const struct cause *cause, const char *what, uint32_t code)
{
	if (w->doubt_count == WALK_DOUBTS)
		w->more_doubts = true;
	else
		w->doubts[w->doubt_count++] = (struct doubt){*cause, what, code};
}

static void may_accept(struct chain_outcome *out, const struct cause *cause)
{
	if (!out->accepts)
		out->accepted = *cause;
	out->accepts = true;
}

static void may_drop(struct chain_outcome *out, const struct cause *cause)
{
	if (!out->drops)
		out->dropped = *cause;
	out->drops = true;
}

static struct chain_outcome anything(struct asking *a, const struct cause *cause, const char *what)
{
	struct chain_outcome out = {.goes_on = true};

	may_accept(&out, cause);
	may_drop(&out, cause);
	doubt(a->w, cause, what, (uint32_t)NFT_CONTINUE);
	return out;
}

static struct chain_outcome ask_chain(
    struct walk *w, const struct rules_chain *chain, unsigned int depth, bool reached);

static struct chain_outcome jump(
    struct asking *a, const struct cause *cause, const struct rule_result *r)
{
	const struct rules_chain *to =
	    rules_chain_named(a->w->rules, a->chain->family, a->chain->table, r->target);

	if (to == NULL || a->depth + 1 >= DEPTH_MOST)
		return anything(a, cause, "jump");
	return ask_chain(a->w, to, a->depth + 1, a->reached && r->matches == ANSWER_YES);
}

/* What comes of a rule that matches, or may. */
static struct chain_outcome verdict(
    struct asking *a, const struct cause *cause, const struct rule_result *r)
{
	struct chain_outcome out = {.goes_on = false};

	if (r->unknown || r->code == NF_QUEUE)
		return anything(a, cause, r->unknown ? r->unsure : "queue");
	switch (r->code) {
	case NF_ACCEPT:
		may_accept(&out, cause);
		break;
	case (uint32_t)NFT_JUMP:
	case (uint32_t)NFT_GOTO:
		return jump(a, cause, r);
	case (uint32_t)NFT_RETURN:
		out.goes_on = true;
		break;
	default:
		may_drop(&out, cause);
	}
	return out;
}

static void add(struct chain_outcome *sum, const struct chain_outcome *one)
{
	if (one->accepts)
		may_accept(sum, &one->accepted);
	if (one->drops)
		may_drop(sum, &one->dropped);
}

/* Takes what a rule comes to into the chain's outcome. True when the chain ends with it. */
static bool take(struct asking *a, struct chain_outcome *sum, const struct rule_result *r,
    const struct chain_outcome *one)
{
	bool leaves = r->code == (uint32_t)NFT_GOTO || r->code == (uint32_t)NFT_RETURN;

	add(sum, one);
	if (r->matches == ANSWER_YES && (!one->goes_on || leaves)) {
		sum->goes_on = one->goes_on || a->leaves;
		return true;
	}
	a->leaves = a->leaves || (leaves && one->goes_on);
	if (r->matches == ANSWER_MAY || one->accepts || one->drops || leaves)
		a->reached = false;
	return false;
}

/* The doubt is told before those of the chain that it may lead to. */
static struct chain_outcome ask_rule(
    struct asking *a, const struct rules_rule *rule, const struct rule_result *r)
{
	const struct cause cause = {a->chain, rule, r->rejects};
	size_t doubts = a->w->doubt_count;
	struct chain_outcome one;

	if (r->matches == ANSWER_MAY && !r->unknown)
		doubt(a->w, &cause, r->unsure,
		    (int32_t)r->code < 0 ? (uint32_t)NFT_CONTINUE : r->code);
	one = verdict(a, &cause, r);
	/* Whether it goes there or not, nothing comes of it. */
	if (r->matches == ANSWER_MAY && r->code == (uint32_t)NFT_JUMP && !one.accepts && !one.drops)
		a->w->doubt_count = doubts;
	return one;
}

static struct chain_outcome ask_chain(
    struct walk *w, const struct rules_chain *chain, unsigned int depth, bool reached)
{
	struct asking a = {.w = w, .chain = chain, .depth = depth, .reached = reached};
	struct chain_outcome sum = {.goes_on = false};

	for (const struct rules_rule *rule = chain->first; rule != NULL; rule = rule->next) {
		struct rule_result r;
		struct chain_outcome one;

		if (++w->rules_asked > RULES_MOST) {
			const struct cause here = {chain, rule, false};

			one = anything(&a, &here, "too many rules");
			add(&sum, &one);
			break;
		}
		r = rule_evaluate(w->rules, chain, rule, &w->packet, a.reached);
		if (r.matches == ANSWER_NO || !r.decides)
			continue;
		one = ask_rule(&a, rule, &r);
		if (take(&a, &sum, &r, &one))
			return sum;
	}
	sum.goes_on = true;
	return sum;
}

struct chain_outcome chain_ask(struct walk *w, const struct rules_chain *chain)
{
	const struct cause policy = {.chain = chain};
	size_t doubts = w->doubt_count;
	struct chain_outcome out = ask_chain(w, chain, 0, true);

	if (out.goes_on && chain->policy == NF_DROP)
		may_drop(&out, &policy);
	else if (out.goes_on)
		may_accept(&out, &policy);
	out.goes_on = false;
	/* Whatever cannot be told makes no difference. */
	if (out.accepts != out.drops)
		w->doubt_count = doubts;
	return out;
}
