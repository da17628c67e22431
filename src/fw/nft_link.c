#include "fw/nft_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <libnftnl/common.h>

#define ANSWER_BYTES 32768U /* the most the kernel puts into one datagram of a dump */

static int link_socket(struct nft_link *l)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK}, mine = {.nl_family = AF_NETLINK};
	socklen_t size = sizeof mine;
	int on = 1;

	l->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&mine, sizeof mine) < 0)
		return -errno;
	/* Connected, so that nobody but the kernel can send to it. */
	if (connect(l->fd, (struct sockaddr *)&kernel, sizeof kernel) < 0 ||
	    getsockname(l->fd, (struct sockaddr *)&mine, &size) < 0)
		return -errno;
	/* An error need not bring back the whole message that caused it. */
	if (setsockopt(l->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) < 0)
		return -errno;
	l->port = mine.nl_pid;
	return 0;
}

int nft_link_open(struct nft_link *l)
{
	int err;

	*l = (struct nft_link){.fd = -1};
	err = link_socket(l);
	if (err == 0) {
		l->buffer = calloc(1, NFT_BATCH_BYTES); /* padding goes to the kernel as it is */
		l->answers = malloc(ANSWER_BYTES);
		if (l->buffer == NULL || l->answers == NULL)
			err = -ENOMEM;
	}
	if (err != 0)
		nft_link_close(l);
	return err;
}

void nft_link_close(struct nft_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	free(l->buffer);
	free(l->answers);
	*l = (struct nft_link){.fd = -1};
}

/* Where the next message goes. */
static char *link_tail(struct nft_link *l)
{
	return (char *)l->message + NLMSG_ALIGN(l->message->nlmsg_len);
}

void nft_batch_begin(struct nft_link *l)
{
	l->first = ++l->seq;
	l->message = nftnl_batch_begin(l->buffer, l->first);
	l->messages = 0;
	l->full = false;
}

struct nlmsghdr *nft_batch_add(struct nft_link *l, uint16_t type, uint8_t family, uint16_t flags)
{
	char *tail = link_tail(l);

	/* Room for this one and for the closing message. A full batch is never sent, so its last
	 * message may be written over. */
	if (tail + 2 * NFT_MESSAGE_BYTES > l->buffer + NFT_BATCH_BYTES) {
		l->full = true;
		tail = (char *)l->message;
	}
	l->messages++;
	l->message = nftnl_nlmsg_build_hdr(tail, type, family, flags, ++l->seq);
	return l->message;
}

static int link_send(struct nft_link *l, size_t size)
{
	ssize_t sent;

	do {
		sent = send(l->fd, l->buffer, size, 0);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* One datagram into the answer buffer: its size, or a negative errno. */
static ssize_t link_receive(struct nft_link *l)
{
	ssize_t got;

	do {
		got = recv(l->fd, l->answers, ANSWER_BYTES, MSG_DONTWAIT | MSG_TRUNC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	return got > (ssize_t)ANSWER_BYTES ? -EMSGSIZE : got;
}

/* NLMSG_ERROR and NLMSG_DONE both begin with an errno, zero or negative. */
static int answer_error(const struct nlmsghdr *answer)
{
	int err;

	if (mnl_nlmsg_get_payload_len(answer) < sizeof err)
		return -EBADMSG;
	memcpy(&err, mnl_nlmsg_get_payload(answer), sizeof err);
	return err;
}

/* Between `first` and `last`, both included, in a circle of 2^32. */
static bool is_ours(const struct nlmsghdr *answer, uint32_t first, uint32_t last)
{
	return answer->nlmsg_seq - first <= last - first;
}

static bool is_echo(const struct nlmsghdr *answer)
{
	return answer->nlmsg_type >= NLMSG_MIN_TYPE &&
	       mnl_nlmsg_get_payload_len(answer) >= sizeof(struct nfgenmsg);
}

/* Looks through one datagram for what became of the messages first..last. */
static void batch_answers(
    const struct nft_link *l, ssize_t size, uint32_t last, int *failure, bool *acknowledged)
{
	const struct nlmsghdr *answer = (const struct nlmsghdr *)l->answers;
	int left = (int)size;

	for (; mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left)) {
		int err;

		if (!is_ours(answer, l->first, last))
			continue;
		if (l->echo != NULL && is_echo(answer))
			l->echo(answer, l->echo_data);
		if (answer->nlmsg_type != NLMSG_ERROR)
			continue;
		err = answer_error(answer);
		if (err != 0 && *failure == 0)
			*failure = err;
		if (err == 0 && answer->nlmsg_seq == last)
			*acknowledged = true;
	}
}

/* The acknowledgement of the last message comes after every error of the batch, so a good batch
 * costs one receive call; after a bad one the socket is emptied. */
static int batch_await(struct nft_link *l, uint32_t last)
{
	bool acknowledged = false;
	int failure = 0;

	while (failure != 0 || !acknowledged) {
		ssize_t got = link_receive(l);

		if (got == -EAGAIN)
			return failure != 0 ? failure : -EIO;
		if (got < 0 && failure == 0)
			failure = (int)got; /* ENOBUFS: more errors than the socket can hold */
		if (got >= 0)
			batch_answers(l, got, last, &failure, &acknowledged);
	}
	return 0;
}

int nft_batch_commit(struct nft_link *l)
{
	struct nlmsghdr *last = l->message, *end;
	int err;

	if (l->full)
		return -EMSGSIZE;
	if (l->messages == 0)
		return 0;
	last->nlmsg_flags |= NLM_F_ACK;
	end = nftnl_batch_end(link_tail(l), ++l->seq);
	err = link_send(l, (size_t)((char *)end - l->buffer) + end->nlmsg_len);
	return err != 0 ? err : batch_await(l, last->nlmsg_seq);
}

struct nlmsghdr *nft_ask_start(struct nft_link *l, uint16_t type, uint8_t family, uint16_t flags)
{
	l->message = nftnl_nlmsg_build_hdr(l->buffer, type, family, flags, ++l->seq);
	return l->message;
}

struct asking {
	uint32_t seq;
	int (*each)(const struct nlmsghdr *answer, void *data);
	void *data;
	int failure;
	bool torn;
	bool done;
};

static void ask_answer(struct asking *a, const struct nlmsghdr *answer)
{
	int err = 0;

	if (answer->nlmsg_seq != a->seq || a->done)
		return;
	if (answer->nlmsg_flags & NLM_F_DUMP_INTR)
		a->torn = true;
	a->done = answer->nlmsg_type == NLMSG_ERROR || answer->nlmsg_type == NLMSG_DONE;
	if (a->done)
		err = answer_error(answer);
	else if (answer->nlmsg_type >= NLMSG_MIN_TYPE &&
	         mnl_nlmsg_get_payload_len(answer) >= sizeof(struct nfgenmsg))
		err = a->each(answer, a->data);
	if (err < 0 && a->failure == 0)
		a->failure = err;
}

int nft_ask(struct nft_link *l, int (*each)(const struct nlmsghdr *answer, void *data), void *data)
{
	struct asking a = {.seq = l->message->nlmsg_seq, .each = each, .data = data};
	int err;

	l->message->nlmsg_flags |= NLM_F_REQUEST;
	if (!(l->message->nlmsg_flags & NLM_F_DUMP))
		l->message->nlmsg_flags |= NLM_F_ACK;
	err = link_send(l, l->message->nlmsg_len);
	while (err == 0 && !a.done) {
		const struct nlmsghdr *answer = (const struct nlmsghdr *)l->answers;
		ssize_t got = link_receive(l);
		int left = (int)got;

		if (got < 0)
			err = got == -EAGAIN ? -EIO : (int)got;
		for (; left > 0 && mnl_nlmsg_ok(answer, left);
		     answer = mnl_nlmsg_next(answer, &left))
			ask_answer(&a, answer);
	}
	if (err == 0)
		err = a.failure;
	return err == 0 && a.torn ? -EINTR : err;
}
