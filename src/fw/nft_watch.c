/* Has somebody else changed our table? A socket that says when to look, and a fingerprint to look
 * at. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "fw/nft.h"

#define NEW_GENERATION (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN)

/* Every transaction ends with one "new generation" that carries its maker's port. Passing only
 * those of others keeps our own grants from waking us. The filter loads in network order what
 * netlink has in host order. */
static int watch_filter(int fd, uint32_t port)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(NEW_GENERATION), 0, 3),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port), 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

int nft_watch_open(uint32_t port)
{
	struct sockaddr_nl mine = {.nl_family = AF_NETLINK};
	int group = NFNLGRP_NFTABLES;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (watch_filter(fd, port) < 0 || bind(fd, (struct sockaddr *)&mine, sizeof mine) < 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
		err = -errno;
		close(fd);
	}
	return err != 0 ? err : fd;
}

void nft_watch_drain(int fd)
{
	char ignored[256];
	ssize_t got;

	/* What was lost (ENOBUFS) is no loss: the fingerprint is looked at in any case. */
	do {
		got = recv(fd, ignored, sizeof ignored, MSG_DONTWAIT);
	} while (got >= 0 || errno == EINTR || errno == ENOBUFS);
}

struct printing {
	crypto_generichash_state state;
	struct nft_fingerprint *out;
};

static bool names(const struct nlattr *a, const char *name)
{
	return strcmp(nft_attribute_text(a), name) == 0;
}

struct adding {
	crypto_generichash_state *state;
	uint16_t except;
};

static int add_attribute(const struct nlattr *a, void *data)
{
	const struct adding *adding = data;

	if (mnl_attr_get_type(a) != adding->except)
		crypto_generichash_update(adding->state, (const uint8_t *)a, a->nla_len);
	return MNL_CB_OK;
}

/* All attributes but `except` count (handles, priority, policy, expressions, how often a thing is
 * used); the header does not, for it holds the number of the generation. */
static void print_add(
    crypto_generichash_state *state, const struct nlmsghdr *answer, uint16_t except)
{
	struct adding adding = {state, except};

	(void)mnl_attr_parse(answer, sizeof(struct nfgenmsg), add_attribute, &adding);
}

/* The number of its sets and chains changes when ranges come and go. */
static int print_table(const struct nlmsghdr *answer, void *data)
{
	struct printing *p = data;

	print_add(&p->state, answer, NFTA_TABLE_USE);
	return 0;
}

static int print_chain(const struct nlmsghdr *answer, void *data)
{
	const struct nft_attributes a = nft_attributes_of(answer);
	struct printing *p = data;

	if (names(a.at[NFTA_CHAIN_TABLE], NFT_TABLE))
		print_add(&p->state, answer,
		    names(a.at[NFTA_CHAIN_NAME], NFT_RANGES_CHAIN) ? NFTA_CHAIN_USE
		                                                   : NFTA_CHAIN_UNSPEC);
	return 0;
}

/* Without the neighbour's handle, which is not its own business. */
void nft_rule_fingerprint_take(struct nft_rule_fingerprint *out, const struct nlmsghdr *rule)
{
	crypto_generichash_state state;

	out->handle = nft_attribute_u64(nft_attributes_of(rule).at[NFTA_RULE_HANDLE]);
	crypto_generichash_init(&state, NULL, 0, sizeof out->digest);
	print_add(&state, rule, NFTA_RULE_POSITION);
	crypto_generichash_final(&state, out->digest, sizeof out->digest);
}

static void print_range(struct nft_fingerprint *out, const struct nlmsghdr *answer)
{
	if (out->range_count < FW_RANGES)
		nft_rule_fingerprint_take(&out->ranges[out->range_count], answer);
	out->range_count++;
}

static int print_rule(const struct nlmsghdr *answer, void *data)
{
	const struct nft_attributes a = nft_attributes_of(answer);
	struct printing *p = data;

	if (!names(a.at[NFTA_RULE_TABLE], NFT_TABLE))
		return 0;
	if (names(a.at[NFTA_RULE_CHAIN], NFT_RANGES_CHAIN))
		print_range(p->out, answer);
	else
		print_add(&p->state, answer, NFTA_RULE_UNSPEC);
	return 0;
}

static int print_rules(struct nft_link *l, struct printing *p)
{
	struct nlmsghdr *m = nft_ask_start(l, NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP);

	p->out->range_count = 0;
	mnl_attr_put_strz(m, NFTA_RULE_TABLE, NFT_TABLE);
	return nft_ask(l, print_rule, p);
}

static int print_once(struct nft_link *l, struct printing *p)
{
	struct nlmsghdr *m;
	int err;

	crypto_generichash_init(&p->state, NULL, 0, crypto_generichash_BYTES);
	m = nft_ask_start(l, NFT_MSG_GETTABLE, NFPROTO_INET, 0);
	mnl_attr_put_strz(m, NFTA_TABLE_NAME, NFT_TABLE);
	err = nft_ask(l, print_table, p);
	if (err == 0) {
		nft_ask_start(l, NFT_MSG_GETCHAIN, NFPROTO_INET, NLM_F_DUMP);
		err = nft_ask(l, print_chain, p);
	}
	return err != 0 ? err : print_rules(l, p);
}

int nft_fingerprint_take(struct nft_link *l, struct nft_fingerprint *out)
{
	struct printing p = {.out = out};
	int err = -EINTR;

	for (int tries = 0; err == -EINTR && tries < 8; tries++)
		err = print_once(l, &p);
	crypto_generichash_final(&p.state, out->digest, sizeof out->digest);
	return err;
}

static int read_generation(const struct nlmsghdr *answer, void *data)
{
	return nft_attribute_u32(nft_attributes_of(answer).at[NFTA_GEN_ID], data) ? 0 : -EBADMSG;
}

int nft_generation(struct nft_link *l, uint32_t *out)
{
	nft_ask_start(l, NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0);
	return nft_ask(l, read_generation, out);
}

bool nft_fingerprint_has_ranges(const struct nft_fingerprint *p, const struct nft_ranges *ranges)
{
	if (p->range_count != ranges->count)
		return false;
	for (uint32_t i = 0; i < ranges->count; i++) {
		if (memcmp(p->ranges[i].digest, ranges->rules[i].digest,
		        sizeof p->ranges[i].digest) != 0)
			return false;
	}
	return true;
}
