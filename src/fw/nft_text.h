/* The rule set being written as text; nft_text.c, nft_sets.c and nft_rules.c only. */
#ifndef FW_NFT_TEXT_H
#define FW_NFT_TEXT_H

#include <stdio.h>

#include "fw/nft.h"

struct nft_text {
	FILE *out;
	const struct snapshot *s;
	const struct nft_policies *policies; /* of `s` */
	struct nft_ranges *ranges;           /* that have a set so far */
	uint32_t rules;                      /* in chains, but for those of ranges, so far */
};

/* nft_text.c: fw_nft_ruleset, with all but s, policies and ranges filled in. */
char *nft_text(struct nft_text *t, const struct fw_change *open, size_t count);

/* nft_sets.c: the openings, in the order in which nft_put_sets wants them; allocated, or NULL with
 * errno (EINVAL: one cannot be). */
struct nft_text_element {
	struct nft_place place;
	const struct opening *opening;
};
struct nft_text_element *nft_sort_openings(
    const struct nft_policies *policies, const struct fw_change *open, size_t count);
__attribute__((format(printf, 2, 3))) void nft_put(struct nft_text *t, const char *format, ...);
/* Every set of the table, and in `t->ranges` which ranges there are. */
void nft_put_sets(struct nft_text *t, const struct nft_text_element *elements, size_t count);

/* nft_rules.c: every chain of the table; the sets come before. */
void nft_put_chains(struct nft_text *t);

#endif
