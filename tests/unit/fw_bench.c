#include "fw_bench.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include <nftables/libnftables.h>

#define NOT_RUN 77 /* Meson's word for a test that was skipped */

/* What stands for somebody else on the host: another netlink socket. */
static struct nft_ctx *somebody;

void fw_bench_does(const char *text)
{
	if (nft_run_cmd_from_buffer(somebody, text) != 0)
		fail_msg("%s: %s", text, nft_ctx_get_error_buffer(somebody));
}

char *fw_bench_listing(const char *what)
{
	char *text;

	fw_bench_does(what);
	text = strdup(nft_ctx_get_output_buffer(somebody));
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

int fw_bench_setup(void **state)
{
	struct fw_bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	fw_bench_does("flush ruleset");
	fw_case_fill(&b->c);
	assert_int_equal(fw_open(&b->fw, CONF_FIREWALL_NFT), 0);
	*state = b;
	return 0;
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
	somebody = nft_ctx_new(NFT_CTX_DEFAULT);
	if (somebody == NULL || nft_ctx_buffer_output(somebody) != 0 ||
	    nft_ctx_buffer_error(somebody) != 0)
		return -1;
	nft_ctx_output_set_flags(somebody, NFT_CTX_OUTPUT_HANDLE);
	return 0;
}

int fw_bench_leave(void **state)
{
	(void)state;
	nft_ctx_free(somebody);
	return 0;
}
