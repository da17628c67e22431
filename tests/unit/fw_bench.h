/* What the tests of the firewall against the real kernel share: a network namespace of this process
 * alone, and somebody else in it who changes rules. */
#ifndef TESTS_FW_BENCH_H
#define TESTS_FW_BENCH_H

#include <stddef.h>

#include "fw_case.h"

#define FW_BENCH_MOST 512
#define FW_BENCH_BOOT "7a1c5a9e-3c5e-4d0b-9f43-0d5c6b1f2e10\n"

struct fw_bench {
	struct fw_case c;
	struct fw fw;
	struct fw_case_element found[FW_BENCH_MOST];
	struct fw_case_element opened[FW_BENCH_MOST];
};

/* Group setup. Without root the program ends as one that was not run. */
int fw_bench_enter(void **state);
/* For each test: no rules, and the nft back-end open. */
int fw_bench_setup(void **state);
/* The same on a kernel where tables have no owners: everybody may change ours. */
int fw_bench_setup_old(void **state);
int fw_bench_teardown(void **state);

/* After so many listings so many are torn: the rules have changed while they were read. */
void fw_bench_tear(unsigned int after, unsigned int times);
/* Somebody else does that right before our next transaction. */
void fw_bench_before_batch(const char *text);
/* Puts a chain that drops everything, which nobody but that link can change, as firewalld does from
 * 2.2 on. */
struct nft_link;
void fw_bench_put_owned_chain(struct nft_link *l);
/* Tables can have owners that they outlive: Linux 6.9 and later. */
bool fw_bench_has_owners(void);
/* What the comment of our table says in this boot. */
const char *fw_bench_boot(void);
/* What the kernel holds, as fw_case_adopt says it: read by the back-end, or where that is closed by
 * somebody who starts anew. */
int fw_bench_held(struct fw_bench *b, bool by_ports, struct fw_case_element *out);
/* Somebody else runs commands of nft; false when the kernel refuses. */
bool fw_bench_tries(const char *text);
void fw_bench_does(const char *text);
/* What it answers; the caller frees it. */
char *fw_bench_listing(const char *what);
size_t fw_bench_count(const char *text, const char *part);
/* How many descriptors this process has open. */
size_t fw_bench_descriptors(void);

#define FW_TEST(name) cmocka_unit_test_setup_teardown(name, fw_bench_setup, fw_bench_teardown)
#define FW_OLD_TEST(name) \
	cmocka_unit_test_setup_teardown(name, fw_bench_setup_old, fw_bench_teardown)

#endif
