#include "fw_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h> /* before the kernel's twin of it */
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "fw/nft.h"

#define NOT_RUN      77 /* Meson's word for a test that was skipped */
#define UNKNOWN_FLAG 0x80000000U

/* --- A kernel that knows of no owners, and one whose rules change while they are looked at */

static bool old_kernel;
static unsigned int whole, to_tear;
static bool torn;
static const char *before_batch;

void fw_bench_tear(unsigned int after, unsigned int times)
{
	whole = after;
	to_tear = times;
}

void fw_bench_before_batch(const char *text)
{
	before_batch = text;
}

/* Before anything is sent. */
static void others_act(const struct nlmsghdr *first)
{
	const char *text = before_batch;

	bool listing = (first->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;

	torn = listing && whole == 0 && to_tear > 0;
	to_tear -= torn;
	whole -= listing && whole > 0;
	if (text == NULL || first->nlmsg_type != NFNL_MSG_BATCH_BEGIN)
		return;
	before_batch = NULL;
	fw_bench_does(text);
}

ssize_t __real_recv(int fd, void *data, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *data, size_t size, int flags)
{
	ssize_t got = __real_recv(fd, data, size, flags);
	struct nlmsghdr *answer = data;
	int left = got > (ssize_t)size ? 0 : (int)got;

	for (; torn && mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left))
		answer->nlmsg_flags |= NLM_F_DUMP_INTR;
	return got;
}

static int ask_for_more(const struct nlattr *a, void *unused)
{
	uint32_t *flags = mnl_attr_get_payload(a);

	(void)unused;
	if (mnl_attr_get_type(a) == NFTA_TABLE_FLAGS)
		*flags |= htobe32(UNKNOWN_FLAG);
	return MNL_CB_OK;
}

ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);

/* The linker has this called instead. A flag that the kernel knows nothing of makes it refuse an
 * owned table as older ones do. */
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
	char *copy = malloc(size);
	struct nlmsghdr *message = (struct nlmsghdr *)copy;
	int left = (int)size;
	ssize_t sent;

	if (copy == NULL)
		return -1;
	memcpy(copy, data, size);
	others_act(message);
	for (; old_kernel && mnl_nlmsg_ok(message, left);
	     message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE))
			mnl_attr_parse(message, sizeof(struct nfgenmsg), ask_for_more, NULL);
	}
	sent = __real_send(fd, copy, size, flags);
	free(copy);
	return sent;
}

/* --- Somebody else on the host: nft */

bool fw_bench_tries(const char *text)
{
	FILE *nft = popen("nft -f -", "w");

	assert_non_null(nft);
	fputs(text, nft);
	return pclose(nft) == 0;
}

void fw_bench_does(const char *text)
{
	if (!fw_bench_tries(text))
		fail_msg("%s", text);
}

char *fw_bench_listing(const char *what)
{
	char command[512], *text = NULL;
	size_t size = 0;
	FILE *nft;

	snprintf(command, sizeof command, "nft -a %s", what);
	nft = popen(command, "r");
	assert_non_null(nft);
	if (getdelim(&text, &size, '\0', nft) < 0) {
		free(text);
		text = strdup("");
	}
	assert_int_equal(pclose(nft), 0);
	assert_non_null(text);
	return text;
}

size_t fw_bench_count(const char *text, const char *part)
{
	size_t count = 0;

	while ((text = strstr(text, part)) != NULL) {
		text++;
		count++;
	}
	return count;
}

size_t fw_bench_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

void fw_bench_put_owned_chain(struct nft_link *l)
{
	struct nlmsghdr *m;
	struct nlattr *nest;

	nft_batch_begin(l);
	m = nft_batch_add(l, NFT_MSG_NEWTABLE, NFPROTO_INET, NLM_F_CREATE);
	mnl_attr_put_strz(m, NFTA_TABLE_NAME, "theirs");
	mnl_attr_put_u32(m, NFTA_TABLE_FLAGS, htobe32(2)); /* NFT_TABLE_F_OWNER */
	m = nft_batch_add(l, NFT_MSG_NEWCHAIN, NFPROTO_INET, NLM_F_CREATE);
	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, "theirs");
	mnl_attr_put_strz(m, NFTA_CHAIN_NAME, "input");
	mnl_attr_put_strz(m, NFTA_CHAIN_TYPE, "filter");
	mnl_attr_put_u32(m, NFTA_CHAIN_POLICY, htobe32(NF_DROP));
	nest = mnl_attr_nest_start(m, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(m, NFTA_HOOK_HOOKNUM, htobe32(NF_INET_LOCAL_IN));
	mnl_attr_put_u32(m, NFTA_HOOK_PRIORITY, htobe32(10));
	mnl_attr_nest_end(m, nest);
	assert_int_equal(nft_batch_commit(l), 0);
}

int fw_bench_setup(void **state)
{
	struct fw_bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	fw_bench_does("flush ruleset");
	fw_case_fill(&b->c);
	assert_int_equal(fw_open(&b->fw, CONF_FIREWALL_NFT, FW_BENCH_BOOT, -1), 0);
	*state = b;
	old_kernel = false;
	return 0;
}

int fw_bench_setup_old(void **state)
{
	int err = fw_bench_setup(state);

	old_kernel = true;
	return err;
}

bool fw_bench_has_owners(void)
{
	struct utsname kernel;
	int major = 0, minor = 0;

	/* NOLINTNEXTLINE(cert-err34-c) */
	return uname(&kernel) == 0 && sscanf(kernel.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 9));
}

const char *fw_bench_boot(void)
{
	static char boot[NFT_BOOT_BYTES];

	nft_table_boot(boot, FW_BENCH_BOOT);
	return boot;
}

int fw_bench_held(struct fw_bench *b, bool by_ports, struct fw_case_element *out)
{
	bool closed = b->fw.ops == NULL;
	int count;

	if (closed)
		assert_int_equal(fw_open(&b->fw, CONF_FIREWALL_NFT, FW_BENCH_BOOT, -1), 0);
	count = fw_case_adopt(&b->fw, &b->c.s, by_ports, out, FW_BENCH_MOST);
	if (closed)
		fw_close(&b->fw);
	return count;
}

int fw_bench_teardown(void **state)
{
	struct fw_bench *b = *state;

	fw_close(&b->fw);
	free(b);
	return 0;
}

int fw_bench_enter(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) != 0) {
		fprintf(
		    stderr, "needs root (a network namespace of its own): %s\n", strerror(errno));
		exit(geteuid() == 0 ? 1 : NOT_RUN);
	}
	return 0;
}
