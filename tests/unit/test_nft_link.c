/* The link and the watch, with a kernel that the test plays: answers that no real one can be made
 * to give. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "emulated.h"
#include "fw/nft.h"
#include "short_memory.h"

#define ANSWER    ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWTABLE)
#define HEAD      sizeof(struct nfgenmsg)
#define TOO_LARGE 32769U /* for the link's buffer */
#define BATCH     2      /* messages of ours in a batch, between its two ends */

static struct nft_link l;
static int far = -1;
static char request[256]; /* how what was sent last begins */

/* One message of the kernel's. Several with `more` are one datagram. */
struct answer {
	uint16_t type;
	int after; /* its number is so much behind that of the first message */
	int error;
	size_t size; /* of what is behind the header */
	uint16_t flags;
	bool more;
};
#define ACK(n)                                                         \
	{                                                              \
		NLMSG_ERROR, (n), 0, sizeof(struct nlmsgerr), 0, false \
	}
#define ERROR(n, error)                                                      \
	{                                                                    \
		NLMSG_ERROR, (n), (error), sizeof(struct nlmsgerr), 0, false \
	}
#define TOLD(n)                                \
	{                                      \
		ANSWER, (n), 0, HEAD, 0, false \
	}
#define DONE(error)                                           \
	{                                                     \
		NLMSG_DONE, 0, (error), sizeof(int), 0, false \
	}

static int enter(void **state)
{
	int fds[2];

	(void)state;
	if (nft_link_open(&l, -1) != 0 ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) != 0 || dup2(fds[0], l.fd) < 0)
		return -1;
	close(fds[0]);
	far = fds[1];
	return 0;
}

static int leave(void **state)
{
	int fd = l.fd;

	(void)state;
	close(far);
	nft_link_close(&l);
	return l.fd == -1 && l.buffer == NULL && fcntl(fd, F_GETFD) == -1 ? 0 : -1;
}

static void play(const struct answer *a, size_t count, uint32_t first)
{
	static char datagram[2 * TOO_LARGE];
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		struct nlmsghdr *m = (struct nlmsghdr *)(datagram + used);

		memset(m, 0, NLMSG_SPACE(a[i].size));
		m->nlmsg_len = (uint32_t)NLMSG_LENGTH(a[i].size);
		m->nlmsg_type = a[i].type;
		m->nlmsg_flags = a[i].flags;
		m->nlmsg_seq = first + (uint32_t)a[i].after;
		memcpy(NLMSG_DATA(m), &a[i].error, sizeof a[i].error);
		used += NLMSG_SPACE(a[i].size);
		if (a[i].more)
			continue;
		assert_int_equal(send(far, datagram, used, 0), used);
		used = 0;
	}
}

/* All that was sent to the kernel, or that it has sent and nobody has read. */
static size_t drain(int fd)
{
	size_t count = 0;

	while (recv(fd, request, sizeof request, MSG_DONTWAIT) >= 0)
		count++;
	return count;
}

/* Counts what is handed over, and returns from the nth time on (0: never) what the test wants. */
static int told, told_from, told_says;

static int tell(const struct nlmsghdr *answer, void *data)
{
	assert_ptr_equal(data, &told);
	assert_int_equal(answer->nlmsg_type, ANSWER);
	told++;
	return told_from > 0 && told >= told_from ? told_says-- : 0;
}

/* --- Transactions */

static int commit(const struct answer *a, size_t count)
{
	int err;

	nft_batch_begin(&l);
	for (int i = 0; i < BATCH; i++)
		nft_batch_add(&l, NFT_MSG_NEWTABLE, NFPROTO_INET, 0);
	play(a, count, l.first);
	err = nft_batch_commit(&l);
	assert_int_equal(drain(far), 1);
	return err;
}

static void what_became_of_a_batch(void **state)
{
	static const struct {
		struct answer a[3];
		size_t count;
		int err;
	} cases[] = {
	    {{ACK(BATCH)}, 1, 0},
	    {{{0}}, 0, -EIO},
	    {{ACK(BATCH - 1)}, 1, -EIO},
	    {{ACK(BATCH + 1)}, 1, -EIO},
	    {{{NLMSG_DONE, BATCH, 0, sizeof(int), 0, false}}, 1, -EIO},
	    {{ERROR(0, -EPERM)}, 1, -EPERM},
	    {{ERROR(BATCH, -EPERM)}, 1, -EPERM},
	    {{ERROR(-1, -EPERM), ACK(BATCH)}, 2, 0},
	    {{ERROR(BATCH + 1, -EPERM), ACK(BATCH)}, 2, 0},
	    {{ERROR(1, -ENOENT), ERROR(2, -EEXIST), ACK(BATCH)}, 3, -ENOENT},
	    {{{NLMSG_ERROR, 1, -ENOENT, sizeof(struct nlmsgerr), 0, true}, ACK(BATCH)}, 2, -ENOENT},
	    {{{NLMSG_ERROR, 1, 0, sizeof(int) - 1, 0, false}, ACK(BATCH)}, 2, -EBADMSG},
	    {{{NLMSG_ERROR, BATCH, 0, sizeof(int), 0, false}}, 1, 0},
	    {{{NLMSG_NOOP, 0, 0, TOO_LARGE - NLMSG_HDRLEN, 0, false}, ACK(BATCH)}, 2, -EMSGSIZE},
	    {{{NLMSG_NOOP, 0, 0, TOO_LARGE - 1 - NLMSG_HDRLEN, 0, false}, ACK(BATCH)}, 2, 0},
	    {{ERROR(1, -ENOENT), {NLMSG_NOOP, 0, 0, TOO_LARGE, 0, false}}, 2, -ENOENT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int err = commit(cases[i].a, cases[i].count);

		if (err != cases[i].err)
			fail_msg("case %zu: %d", i, err);
		if (drain(l.fd) != 0)
			fail_msg("case %zu: left for the next one", i);
	}
}

/* Numbers of messages begin anew at 0. */
static void numbers_go_round(void **state)
{
	static const struct answer good[] = {ACK(BATCH)}, bad[] = {ERROR(BATCH, -EPERM)},
	                           before[] = {ERROR(-1, -EPERM), ACK(BATCH)};

	(void)state;
	for (uint32_t back = 0; back < 5; back++) {
		l.seq = UINT32_MAX - back;
		assert_int_equal(commit(good, 1), 0);
		l.seq = UINT32_MAX - back;
		assert_int_equal(commit(bad, 1), -EPERM);
		l.seq = UINT32_MAX - back;
		assert_int_equal(commit(before, 2), 0);
	}
}

static void only_new_rules_are_echoed(void **state)
{
	static const struct answer a[] = {TOLD(0), TOLD(-1), TOLD(BATCH + 1), TOLD(BATCH),
	    {ANSWER, 1, 0, HEAD - 1, 0, false}, {NLMSG_MIN_TYPE - 1, 1, 0, HEAD, 0, false},
	    ACK(BATCH)};

	(void)state;
	told = told_from = told_says = 0;
	l.echo = tell;
	l.echo_data = &told;
	assert_int_equal(commit(a, sizeof a / sizeof *a), 0);
	assert_int_equal(told, 2);
	l.echo = NULL;
	assert_int_equal(commit(a, sizeof a / sizeof *a), 0);
	assert_int_equal(told, 2);
}

static void how_a_batch_is_sent(void **state)
{
	static const struct answer good[] = {ACK(BATCH)};
	const struct nlmsghdr *m = (const struct nlmsghdr *)request;
	uint32_t seq;

	(void)state;
	assert_int_equal(commit(good, 1), 0);
	seq = m->nlmsg_seq;
	for (uint16_t i = 0; i < BATCH + 2; i++) {
		const struct nfgenmsg *head = mnl_nlmsg_get_payload(m);
		bool is_end = i == 0 || i == BATCH + 1;

		assert_int_equal(m->nlmsg_seq, seq + i);
		assert_int_equal(m->nlmsg_flags, NLM_F_REQUEST | (i == BATCH ? NLM_F_ACK : 0));
		assert_int_equal(head->version, NFNETLINK_V0);
		assert_int_equal(head->res_id, is_end ? htobe16(NFNL_SUBSYS_NFTABLES) : 0);
		assert_int_equal(head->nfgen_family, is_end ? AF_UNSPEC : NFPROTO_INET);
		m = (const struct nlmsghdr *)((const char *)m + NLMSG_ALIGN(m->nlmsg_len));
	}
	nft_batch_begin(&l);
	assert_int_equal(nft_batch_commit(&l), 0);
	assert_int_equal(drain(far), 0); /* of nothing nothing is sent */
}

/* What is behind the last message is sent as padding, and would tell what stood there before. */
static void a_large_one_gets_room(void **state)
{
	static const char value[2000] = "x";
	size_t most = 0, count = 0;
	struct nlmsghdr *m;

	(void)state;
	nft_batch_begin(&l);
	while (!l.full) {
		m = nft_batch_add(&l, NFT_MSG_NEWTABLE, NFPROTO_INET, 0);
		assert_true((char *)m + (size_t)2 * NFT_MESSAGE_BYTES <= l.buffer + l.room);
		if (l.full)
			break;
		assert_int_equal(((char *)m)[NFT_MESSAGE_BYTES - 1], 0);
		mnl_attr_put(m, 1, sizeof value, value);
		count++;
		if (l.room != most)
			assert_int_equal(l.room, most == 0 ? NFT_BATCH_BYTES : 2 * most);
		most = l.room;
	}
	assert_int_equal(most, NFT_BATCH_MOST);
	assert_in_range(count * sizeof value, NFT_BATCH_MOST / 10 * 9, NFT_BATCH_MOST);
	m = (struct nlmsghdr *)l.buffer;
	for (size_t i = 0; i + 1 < count; i++) { /* and all but the last are there still */
		m = (struct nlmsghdr *)((char *)m + NLMSG_ALIGN(m->nlmsg_len));
		assert_int_equal(m->nlmsg_seq, l.first + i + 1);
	}
	nft_batch_add(&l, NFT_MSG_NEWTABLE, NFPROTO_INET, 0);
	assert_int_equal(nft_batch_commit(&l), -EMSGSIZE);
	assert_int_equal(drain(far), 0);
	nft_batch_begin(&l);
	assert_int_equal(l.room, NFT_BATCH_BYTES);
	how_a_batch_is_sent(state);
}

/* --- Questions */

static int ask(uint16_t flags, const struct answer *a, size_t count)
{
	struct nlmsghdr *m = nft_ask_start(&l, NFT_MSG_GETTABLE, NFPROTO_INET, flags);
	int err;

	told = 0;
	play(a, count, m->nlmsg_seq);
	err = nft_ask(&l, tell, &told);
	assert_int_equal(drain(far), 1);
	assert_int_equal(((struct nlmsghdr *)request)->nlmsg_flags,
	    NLM_F_REQUEST | (flags != 0 ? flags : NLM_F_ACK));
	drain(l.fd);
	return err;
}

static void what_a_question_is_answered(void **state)
{
	static const struct {
		struct answer a[4];
		size_t count;
		int told, from, says, err;
	} cases[] = {
	    {{TOLD(0), TOLD(0), DONE(0)}, 3, 2, 0, 0, 0},
	    {{TOLD(0), ACK(0)}, 2, 1, 0, 0, 0},
	    {{{ANSWER, 0, 0, HEAD, 0, true}, DONE(0)}, 2, 1, 0, 0, 0},
	    {{{ANSWER, 0, 0, HEAD - 1, 0, false}, DONE(0)}, 2, 0, 0, 0, 0},
	    {{{NLMSG_MIN_TYPE - 1, 0, 0, HEAD, 0, false}, DONE(0)}, 2, 0, 0, 0, 0},
	    {{TOLD(1), TOLD(-1), DONE(0)}, 3, 0, 0, 0, 0},
	    {{TOLD(0), {NLMSG_DONE, 1, 0, sizeof(int), 0, false}}, 2, 1, 0, 0, -EIO},
	    {{{NLMSG_DONE, 0, 0, sizeof(int), 0, true}, TOLD(0)}, 2, 0, 0, 0, 0},
	    {{ERROR(0, -ENOENT)}, 1, 0, 0, 0, -ENOENT},
	    {{TOLD(0), DONE(-EPERM)}, 2, 1, 0, 0, -EPERM},
	    {{TOLD(0), TOLD(0), DONE(-EPERM)}, 3, 2, 1, -1, -1},
	    {{TOLD(0), TOLD(0), DONE(0)}, 3, 2, 2, 7, 0},
	    {{TOLD(0), TOLD(0), DONE(0)}, 3, 2, 1, -E2BIG, -E2BIG},
	    {{{ANSWER, 0, 0, HEAD, NLM_F_DUMP_INTR, false}, DONE(0)}, 2, 1, 0, 0, -EINTR},
	    {{{ANSWER, 1, 0, HEAD, NLM_F_DUMP_INTR, false}, DONE(0)}, 2, 0, 0, 0, 0},
	    {{{ANSWER, 0, 0, HEAD, NLM_F_DUMP_INTR, false}, DONE(-EPERM)}, 2, 1, 0, 0, -EPERM},
	    {{{NLMSG_NOOP, 0, 0, TOO_LARGE, 0, false}}, 1, 0, 0, 0, -EMSGSIZE},
	    {{{0}}, 0, 0, 0, 0, -EIO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (uint16_t flags = 0; flags <= NLM_F_DUMP; flags += NLM_F_DUMP) {
			int err;

			told_from = cases[i].from;
			told_says = cases[i].says;
			err = ask(flags, cases[i].a, cases[i].count);
			if (err != cases[i].err || told != cases[i].told)
				fail_msg("case %zu: %d, told %d", i, err, told);
		}
	}
}

/* Behind a whole message the beginning of another. */
static void what_is_cut_off_is_nothing(void **state)
{
	static const struct answer done[] = {DONE(0)};
	struct nlmsghdr *m = nft_ask_start(&l, NFT_MSG_GETTABLE, NFPROTO_INET, 0), two[3] = {0};
	struct nlmsghdr *second = (struct nlmsghdr *)((char *)two + NLMSG_SPACE(HEAD));

	(void)state;
	two[0] = (struct nlmsghdr){
	    .nlmsg_len = NLMSG_LENGTH(HEAD), .nlmsg_type = ANSWER, .nlmsg_seq = m->nlmsg_seq};
	*second = two[0];
	told = told_from = 0;
	assert_int_equal(send(far, two, NLMSG_SPACE(HEAD) + NLMSG_HDRLEN - 4, 0), 32);
	play(done, 1, m->nlmsg_seq);
	assert_int_equal(nft_ask(&l, tell, &told), 0);
	assert_int_equal(told, 1);
}

static void attributes_of_any_form(void **state)
{
	struct nlmsghdr *m = nft_ask_start(&l, NFT_MSG_GETTABLE, NFPROTO_INET, 0);
	struct nft_attributes a;
	uint32_t number = 7;

	(void)state;
	mnl_attr_put_strz(m, 1, "text");
	mnl_attr_put_str(m, 2, "text");
	mnl_attr_put_u32(m, 3, htobe32(0x01020304));
	mnl_attr_put_u64(m, 4, htobe64(0x0102030405060708));
	mnl_attr_put_u16(m, NFT_ATTRIBUTES - 1, 1);
	mnl_attr_put_u16(m, NFT_ATTRIBUTES, 1);
	a = nft_attributes_of(m);
	assert_string_equal(nft_attribute_text(a.at[1]), "text");
	assert_string_equal(nft_attribute_text(a.at[2]), "");
	assert_string_equal(nft_attribute_text(a.at[5]), "");
	assert_false(nft_attribute_u32(a.at[4], &number) || nft_attribute_u32(a.at[5], &number));
	assert_int_equal(number, 7);
	assert_true(nft_attribute_u32(a.at[3], &number));
	assert_int_equal(number, 0x01020304);
	assert_int_equal(nft_attribute_u64(a.at[4]), 0x0102030405060708);
	assert_int_equal(nft_attribute_u64(a.at[3]), 0);
	assert_int_equal(nft_attribute_u64(a.at[5]), 0);
	assert_non_null(a.at[NFT_ATTRIBUTES - 1]);
	a = nft_attributes_in(NULL);
	assert_null(a.at[1]);
}

/* --- Notices */

struct notice {
	uint16_t type;
	uint8_t family;
	const char *table;
};
#define OURS                                             \
	{                                                \
		NFT_MSG_NEWRULE, NFPROTO_INET, NFT_TABLE \
	}
#define THEIRS                                          \
	{                                               \
		NFT_MSG_NEWRULE, NFPROTO_INET, "theirs" \
	}

/* In one datagram. */
static void notify(const struct notice *n, size_t count)
{
	const char *first = NULL, *end = NULL;

	nft_batch_begin(&l);
	for (size_t i = 0; i < count; i++) {
		struct nlmsghdr *m = nft_batch_add(&l, n[i].type, n[i].family, 0);

		mnl_attr_put_strz(m, NFTA_RULE_TABLE, n[i].table);
		first = first == NULL ? (char *)m : first;
		end = mnl_nlmsg_get_payload_tail(m);
	}
	assert_int_equal(send(far, first, (size_t)(end - first), 0), end - first);
}

static void which_notices_are_of_ours(void **state)
{
	static const struct {
		struct notice n[2];
		size_t count;
		bool ours;
	} cases[] = {
	    {{OURS}, 1, true},
	    {{THEIRS}, 1, false},
	    {{{NFT_MSG_DELTABLE, NFPROTO_INET, NFT_TABLE}}, 1, true},
	    {{{NFT_MSG_NEWGEN, NFPROTO_INET, NFT_TABLE}}, 1, false},
	    {{{NFT_MSG_NEWRULE, NFPROTO_IPV4, NFT_TABLE}}, 1, false},
	    {{{NFT_MSG_NEWRULE, NFPROTO_INET, NFT_TABLE "2"}}, 1, false},
	    {{THEIRS, OURS}, 2, true},
	    {{OURS, THEIRS}, 2, true},
	    {{THEIRS, THEIRS}, 2, false},
	};

	(void)state;
	assert_false(nft_watch_read(l.fd));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		static const struct notice theirs[] = {THEIRS};

		notify(cases[i].n, cases[i].count);
		notify(theirs, 1);
		if (nft_watch_read(l.fd) != cases[i].ours)
			fail_msg("case %zu", i);
		assert_int_equal(drain(l.fd), 0);
		notify(theirs, 1);
		notify(cases[i].n, cases[i].count);
		assert_true(nft_watch_read(l.fd) == cases[i].ours);
	}
}

static void a_notice_that_is_cut_off(void **state)
{
	struct nlmsghdr *m;
	size_t size;

	(void)state;
	nft_batch_begin(&l);
	m = nft_batch_add(&l, NFT_MSG_NEWRULE, NFPROTO_INET, 0);
	mnl_attr_put_strz(m, NFTA_RULE_TABLE, NFT_TABLE);
	size = m->nlmsg_len;
	m->nlmsg_len += 4; /* and nothing there */
	assert_int_equal(send(far, m, size, 0), size);
	assert_false(nft_watch_read(l.fd));
	m->nlmsg_len = 16384; /* just as much as fits */
	assert_int_equal(send(far, m, m->nlmsg_len, 0), m->nlmsg_len);
	assert_true(nft_watch_read(l.fd));
}

/* Of what does not fit nobody knows what it was about. */
static void notices_of_odd_sizes(void **state)
{
	static const struct {
		struct answer a;
		bool ours;
	} cases[] = {
	    {{NLMSG_DONE, 0, 0, HEAD - 1, 0, false}, false},
	    {{NLMSG_DONE, 0, 0, 16384 - NLMSG_HDRLEN, 0, false}, false},
	    {{NLMSG_DONE, 0, 0, 16384 + 1 - NLMSG_HDRLEN, 0, false}, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		play(&cases[i].a, 1, 0);
		assert_true(nft_watch_read(l.fd) == cases[i].ours);
	}
	assert_int_equal(send(far, "", 0, 0), 0);
	play(&cases[2].a, 1, 0);
	assert_true(nft_watch_read(l.fd));
}

/* --- The socket */

static void it_cannot_be_sent(void **state)
{
	(void)state;
	assert_int_equal(shutdown(l.fd, SHUT_WR), 0);
	nft_batch_begin(&l);
	nft_batch_add(&l, NFT_MSG_NEWTABLE, NFPROTO_INET, 0);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(nft_batch_commit(&l), -EPIPE);
	nft_ask_start(&l, NFT_MSG_GETTABLE, NFPROTO_INET, 0);
	assert_int_equal(nft_ask(&l, tell, &told), -EPIPE);
}

static void an_open_one_is_refused_if_it_is_none(void **state)
{
	struct nft_link none;

	(void)state;
	assert_int_equal(nft_link_open(&none, dup(STDIN_FILENO)), -ENOTSOCK);
	assert_int_equal(none.fd, -1);
	nft_link_close(&none);
}

static void without_memory(void **state)
{
	static const char value[2000] = "x";
	struct nft_link one;

	(void)state;
	for (size_t nth = 1; nth <= 2; nth++) {
		short_memory(nth);
		assert_int_equal(nft_link_open(&one, -1), -ENOMEM);
		assert_int_equal(one.fd, -1);
	}
	short_memory(3);
	assert_int_equal(nft_link_open(&one, -1), 0);
	nft_batch_begin(&one);
	short_memory(1);
	while (!one.full)
		mnl_attr_put(
		    nft_batch_add(&one, NFT_MSG_NEWTABLE, NFPROTO_INET, 0), 1, sizeof value, value);
	short_memory(0);
	assert_int_equal(one.room, NFT_BATCH_BYTES);
	assert_int_equal(nft_batch_commit(&one), -EMSGSIZE);
	nft_link_close(&one);
}

/* As it comes from a predecessor: with an address, and with answers that nobody has read. */
static void one_that_was_used(void **state)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct sockaddr_nl mine = {.nl_family = AF_NETLINK}, to;
	socklen_t size = sizeof mine;
	struct nft_link first, second;
	int on = 0, other;

	(void)state;
	assert_int_equal(nft_link_open(&first, -1), 0);
	assert_int_not_equal(first.port, 0);
	for (int i = 0; i < 3; i++) {
		nft_ask_start(&first, NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0);
		assert_true(send(first.fd, first.buffer, first.message->nlmsg_len, 0) > 0);
	}
	assert_int_equal(nft_link_open(&second, dup(first.fd)), 0);
	assert_int_equal(second.port, first.port);
	assert_int_equal(recv(second.fd, request, sizeof request, MSG_DONTWAIT), -1);
	size = sizeof on;
	assert_int_equal(getsockopt(second.fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, &size), 0);
	assert_int_equal(on, 1);
	size = sizeof to;
	assert_int_equal(getpeername(second.fd, (struct sockaddr *)&to, &size), 0);
	assert_memory_equal(&to, &kernel, sizeof to);
	/* The largest batch fits, and all that comes back of it. */
	size = sizeof on;
	for (int i = 0; geteuid() == 0 && i < 2; i++) {
		assert_int_equal(
		    getsockopt(second.fd, SOL_SOCKET, i == 0 ? SO_SNDBUF : SO_RCVBUF, &on, &size),
		    0);
		assert_in_range(on, 2 * NFT_BATCH_MOST, INT32_MAX);
	}
	/* Nobody else can send to it. */
	other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	mine.nl_pid = second.port;
	assert_int_equal(sendto(other, request, 16, 0, (struct sockaddr *)&mine, sizeof mine), -1);
	close(other);
	nft_link_close(&second);
	nft_link_close(&first);
}

int main(void)
{
#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
	    LINK_TEST(what_became_of_a_batch),
	    LINK_TEST(numbers_go_round),
	    LINK_TEST(only_new_rules_are_echoed),
	    LINK_TEST(how_a_batch_is_sent),
	    LINK_TEST(a_large_one_gets_room),
	    LINK_TEST(what_a_question_is_answered),
	    LINK_TEST(what_is_cut_off_is_nothing),
	    LINK_TEST(attributes_of_any_form),
	    LINK_TEST(which_notices_are_of_ours),
	    LINK_TEST(a_notice_that_is_cut_off),
	    LINK_TEST(notices_of_odd_sizes),
	    LINK_TEST(it_cannot_be_sent),
	    cmocka_unit_test(an_open_one_is_refused_if_it_is_none),
	    cmocka_unit_test(without_memory),
	    cmocka_unit_test(one_that_was_used),
	};

	not_when_emulated("netlink of nf_tables");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
