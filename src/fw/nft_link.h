/* Talk with the kernel's nf_tables over one netlink socket. Answers are queued by the kernel while
 * a request is being sent, so nothing here ever waits. One buffer serves all. */
#ifndef FW_NFT_LINK_H
#define FW_NFT_LINK_H

#include <libmnl/libmnl.h>
#include <netinet/in.h> /* before the kernel's twin of it */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#define NFT_BATCH_BYTES   (128U * 1024U)        /* one transaction; a large one gets more room */
#define NFT_BATCH_MOST    (64U * 1024U * 1024U) /* and this is the most it can get */
#define NFT_MESSAGE_BYTES 2048U                 /* room that every message may count on */
#define NFT_NAME_BYTES    256U                  /* of tables, chains and sets */

struct nft_link {
	int fd;
	uint32_t port; /* our netlink address: transactions of others carry another */
	uint32_t seq;
	uint32_t first; /* sequence number of the batch's opening message */
	char *buffer;
	size_t room; /* of the buffer */
	char *answers;
	struct nlmsghdr *message; /* the one being built */
	size_t messages;
	bool full;
	/* Gets what the kernel sends back of messages with NLM_F_ECHO, as `each` of nft_ask does;
	 * NULL: nobody does. */
	int (*echo)(const struct nlmsghdr *answer, void *data);
	void *echo_data;
};

/* `fd`: a socket for NETLINK_NETFILTER, perhaps a predecessor's, and the link's from now on; -1: a
 * new one. 0 or a negative errno; close is safe after a failed open and on a zeroed link with fd
 * -1. */
int nft_link_open(struct nft_link *l, int fd);
void nft_link_close(struct nft_link *l);

/* A transaction: begin, messages, commit. nft_batch_add returns an empty message to which
 * attributes may be added until the next call, at most NFT_MESSAGE_BYTES; it never fails, for when
 * there is no more room commit does (-EMSGSIZE). */
void nft_batch_begin(struct nft_link *l);
struct nlmsghdr *nft_batch_add(struct nft_link *l, uint16_t type, uint8_t family, uint16_t flags);
/* Sends the lot. 0 when all of it took effect; else the first error, and none of it did. Nothing
 * is sent when no message was added. */
int nft_batch_commit(struct nft_link *l);

/* A question: build it with nft_ask_start, then nft_ask hands every answer to `each`, whose first
 * negative return value becomes that of nft_ask. -EINTR: the rule set changed meanwhile, what was
 * handed over may be torn. `each` must not use the link. */
struct nlmsghdr *nft_ask_start(struct nft_link *l, uint16_t type, uint8_t family, uint16_t flags);
int nft_ask(struct nft_link *l, int (*each)(const struct nlmsghdr *answer, void *data), void *data);

/* Attributes of an answer or of a nest, by type. What is not there, is of a type that we do not
 * know or does not have the form asked for reads as nothing: others put there what they like. */
#define NFT_ATTRIBUTES 32
struct nft_attributes {
	const struct nlattr *at[NFT_ATTRIBUTES];
};
struct nft_attributes nft_attributes_of(const struct nlmsghdr *answer);
struct nft_attributes nft_attributes_in(const struct nlattr *nest); /* NULL: none */
const char *nft_attribute_text(const struct nlattr *a);             /* "" for nothing */
bool nft_attribute_u32(const struct nlattr *a, uint32_t *out);
uint64_t nft_attribute_u64(const struct nlattr *a); /* 0 for nothing */

#endif
