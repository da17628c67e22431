/* The rule set being written as text; nft_text*.c and nft_rules.c only. */
#ifndef FW_NFT_TEXT_H
#define FW_NFT_TEXT_H

#include <stdio.h>

#include "fw/nft.h"

struct nft_text_policy {
	struct nft_id id;
	struct nft_sets sets;
	bool twin; /* has the ports of an earlier one, whose sets and chain serve both */
};

struct nft_text {
	FILE *out;
	const struct snapshot *s;
	const struct nft_text_policy *policies;
	struct nft_ranges *ranges; /* that have a set so far */
	uint32_t rules;            /* written so far, but for those of ranges */
};

__attribute__((format(printf, 2, 3))) void nft_put(struct nft_text *t, const char *format, ...);
/* Starts a set. */
void nft_put_set_head(struct nft_text *t, const char *name, const char *type);
/* Ends an element. */
void nft_put_end(struct nft_text *t, uint64_t timeout_ms, const char *owner);
/* Every chain of the table; the sets come before. */
void nft_put_chains(struct nft_text *t);

/* The openings, in the order in which nft_put_opened_sets wants them; allocated, or NULL. */
struct nft_text_opening;
struct nft_text_opening *nft_sort_openings(const struct fw_opening *openings, size_t count);
/* The sets for openings, and in `t->ranges` which ranges there are. */
void nft_put_opened_sets(struct nft_text *t, const struct nft_text_opening *openings, size_t count);

#endif
