/* What the tests of the firewall against the real kernel share: a network namespace of this process
 * alone, and somebody else in it who changes rules. */
#ifndef TESTS_FW_BENCH_H
#define TESTS_FW_BENCH_H

#include <stddef.h>

#include "fw_case.h"

#define FW_BENCH_MOST 512

struct fw_bench {
	struct fw_case c;
	struct fw fw;
	struct fw_case_element found[FW_BENCH_MOST];
	struct fw_case_element opened[FW_BENCH_MOST];
};

/* Group setup and teardown. Without root the program ends as one that was not run. */
int fw_bench_enter(void **state);
int fw_bench_leave(void **state);
/* For each test: no rules, and the nft back-end open. */
int fw_bench_setup(void **state);
int fw_bench_teardown(void **state);

/* Somebody else runs a command of nft. */
void fw_bench_does(const char *text);
/* What it answers; the caller frees it. */
char *fw_bench_listing(const char *what);
size_t fw_bench_count(const char *text, const char *part);

#define FW_TEST(name) cmocka_unit_test_setup_teardown(name, fw_bench_setup, fw_bench_teardown)

#endif
