#include "fw/nft_link.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include "base/fd.h"

#define ANSWER_BYTES 32768U /* the most the kernel puts into one datagram of a dump */
#define NFTABLES     (NFNL_SUBSYS_NFTABLES << 8) /* with the type of a message */
#define SOCKET_BYTES (2 * NFT_BATCH_MOST)        /* a limit, not memory that is taken */

/* What a predecessor was answered, to the end of it. */
static void link_drain(const struct nft_link *l)
{
	char some[64];

	while (recv(l->fd, some, sizeof some, MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS)
		;
}

static int link_socket(struct nft_link *l, int fd)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK}, mine = {.nl_family = AF_NETLINK};
	socklen_t size = sizeof mine;
	int on = 1;

	l->fd = fd >= 0 ? fd : socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (l->fd < 0 || getsockname(l->fd, (struct sockaddr *)&mine, &size) < 0 ||
	    (mine.nl_pid == 0 && bind(l->fd, (struct sockaddr *)&mine, sizeof mine) < 0))
		return -errno;
	/* Connected, so that nobody but the kernel can send to it. */
	if (connect(l->fd, (struct sockaddr *)&kernel, sizeof kernel) < 0 ||
	    getsockname(l->fd, (struct sockaddr *)&mine, &size) < 0)
		return -errno;
	link_drain(l);
	/* An error need not bring back the whole message that caused it. */
	if (setsockopt(l->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) < 0)
		return -errno;
	l->port = mine.nl_pid;
	return 0;
}

/* A batch is sent in one go, and all that comes back of it waits in the socket. Where that is not
 * allowed a large one fails. */
static void link_widen(const struct nft_link *l)
{
	int most = SOCKET_BYTES;

	(void)setsockopt(l->fd, SOL_SOCKET, SO_SNDBUFFORCE, &most, sizeof most);
	(void)setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &most, sizeof most);
}

/* Padding goes to the kernel as it is, so all that is new is zero. */
static bool link_resize(struct nft_link *l, size_t room, size_t used)
{
	char *buffer = calloc(1, room);

	if (buffer == NULL)
		return false;
	if (used > 0) {
		memcpy(buffer, l->buffer, used);
		l->message = (struct nlmsghdr *)(buffer + ((char *)l->message - l->buffer));
	}
	free(l->buffer);
	l->buffer = buffer;
	l->room = room;
	return true;
}

int nft_link_open(struct nft_link *l, int fd)
{
	int err;

	*l = (struct nft_link){.fd = -1};
	err = link_socket(l, fd);
	if (err == 0) {
		link_widen(l);
		l->answers = malloc(ANSWER_BYTES);
		if (!link_resize(l, NFT_BATCH_BYTES, 0) || l->answers == NULL)
			err = -ENOMEM;
	}
	if (err != 0)
		nft_link_close(l);
	return err;
}

void nft_link_close(struct nft_link *l)
{
	fd_close(l->fd);
	free(l->buffer);
	free(l->answers);
	*l = (struct nft_link){.fd = -1};
}

/* Where the next message goes. */
static char *link_tail(struct nft_link *l)
{
	return (char *)l->message + NLMSG_ALIGN(l->message->nlmsg_len);
}

static struct nlmsghdr *link_message(
    struct nft_link *l, char *at, uint16_t type, uint8_t family, uint16_t flags)
{
	struct nfgenmsg *head;

	l->message = mnl_nlmsg_put_header(at);
	l->message->nlmsg_type = type;
	l->message->nlmsg_flags = NLM_F_REQUEST | flags;
	l->message->nlmsg_seq = ++l->seq;
	head = mnl_nlmsg_put_extra_header(l->message, sizeof *head);
	head->nfgen_family = family;
	head->version = NFNETLINK_V0;
	/* Whose batch begins or ends. */
	head->res_id = type < NFTABLES ? htobe16(NFNL_SUBSYS_NFTABLES) : 0;
	return l->message;
}

void nft_batch_begin(struct nft_link *l)
{
	if (l->room > NFT_BATCH_BYTES)
		link_resize(l, NFT_BATCH_BYTES, 0); /* after a large one */
	link_message(l, l->buffer, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, 0);
	l->first = l->seq;
	l->messages = 0;
	l->full = false;
}

/* Makes room for a message and for the closing one. */
static bool batch_grow(struct nft_link *l)
{
	size_t used = (size_t)(link_tail(l) - l->buffer);

	if (used + (size_t)2 * NFT_MESSAGE_BYTES <= l->room)
		return true;
	return l->room * 2 <= NFT_BATCH_MOST && link_resize(l, l->room * 2, used);
}

struct nlmsghdr *nft_batch_add(struct nft_link *l, uint16_t type, uint8_t family, uint16_t flags)
{
	/* A full batch is never sent, so its last message may be written over. */
	l->full = !batch_grow(l) || l->full;
	l->messages++;
	return link_message(
	    l, l->full ? (char *)l->message : link_tail(l), NFTABLES | type, family, flags);
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

/* What comes back of the messages first..last. */
struct awaiting {
	uint32_t first, last;
	bool by_done; /* NLMSG_DONE ends it, too */
	int (*each)(const struct nlmsghdr *answer, void *data);
	void *data;
	int failure; /* the first */
	bool torn;
	bool done;
};

static void take_answer(struct awaiting *a, const struct nlmsghdr *answer)
{
	int err = 0;

	if (a->done || !is_ours(answer, a->first, a->last))
		return;
	a->torn = a->torn || (answer->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	if (answer->nlmsg_type == NLMSG_ERROR || (a->by_done && answer->nlmsg_type == NLMSG_DONE)) {
		err = answer_error(answer);
		a->done = err == 0 && answer->nlmsg_seq == a->last;
	} else if (a->each != NULL && answer->nlmsg_type >= NLMSG_MIN_TYPE &&
	           mnl_nlmsg_get_payload_len(answer) >= sizeof(struct nfgenmsg)) {
		err = a->each(answer, a->data);
	}
	if (err < 0 && a->failure == 0)
		a->failure = err;
}

/* The acknowledgement of the last message comes after every error of a batch, so when all is well
 * nothing is received in vain; when it is not the socket is emptied. */
static int await(struct nft_link *l, struct awaiting *a)
{
	while (a->failure != 0 || !a->done) {
		const struct nlmsghdr *answer = (const struct nlmsghdr *)l->answers;
		ssize_t got = link_receive(l);
		int left = (int)got;

		if (got == -EAGAIN)
			return a->failure != 0 ? a->failure : -EIO;
		if (got < 0 && a->failure == 0)
			a->failure = (int)got; /* ENOBUFS: more errors than the socket can hold */
		for (; left > 0 && mnl_nlmsg_ok(answer, left);
		     answer = mnl_nlmsg_next(answer, &left))
			take_answer(a, answer);
	}
	return a->torn ? -EINTR : 0;
}

int nft_batch_commit(struct nft_link *l)
{
	struct awaiting a = {.first = l->first,
	    .last = l->message->nlmsg_seq,
	    .each = l->echo,
	    .data = l->echo_data};
	struct nlmsghdr *end;
	int err;

	if (l->full)
		return -EMSGSIZE;
	if (l->messages == 0)
		return 0;
	l->message->nlmsg_flags |= NLM_F_ACK;
	end = link_message(l, link_tail(l), NFNL_MSG_BATCH_END, AF_UNSPEC, 0);
	err = link_send(l, (size_t)((char *)end - l->buffer) + end->nlmsg_len);
	return err != 0 ? err : await(l, &a);
}

struct nlmsghdr *nft_ask_start(struct nft_link *l, uint16_t type, uint8_t family, uint16_t flags)
{
	return link_message(l, l->buffer, NFTABLES | type, family, flags);
}

int nft_ask(struct nft_link *l, int (*each)(const struct nlmsghdr *answer, void *data), void *data)
{
	uint32_t seq = l->message->nlmsg_seq;
	struct awaiting a = {
	    .first = seq, .last = seq, .by_done = true, .each = each, .data = data};
	int err;

	if (!(l->message->nlmsg_flags & NLM_F_DUMP))
		l->message->nlmsg_flags |= NLM_F_ACK;
	err = link_send(l, l->message->nlmsg_len);
	return err != 0 ? err : await(l, &a);
}

static int sort_attribute(const struct nlattr *a, void *data)
{
	struct nft_attributes *table = data;

	if (mnl_attr_get_type(a) < NFT_ATTRIBUTES)
		table->at[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

struct nft_attributes nft_attributes_of(const struct nlmsghdr *answer)
{
	struct nft_attributes table = {{NULL}};

	(void)mnl_attr_parse(answer, sizeof(struct nfgenmsg), sort_attribute, &table);
	return table;
}

struct nft_attributes nft_attributes_in(const struct nlattr *nest)
{
	struct nft_attributes table = {{NULL}};

	if (nest != NULL)
		(void)mnl_attr_parse_nested(nest, sort_attribute, &table);
	return table;
}

const char *nft_attribute_text(const struct nlattr *a)
{
	return a != NULL && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(a)
	                                                                   : "";
}

bool nft_attribute_u32(const struct nlattr *a, uint32_t *out)
{
	if (a == NULL || mnl_attr_validate(a, MNL_TYPE_U32) < 0)
		return false;
	*out = be32toh(mnl_attr_get_u32(a));
	return true;
}

uint64_t nft_attribute_u64(const struct nlattr *a)
{
	return a != NULL && mnl_attr_validate(a, MNL_TYPE_U64) == 0 ? be64toh(mnl_attr_get_u64(a))
	                                                            : 0;
}
