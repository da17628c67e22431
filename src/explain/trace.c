#include "explain/trace.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter_ipv4.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "fw/nft_rule.h"

#define CHAIN        "first"
#define FIRST        (NF_IP_PRI_RAW_BEFORE_DEFRAG - 50) /* before all that others have */
#define NOTICE_BYTES 32768
#define QUEUE_BYTES  (4 << 20)           /* a limit, not memory that is taken */
#define QUIET_NS     (300 * NS_PER_MS)   /* after which no more is told of a packet */
#define WHOLE_NS     (2 * NS_PER_SECOND) /* a stream of such packets has no end of its own */
#define TABLE_BYTES  48

struct tracing {
	const struct packet *p;
	struct nft_link link; /* owns the table */
	int fd;               /* where reports come */
	char table[TABLE_BYTES];
	bool has_id;
	uint32_t id;
	bool dropped;
	void (*each)(void *context, const struct trace_event *event);
	void *context;
};

static void put_table(struct tracing *t)
{
	struct nlmsghdr *m = nft_batch_add(&t->link, NFT_MSG_NEWTABLE, NFPROTO_INET, NLM_F_CREATE);
	struct nlattr *nest;

	mnl_attr_put_strz(m, NFTA_TABLE_NAME, t->table);
	mnl_attr_put_u32(m, NFTA_TABLE_FLAGS, htobe32(NFT_TABLE_F_OWNER));
	m = nft_batch_add(&t->link, NFT_MSG_NEWCHAIN, NFPROTO_INET, NLM_F_CREATE);
	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, t->table);
	mnl_attr_put_strz(m, NFTA_CHAIN_NAME, CHAIN);
	mnl_attr_put_strz(m, NFTA_CHAIN_TYPE, "filter");
	mnl_attr_put_u32(m, NFTA_CHAIN_POLICY, htobe32(NF_ACCEPT));
	nest = mnl_attr_nest_start(m, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(m, NFTA_HOOK_HOOKNUM, htobe32(NF_INET_PRE_ROUTING));
	mnl_attr_put_u32(m, NFTA_HOOK_PRIORITY, htobe32((uint32_t)FIRST));
	mnl_attr_nest_end(m, nest);
}

static void compare(
    struct nft_building *b, enum nft_source from, uint32_t what, const void *data, size_t size)
{
	nft_load(b, from, what, (uint32_t)size, NFT_REG_1);
	nft_compare(b, NFT_CMP_EQ, data, size);
}

static struct nlattr *start(struct nlmsghdr *m, const char *name, struct nlattr **expression)
{
	*expression = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
	mnl_attr_put_strz(m, NFTA_EXPR_NAME, name);
	return mnl_attr_nest_start(m, NFTA_EXPR_DATA);
}

/* meta nftrace set 1 */
static void put_trace(struct nlmsghdr *m)
{
	struct nlattr *expression, *data = start(m, "immediate", &expression);
	const uint8_t on = 1;

	mnl_attr_put_u32(m, NFTA_IMMEDIATE_DREG, htobe32(NFT_REG_1));
	nft_put_data(m, NFTA_IMMEDIATE_DATA, &on, sizeof on);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, expression);
	data = start(m, "meta", &expression);
	mnl_attr_put_u32(m, NFTA_META_KEY, htobe32(NFT_META_NFTRACE));
	mnl_attr_put_u32(m, NFTA_META_SREG, htobe32(NFT_REG_1));
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, expression);
}

/* Of TCP only what begins a connection. */
static void put_rule(struct tracing *t)
{
	const struct packet *p = t->p;
	struct nft_building b =
	    nft_rule_start(&t->link, NFPROTO_INET, t->table, CHAIN, NLM_F_APPEND);
	uint8_t family = packet_family(p), flags = 0x17, none = 0, syn = 0x02;
	uint16_t port = htobe16(p->port), from = htobe16(p->from_port);
	bool v4 = packet_is_v4(p);
	size_t size = v4 ? 4 : ADDR_BYTES, skipped = ADDR_BYTES - size;

	compare(&b, NFT_META, NFT_META_NFPROTO, &family, sizeof family);
	compare(&b, NFT_META, NFT_META_L4PROTO, &p->protocol, sizeof p->protocol);
	compare(&b, NFT_NETWORK, v4 ? 12 : 8, p->source.bytes + skipped, size);
	compare(&b, NFT_NETWORK, v4 ? 16 : 24, p->target.bytes + skipped, size);
	compare(&b, NFT_TRANSPORT, 2, &port, sizeof port);
	if (from != 0)
		compare(&b, NFT_TRANSPORT, 0, &from, sizeof from);
	if (p->protocol == IPPROTO_TCP) {
		nft_load(&b, NFT_TRANSPORT, 13, sizeof flags, NFT_REG_1);
		nft_mask(&b, &flags, &none, sizeof flags);
		nft_compare(&b, NFT_CMP_EQ, &syn, sizeof syn);
	}
	put_trace(b.message);
	nft_rule_end(&b, "postern explain --trace");
}

static int listen_to_reports(void)
{
	struct sockaddr_nl mine = {.nl_family = AF_NETLINK};
	int group = NFNLGRP_NFTRACE, queue = QUEUE_BYTES;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof queue);
	if (bind(fd, (struct sockaddr *)&mine, sizeof mine) == 0 &&
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0)
		return fd;
	return fd_close(fd);
}

/* 0 or a negative errno. */
static int begin(struct tracing *t)
{
	int err;

	t->fd = listen_to_reports();
	if (t->fd < 0)
		return -errno;
	err = nft_link_open(&t->link, -1);
	if (err != 0)
		return err;
	snprintf(t->table, sizeof t->table, "postern_explain_%d", (int)getpid());
	nft_batch_begin(&t->link);
	put_table(t);
	put_rule(t);
	return nft_batch_commit(&t->link);
}

static uint32_t verdict_of(const struct nft_attributes *a, struct trace_event *event)
{
	const struct nft_attributes v = nft_attributes_in(a->at[NFTA_TRACE_VERDICT]);
	uint32_t code = (uint32_t)NFT_CONTINUE;

	event->target = nft_attribute_text(v.at[NFTA_VERDICT_CHAIN]);
	if (event->policy)
		(void)nft_attribute_u32(a->at[NFTA_TRACE_POLICY], &code);
	else
		(void)nft_attribute_u32(v.at[NFTA_VERDICT_CODE], &code);
	return (int32_t)code < 0 ? code : code & NF_VERDICT_MASK;
}

static void take(struct tracing *t, const struct nlmsghdr *report)
{
	const struct nft_attributes a = nft_attributes_of(report);
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(report);
	struct trace_event event = {.family = head->nfgen_family,
	    .table = nft_attribute_text(a.at[NFTA_TRACE_TABLE]),
	    .chain = nft_attribute_text(a.at[NFTA_TRACE_CHAIN]),
	    .handle = nft_attribute_u64(a.at[NFTA_TRACE_RULE_HANDLE])};
	uint32_t id, type = 0;

	(void)nft_attribute_u32(a.at[NFTA_TRACE_TYPE], &type);
	if (!nft_attribute_u32(a.at[NFTA_TRACE_ID], &id) || (t->has_id && id != t->id))
		return;
	if (strcmp(event.table, t->table) == 0) { /* so it is a packet of ours */
		t->has_id = true;
		t->id = id;
		return;
	}
	if (!t->has_id)
		return; /* somebody else traces, too */
	event.policy = type == NFT_TRACETYPE_POLICY;
	event.verdict = verdict_of(&a, &event);
	t->dropped = event.verdict == NF_DROP;
	t->each(t->context, &event);
}

/* What has come; true when something of our packet was among it. */
static bool read_reports(struct tracing *t)
{
	static _Alignas(8) char buffer[NOTICE_BYTES];
	const struct nlmsghdr *report = (const struct nlmsghdr *)(const void *)buffer;
	ssize_t got = recv(t->fd, buffer, sizeof buffer, MSG_DONTWAIT);
	int left = (int)got;

	for (; left > 0 && mnl_nlmsg_ok(report, left) && !t->dropped;
	     report = mnl_nlmsg_next(report, &left)) {
		if (report->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE) &&
		    mnl_nlmsg_get_payload_len(report) >= sizeof(struct nfgenmsg))
			take(t, report);
	}
	return t->has_id;
}

static enum trace_result follow(struct tracing *t, int64_t timeout_ns)
{
	int64_t now_ns = clock_boot_ns();
	int64_t until_ns = timeout_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + timeout_ns;
	int64_t end_ns = INT64_MAX;

	while (!t->dropped && now_ns < until_ns) {
		struct pollfd p = {.fd = t->fd, .events = POLLIN};
		int64_t left_ms = (until_ns - now_ns) / NS_PER_MS + 1;

		bool came =
		    poll(&p, 1, left_ms < 1000 ? (int)left_ms : 1000) > 0 && read_reports(t);

		now_ns = clock_boot_ns();
		if (came && end_ns == INT64_MAX)
			end_ns = now_ns + WHOLE_NS;
		if (came)
			until_ns = now_ns + QUIET_NS < end_ns ? now_ns + QUIET_NS : end_ns;
	}
	if (!t->has_id)
		return TRACE_NOTHING_CAME;
	return t->dropped ? TRACE_DROPPED : TRACE_PASSED;
}

bool trace_wait(const struct packet *p, int64_t timeout_ns,
    void (*each)(void *context, const struct trace_event *event), void *context,
    enum trace_result *result, struct explain_error *error)
{
	struct tracing t = {.p = p, .link = {.fd = -1}, .fd = -1, .each = each, .context = context};
	int err = begin(&t);

	*error = (struct explain_error){.permission = err == -EPERM || err == -EACCES};
	if (err == 0)
		*result = follow(&t, timeout_ns);
	else if (err == -EINVAL || err == -EOPNOTSUPP)
		snprintf(error->text, sizeof error->text,
		    "this kernel cannot trace for one process alone (Linux 5.12 can)");
	else
		snprintf(error->text, sizeof error->text, "%s",
		    error->permission ? "only root may have packets traced" : strerror(-err));
	nft_link_close(&t.link); /* and the table is gone */
	fd_close(t.fd);
	return err == 0;
}
