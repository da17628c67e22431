/* Datagrams to our ports need no entry in the kernel's table of connections, which a flood would
 * fill. In a chain before connection tracking they are let by as untracked: but only where that
 * makes no difference to any rule of the host, for then it could lock out knocks. A knock is always
 * NEW, so what is asked of each rule is whether it takes NEW and UNTRACKED alike; for OpenSPA,
 * which answers, ESTABLISHED, too. A rule that is not understood may make a difference. */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter_ipv4.h>

#include "base/log.h"
#include "fw/nft_rule.h"

#define CHAIN     "untracked"
#define OUT_CHAIN "untracked_answers"

_Static_assert((int)NFTA_TARGET_NAME == (int)NFTA_MATCH_NAME, "one number for both kinds");

static const uint32_t state_new = NF_CT_STATE_BIT(IP_CT_NEW);
static const uint32_t state_established = NF_CT_STATE_BIT(IP_CT_ESTABLISHED);
static const uint32_t state_untracked = NF_CT_STATE_UNTRACKED_BIT;

/* --- What the host's rules ask for */

struct needs {
	bool knocks, answers; /* a rule may take them otherwise when they are not tracked */
	char table[NFT_NAME_BYTES];
};

/* A rule up to an expression: STATE was loaded, and then masked. */
enum step { STEP_ANY, STEP_STATE, STEP_MASKED };

struct rule_look {
	struct needs found;
	enum step step;
	uint32_t mask, bits;
};

static void may_differ(struct rule_look *r)
{
	r->step = STEP_ANY;
	r->found.knocks = r->found.answers = true;
}

static bool value_in(const struct nlattr *nest, uint32_t *out)
{
	const struct nlattr *value = nft_attributes_in(nest).at[NFTA_DATA_VALUE];

	if (value == NULL || mnl_attr_get_payload_len(value) != sizeof *out)
		return false;
	memcpy(out, mnl_attr_get_payload(value), sizeof *out);
	return true;
}

static void compare_states(
    struct rule_look *r, bool (*holds)(const void *of, uint32_t state), const void *of)
{
	bool untracked = holds(of, state_untracked);

	r->found.knocks = r->found.knocks || holds(of, state_new) != untracked;
	r->found.answers = r->found.answers || holds(of, state_established) != untracked;
}

struct comparison {
	uint32_t mask, bits, value;
	bool equal;
};

static bool comparison_holds(const void *of, uint32_t state)
{
	const struct comparison *c = of;

	return (((state & c->mask) ^ c->bits) == c->value) == c->equal;
}

static void look_at_comparison(struct rule_look *r, const struct nft_attributes *a)
{
	struct comparison c = {.mask = r->mask, .bits = r->bits};
	uint32_t op;

	if (!nft_attribute_u32(a->at[NFTA_CMP_OP], &op) ||
	    (op != NFT_CMP_EQ && op != NFT_CMP_NEQ) || !value_in(a->at[NFTA_CMP_DATA], &c.value)) {
		may_differ(r);
		return;
	}
	c.equal = op == NFT_CMP_EQ;
	r->step = STEP_ANY;
	compare_states(r, comparison_holds, &c);
}

static bool extension_holds(const void *of, uint32_t state)
{
	const struct xt_conntrack_mtinfo3 *m = of;

	return ((m->state_mask & state) != 0) != ((m->invert_flags & XT_CONNTRACK_STATE) != 0);
}

/* iptables' own: of them conntrack is known, when it looks at the state alone. */
static void look_at_extension(struct rule_look *r, const struct nft_attributes *a)
{
	const struct nlattr *info = a->at[NFTA_MATCH_INFO];
	const char *name = nft_attribute_text(a->at[NFTA_MATCH_NAME]);
	struct xt_conntrack_mtinfo3 m = {.match_flags = 0};
	uint32_t revision = 0;

	if (strcmp(name, "conntrack") == 0 && info != NULL &&
	    nft_attribute_u32(a->at[NFTA_MATCH_REV], &revision) && revision == 3 &&
	    mnl_attr_get_payload_len(info) >= sizeof m)
		memcpy(&m, mnl_attr_get_payload(info), sizeof m);
	if (m.match_flags == XT_CONNTRACK_STATE)
		compare_states(r, extension_holds, &m);
	else if (strncasecmp(name, "conn", 4) == 0 || strcmp(name, "state") == 0 ||
	         strcmp(name, "helper") == 0 || strcmp(name, "cluster") == 0 ||
	         strcmp(name, "CT") == 0)
		may_differ(r);
}

static int look_at_expression(const struct nlattr *attribute, void *data)
{
	const struct nft_attributes outer = nft_attributes_in(attribute);
	const struct nft_attributes a = nft_attributes_in(outer.at[NFTA_EXPR_DATA]);
	const char *name = nft_attribute_text(outer.at[NFTA_EXPR_NAME]);
	struct rule_look *r = data;
	uint32_t key;

	if (r->step == STEP_STATE && strcmp(name, "bitwise") == 0 &&
	    value_in(a.at[NFTA_BITWISE_MASK], &r->mask) &&
	    value_in(a.at[NFTA_BITWISE_XOR], &r->bits)) {
		r->step = STEP_MASKED;
	} else if (r->step != STEP_ANY && strcmp(name, "cmp") == 0) {
		look_at_comparison(r, &a);
	} else if (r->step == STEP_ANY && strcmp(name, "ct") == 0 &&
	           nft_attribute_u32(a.at[NFTA_CT_KEY], &key) && key == NFT_CT_STATE) {
		r->step = STEP_STATE;
		r->mask = UINT32_MAX;
		r->bits = 0;
	} else if (r->step != STEP_ANY || strcmp(name, "ct") == 0 ||
	           strcmp(name, "connlimit") == 0) {
		may_differ(r);
	} else if (strcmp(name, "match") == 0 || strcmp(name, "target") == 0) {
		look_at_extension(r, &a);
	}
	return MNL_CB_OK;
}

/* Whether packets to us pass chains of that kind, and it is not our own table. */
static bool is_the_hosts(const struct nlmsghdr *answer, const char *table)
{
	uint8_t family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(answer))->nfgen_family;

	return family == NFPROTO_IPV4 || family == NFPROTO_IPV6 ||
	       (family == NFPROTO_INET && strcmp(table, NFT_TABLE) != 0);
}

static void note(struct needs *all, const struct needs *found, const char *table)
{
	if ((found->knocks || found->answers) && !all->knocks && !all->answers &&
	    strlen(table) < sizeof all->table)
		memcpy(all->table, table, strlen(table) + 1);
	all->knocks = all->knocks || found->knocks;
	all->answers = all->answers || found->answers;
}

static int look_at_rule(const struct nlmsghdr *answer, void *data)
{
	const struct nft_attributes a = nft_attributes_of(answer);
	const char *table = nft_attribute_text(a.at[NFTA_RULE_TABLE]);
	struct rule_look r = {.step = STEP_ANY};

	if (!is_the_hosts(answer, table) || a.at[NFTA_RULE_EXPRESSIONS] == NULL)
		return 0;
	(void)mnl_attr_parse_nested(a.at[NFTA_RULE_EXPRESSIONS], look_at_expression, &r);
	if (r.step != STEP_ANY)
		may_differ(&r);
	note(data, &r.found, table);
	return 0;
}

/* What is not tracked is not translated either; nor is what is sent back to hosts behind this one,
 * which comes for an address of ours, and for our port where they have sent from that. */
static int look_at_chain(const struct nlmsghdr *answer, void *data)
{
	static const struct needs both = {.knocks = true, .answers = true};
	const struct nft_attributes a = nft_attributes_of(answer);
	const struct nft_attributes hook = nft_attributes_in(a.at[NFTA_CHAIN_HOOK]);
	const char *table = nft_attribute_text(a.at[NFTA_CHAIN_TABLE]);
	uint32_t number;

	if (is_the_hosts(answer, table) &&
	    strcmp(nft_attribute_text(a.at[NFTA_CHAIN_TYPE]), "nat") == 0 &&
	    nft_attribute_u32(hook.at[NFTA_HOOK_HOOKNUM], &number) && number != NF_INET_LOCAL_OUT)
		note(data, &both, table);
	return 0;
}

static int look_once(struct nft_link *l, struct needs *needs)
{
	int err;

	memset(needs, 0, sizeof *needs);
	nft_ask_start(l, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP);
	err = nft_ask(l, look_at_chain, needs);
	if (err != 0)
		return err;
	nft_ask_start(l, NFT_MSG_GETRULE, NFPROTO_UNSPEC, NLM_F_DUMP);
	return nft_ask(l, look_at_rule, needs);
}

static int look(struct nft_link *l, struct needs *needs)
{
	int err = -EINTR;

	for (int tries = 0; err == -EINTR && tries < 8; tries++)
		err = look_once(l, needs);
	return err;
}

/* --- Our chains */

static const struct nft_match end = {.field = NFT_NO_FIELD};

static void put_port(struct nft_writer *w, enum nft_field field, uint16_t port)
{
	const struct nft_match matches[] = {{.field = field, .is = port}, end};

	if (port != 0)
		nft_put_rule(w, matches, NFT_NOTRACK, NULL, NULL);
}

static void put_exceptions(struct nft_writer *w, const struct nft_track *t, enum nft_field device)
{
	const struct nft_match others[] = {
	    {.field = device, .name = t->interface, .except = true}, end};
	const struct nft_match elsewhere[] = {{.field = NFT_NOT_LOCAL}, end};

	if (*t->interface != '\0')
		nft_put_rule(w, others, NFT_RETURN, NULL, NULL);
	if (device == NFT_IIFNAME)
		nft_put_rule(w, elsewhere, NFT_RETURN, NULL, "for another host");
}

static void delete_chain(struct nft_link *l, const char *name)
{
	struct nlmsghdr *m = nft_batch_add(l, NFT_MSG_DELCHAIN, NFPROTO_INET, 0);

	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_CHAIN_NAME, name);
}

static int change(struct nft_link *l, const struct nft_track *t, uint16_t knocks, uint16_t requests)
{
	struct nft_writer w = {.link = l};

	nft_batch_begin(l);
	if (t->knocks != 0 || t->requests != 0)
		delete_chain(l, CHAIN);
	if (t->requests != 0)
		delete_chain(l, OUT_CHAIN);
	if (knocks != 0 || requests != 0) {
		nft_put_chain(&w, CHAIN, NF_INET_PRE_ROUTING, NF_IP_PRI_RAW);
		put_exceptions(&w, t, NFT_IIFNAME);
		put_port(&w, NFT_UDP_DPORT, knocks);
		put_port(&w, NFT_UDP_DPORT, requests);
	}
	if (requests != 0) {
		nft_put_chain(&w, OUT_CHAIN, NF_INET_LOCAL_OUT, NF_IP_PRI_RAW);
		put_exceptions(&w, t, NFT_OIFNAME);
		put_port(&w, NFT_UDP_SPORT, requests);
	}
	return nft_batch_commit(l);
}

static void tell(const struct needs *needs, bool knocks)
{
	if (knocks)
		log_line(LOG_LEVEL_INFO, "knocks leave no entry in the table of connections");
	else
		log_event(LOG_LEVEL_INFO,
		    "knocks leave entries in the table of connections, which a rule of the host "
		    "may need",
		    "table", needs->table, "remedy", "server.notrack: yes, if no rule does", NULL);
}

void nft_track_settle(struct nft_link *l, struct nft_track *t)
{
	struct needs needs = {.knocks = t->which == CONF_NOTRACK_NO};
	uint16_t knocks, requests;
	int err = t->which == CONF_NOTRACK_AUTO ? look(l, &needs) : 0;

	knocks = err == 0 && !needs.knocks ? t->knock_port : 0;
	requests = err == 0 && !needs.knocks && !needs.answers ? t->request_port : 0;
	if (t->failed || (t->settled && knocks == t->knocks && requests == t->requests))
		return;
	if (t->which == CONF_NOTRACK_AUTO && err == 0)
		tell(&needs, !needs.knocks);
	t->settled = err == 0;
	if (knocks == t->knocks && requests == t->requests)
		return;
	err = change(l, t, knocks, requests);
	t->failed = err != 0;
	if (err == 0) {
		t->knocks = knocks;
		t->requests = requests;
	} else {
		log_event(LOG_LEVEL_WARN, "cannot keep knocks out of the table of connections",
		    "error", strerror(-err), NULL);
	}
}
