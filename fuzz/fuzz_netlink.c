/* Any answers of the kernel to our questions about its rules, where names and user data are chosen
 * by whoever may change rules.
 *
 * Input: who asks; then messages: the number of the question that it answers, type, family, size of
 * what follows, attributes. */
#include <netinet/in.h> /* before the kernel's twin of it */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <sanitizer/asan_interface.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "fw/nft.h"

#define QUESTIONS     8
#define ANSWERS_BYTES 32768U
#define MARK          0x8000

/* --- Answers */

ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);

/* The linker has this called instead. A step beyond what was received is seen, though the buffer is
 * larger. */
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	ssize_t got;

	ASAN_UNPOISON_MEMORY_REGION(buffer, size);
	got = __real_recv(fd, buffer, size, flags);
	if (got >= 0 && (size_t)got < size)
		ASAN_POISON_MEMORY_REGION((char *)buffer + got, size - (size_t)got);
	return got;
}

/* All answers to question number `seq`, and that there are no more. */
static void answer(int fd, struct reader r, uint32_t seq)
{
	static _Alignas(8) char buffer[ANSWERS_BYTES];
	struct nlmsghdr done = {sizeof done + sizeof(int), NLMSG_DONE, 0, seq, 0};
	size_t used = 0;

	while (r.left > 5) {
		uint32_t question = 1 + reader_u8(&r) % QUESTIONS;
		uint16_t type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | reader_u8(&r));
		struct nfgenmsg head = {.nfgen_family = reader_u8(&r)};
		uint16_t size = reader_u16(&r);
		struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_seq = seq};

		size = size < r.left ? size : (uint16_t)r.left;
		h.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof head) + size);
		if (question == seq && used + NLMSG_ALIGN(h.nlmsg_len) <= sizeof buffer) {
			memcpy(buffer + used, &h, sizeof h);
			memcpy(buffer + used + NLMSG_HDRLEN, &head, sizeof head);
			if (size > 0)
				memcpy(buffer + used + NLMSG_LENGTH(sizeof head), r.data, size);
			used += NLMSG_ALIGN(h.nlmsg_len);
		}
		reader_skip(&r, size);
	}
	must(used == 0 || send(fd, buffer, used, 0) == (ssize_t)used);
	memset(buffer, 0, done.nlmsg_len);
	memcpy(buffer, &done, sizeof done);
	must(send(fd, buffer, done.nlmsg_len, 0) == (ssize_t)done.nlmsg_len);
}

static void keep(struct nft_reading *r, const struct nft_element *e)
{
	must(e->key_bytes == r->key_bytes && e->timeout_ms > 0 && nft_owner_fits(e->owner));
}

static void found(void *context, const struct opening *o, const char *owner)
{
	(void)context;
	must(ports_fit(&o->ports) && nft_owner_fits(owner));
}

static void ask(struct nft_link *l, uint8_t who)
{
	struct nft_host host = {MARK, -1, CONF_HOST_CHAINS_ALL, false};
	static const struct nft_adoption adoption = {found, NULL};
	static const uint8_t key_bytes[] = {4, ADDR_BYTES, 12, NFT_KEY_BYTES};
	struct nft_reading reading = {keep, key_bytes[(who >> 4) % 4], 0};
	struct nft_track track = {
	    .which = CONF_NOTRACK_AUTO, .knock_port = 54154, .request_port = 22211};
	static struct nft_ranges ranges;
	static struct nft_range range[4];
	const struct nft_element element = {.key_bytes = 4};

	switch (who % 8) {
	case 0:
		(void)nft_element_read(l, "g_0123456789abcdef_4", &reading);
		return;
	case 1:
		must(nft_ranges_read(l, range, 4) <= 4);
		return;
	case 2:
		(void)nft_watch_read(l->fd);
		return;
	case 3:
		(void)nft_host_lacks(l, &host);
		return;
	case 4:
		(void)nft_host_settle(l, &host, NULL);
		return;
	case 5:
		(void)nft_adopt_ports(l, &adoption);
		return;
	case 7:
		nft_track_settle(l, &track);
		must(track.requests == 0 || track.knocks != 0);
		return;
	default:
		ranges = (struct nft_ranges){.count = 2};
		nft_batch_begin(l);
		nft_element_delete(l, "g_0123456789abcdef_4", &element);
		(void)nft_ranges_commit(l, &ranges);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	uint8_t who = reader_u8(&r);
	struct nft_link l = {.fd = -1};
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	l.fd = pair[0];
	l.buffer = calloc(1, NFT_BATCH_BYTES);
	l.room = NFT_BATCH_BYTES;
	l.answers = malloc(ANSWERS_BYTES);
	must(l.buffer != NULL && l.answers != NULL);
	for (uint32_t seq = 1; seq <= QUESTIONS; seq++)
		answer(pair[1], r, seq);
	ask(&l, who);
	nft_link_close(&l);
	close(pair[1]);
	return 0;
}
