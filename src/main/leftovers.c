#include "main/leftovers.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/line.h"
#include "main/legacy_tables.h"

#define ANSWER_BYTES 65536 /* the kernel's own limit is half of it */

/* What a server leaves, in a table named filter: its chains, and rules in others that lead there or
 * let its own packets in. */
struct origin {
	const char *server;
	const char *chains[2];
	const char *mark;    /* in its rules outside of them, as iptables shows them */
	const char *comment; /* in their comments; NULL: they have none */
};

static const struct origin openme = {"openme", {"openme", NULL}, "--comment \"*openme-", "openme-"};
static const struct origin openspa = {"OpenSPA", {"OPENSPA", "OPENSPA-BLOCK"}, "-j OPENSPA", NULL};

/* What is there of one origin in one family. */
struct found {
	const struct origin *origin;
	uint8_t family;
	bool chains[2];
	unsigned int rules;
	struct line handles; /* commands for the rules */
	char text[300];
};

struct entry {
	char table[NFT_NAME_MAXLEN], chain[NFT_NAME_MAXLEN];
	uint64_t handle;
};

static void take_name(char out[static NFT_NAME_MAXLEN], struct reader body)
{
	snprintf(out, NFT_NAME_MAXLEN, "%.*s", (int)body.left, (const char *)body.data);
}

/* The names of a chain, or of a rule's. */
static void read_entry(struct entry *e, struct reader from, bool rule)
{
	const uint16_t chain = rule ? (int)NFTA_RULE_CHAIN : (int)NFTA_CHAIN_NAME;
	struct nlattr head;

	*e = (struct entry){.handle = 0};
	while (from.left >= sizeof head) {
		size_t whole;
		struct reader body;
		uint16_t type;

		memcpy(&head, from.data, sizeof head);
		if (head.nla_len < sizeof head || head.nla_len > from.left)
			return;
		body = reader_of(from.data + sizeof head, head.nla_len - sizeof head);
		type =
		    (uint16_t)(head.nla_type & ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER) & UINT16_MAX);
		if (type == NFTA_RULE_TABLE)
			take_name(e->table, body);
		else if (type == chain)
			take_name(e->chain, body);
		else if (rule && type == NFTA_RULE_HANDLE)
			e->handle = reader_u64(&body);
		whole = (head.nla_len + (size_t)NLA_ALIGNTO - 1) / NLA_ALIGNTO * NLA_ALIGNTO;
		reader_skip(&from, whole < from.left ? whole : from.left);
	}
}

/* Whether a comment begins at `at`: of nft, with its type, 0, and its length in front; of iptables,
 * as all of what a match knows. A device or a prefix of the log is none. */
static bool is_comment(struct reader message, const char *at)
{
	size_t left = message.left - (size_t)(at - (const char *)message.data);
	struct nlattr head;

	if (message.left - left < sizeof head)
		return false;
	memcpy(&head, at - sizeof head, sizeof head);
	return (at[-2] == 0 && (uint8_t)at[-1] == strnlen(at, left) + 1) ||
	       (head.nla_type == NFTA_MATCH_INFO &&
	           head.nla_len == sizeof head + sizeof(struct xt_comment_info));
}

static bool has_comment(struct reader message, const char *start)
{
	const char *at;

	while ((at = memmem(message.data, message.left, start, strlen(start))) != NULL) {
		if (is_comment(message, at))
			return true;
		reader_skip(&message, (size_t)(at + 1 - (const char *)message.data));
	}
	return false;
}

/* A name stands in a command for a shell, and whoever may change rules may choose it. */
static bool is_plain(const char *name)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return *name != '\0' && name[strspn(name, plain)] == '\0';
}

static void note(struct found *f, const struct entry *e, struct reader message, bool rule)
{
	const char *comment = f->origin->comment;
	bool own = false;

	if (strcmp(e->table, "filter") != 0)
		return;
	for (size_t i = 0; i < 2 && f->origin->chains[i] != NULL; i++)
		if (strcmp(e->chain, f->origin->chains[i]) == 0)
			own = f->chains[i] = true;
	if (own || !rule || comment == NULL || !is_plain(e->chain) ||
	    !has_comment(message, comment))
		return;
	f->rules++;
	if (f->handles.size - f->handles.used > sizeof "delete rule inet filter  handle ; " + 20 +
	                                            strlen(e->chain)) /* no command in part */
		line_add(&f->handles, "delete rule inet filter %s handle %llu; ", e->chain,
		    (unsigned long long)e->handle);
}

/* Whether there is more to come. */
static bool read_answer(struct found *all, size_t count, struct reader answer, bool rule)
{
	const uint16_t wanted =
	    NFNL_SUBSYS_NFTABLES << 8 | (rule ? NFT_MSG_NEWRULE : NFT_MSG_NEWCHAIN);
	struct nlmsghdr head;

	while (answer.left >= sizeof head) {
		struct reader message;
		struct nfgenmsg family;
		struct entry entry;
		size_t whole;

		memcpy(&head, answer.data, sizeof head);
		if (head.nlmsg_len < sizeof head || head.nlmsg_len > answer.left ||
		    head.nlmsg_type == NLMSG_DONE || head.nlmsg_type == NLMSG_ERROR)
			return false;
		message = reader_of(answer.data + sizeof head, head.nlmsg_len - sizeof head);
		if (head.nlmsg_type == wanted && message.left >= sizeof family) {
			reader_take(&message, &family, sizeof family);
			read_entry(&entry, message, rule);
			for (size_t i = 0; i < count; i++)
				if (all[i].family == family.nfgen_family)
					note(&all[i], &entry, message, rule);
		}
		whole = NLMSG_ALIGN((size_t)head.nlmsg_len);
		reader_skip(&answer, whole < answer.left ? whole : answer.left);
	}
	return true;
}

static void look(int fd, struct found *all, size_t count, bool rule)
{
	const struct {
		struct nlmsghdr head;
		struct nfgenmsg family;
	} question = {{.nlmsg_len = sizeof question,
	                  .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 |
	                                (rule ? NFT_MSG_GETRULE : NFT_MSG_GETCHAIN),
	                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	    {.nfgen_family = NFPROTO_UNSPEC}};
	uint8_t *answer = malloc(ANSWER_BYTES);
	ssize_t got = -1;

	if (answer != NULL && send(fd, &question, sizeof question, 0) == sizeof question) {
		do {
			got = recv(fd, answer, ANSWER_BYTES, 0);
		} while (got > 0 && read_answer(all, count, reader_of(answer, (size_t)got), rule));
	}
	free(answer);
}

/* --- What is said */

static const char *tool_of(uint8_t family, bool legacy)
{
	if (family == NFPROTO_IPV4)
		return legacy ? "iptables-legacy" : "iptables-nft";
	return legacy ? "ip6tables-legacy" : "ip6tables-nft";
}

static void add_remedy(struct line *l, const struct found *f, bool legacy)
{
	const char *tool = tool_of(f->family, legacy);

	if (f->family == NFPROTO_INET) {
		line_add(l, "nft '%s", f->text);
		if (f->chains[0])
			line_add(l, "flush chain inet filter %s; delete chain inet filter %s",
			    f->origin->chains[0], f->origin->chains[0]);
		line_add(l, "'");
		return;
	}
	line_add(l, "%s -S INPUT | sed -n '/%s/s/^-A/-D/p' | xargs -rL1 %s", tool, f->origin->mark,
	    tool);
	for (size_t i = 0; i < 2; i++)
		if (f->chains[i])
			line_add(l, "; %s -F %s; %s -X %s", tool, f->origin->chains[i], tool,
			    f->origin->chains[i]);
}

static void tell_found(const struct found *f, bool legacy, void (*tell)(const char *text))
{
	static const char *const families[] = {
	    [NFPROTO_INET] = "inet", [NFPROTO_IPV4] = "ip", [NFPROTO_IPV6] = "ip6"};
	char text[1000];
	struct line l = {.text = text, .size = sizeof text};

	line_add(&l,
	    "an original %s server has left rules in the %stable \"%s filter\":", f->origin->server,
	    legacy ? "legacy " : "", families[f->family]);
	for (size_t i = 0; i < 2; i++)
		if (f->chains[i])
			line_add(&l, " chain %s,", f->origin->chains[i]);
	if (f->rules > 0)
		line_add(&l, " %u rule%s with the comment \"%s...\",", f->rules,
		    f->rules == 1 ? "" : "s", f->origin->comment);
	line_add(&l, " and what they let in is let in for good. They are not touched; once that "
	             "server has stopped, this removes them: ");
	add_remedy(&l, f, legacy);
	tell(text);
}

static void tell_if_there(const struct found *f, bool legacy, void (*tell)(const char *text))
{
	if (f->chains[0] || f->chains[1] || f->rules > 0)
		tell_found(f, legacy, tell);
}

static void look_at_legacy(const struct origin *origin, bool ipv6, void (*tell)(const char *text))
{
	struct found f = {.origin = origin, .family = ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4};

	for (size_t i = 0; i < 2 && origin->chains[i] != NULL; i++)
		f.chains[i] = legacy_table_has_chain(ipv6, origin->chains[i]);
	tell_if_there(&f, true, tell);
}

static void look_for(const struct origin *origin, int fd, void (*tell)(const char *text))
{
	static const uint8_t families[] = {NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6};
	struct found all[3] = {{.origin = NULL}};

	for (size_t i = 0; i < 3; i++) {
		all[i].origin = origin;
		all[i].family = families[i];
		all[i].handles = (struct line){.text = all[i].text, .size = sizeof all[i].text};
	}
	look(fd, all, 3, false);
	look(fd, all, 3, true);
	for (size_t i = 0; i < 3; i++)
		tell_if_there(&all[i], false, tell);
	look_at_legacy(origin, false, tell);
	look_at_legacy(origin, true, tell);
}

void leftovers_find(const struct conf *conf, void (*tell)(const char *text))
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0)
		return;
	look_for(&openme, fd, tell);
	if (!conf_has_openspa(conf) ||
	    conf_openspa_program(conf, CONF_TASK_RULE_ADD)->asked == CONF_ASKED_NATIVE)
		look_for(&openspa, fd, tell);
	fd_close(fd);
}
