/* What would be done to the firewall, said and not done. */
#include <inttypes.h>

#include "base/line.h"
#include "fw/nft_rule.h"

#define SHOWN_BYTES (4 * NFT_NAME_BYTES + 1)

struct telling {
	FILE *to;
	uint32_t mark;
};

static const char *family_name(uint8_t family)
{
	return family == NFPROTO_INET ? "inet" : family == NFPROTO_IPV4 ? "ip" : "ip6";
}

/* Others choose the names, which nft takes without quotes alone. */
static const char *shown(char out[static SHOWN_BYTES], const char *name)
{
	struct line l = {.text = out, .size = SHOWN_BYTES};

	line_escape(&l, name, NFT_NAME_BYTES, LINE_UNQUOTED);
	return out;
}

static void tell_rule(void *context, const struct nft_host_change *c)
{
	const struct telling *t = context;
	char table[SHOWN_BYTES], chain[SHOWN_BYTES];

	fprintf(t->to, "%s rule %s %s %s ", c->handle == 0 ? "insert" : "delete",
	    family_name(c->family), shown(table, c->table), shown(chain, c->chain));
	if (c->handle == 0)
		fprintf(t->to,
		    "meta mark & 0x%08" PRIx32 " == 0x%08" PRIx32 " accept comment \"%s\"\n",
		    t->mark, t->mark, NFT_PASS_COMMENT);
	else
		fprintf(t->to, "handle %" PRIu64 "\n", c->handle);
}

int fw_nft_tell_install(const struct settings *set, FILE *to)
{
	const struct nft_host host = {set->mark, set->priority, set->host_chains, false};
	struct telling t = {to, set->mark};
	struct nft_link l;
	int err = nft_link_open(&l, -1);

	if (err == 0)
		err = nft_host_tell(&l, &host, tell_rule, &t);
	nft_link_close(&l);
	return err;
}

int fw_nft_tell_remove(FILE *to)
{
	const struct nft_host nowhere = {.which = CONF_HOST_CHAINS_NONE};
	struct telling t = {.to = to};
	struct nft_table table;
	struct nft_link l;
	int err = nft_link_open(&l, -1);

	if (err == 0)
		err = nft_host_tell(&l, &nowhere, tell_rule, &t);
	if (err == 0)
		err = nft_table_look(&l, "", &table);
	if (err == 0 && table.there)
		fputs("delete table inet " NFT_TABLE "\n", to);
	nft_link_close(&l);
	return err;
}
