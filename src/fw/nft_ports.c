/* Openings that name their ports, as elements. What is known already is refreshed without text,
 * library objects or allocation; a new range brings a set and a rule with it. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/log.h"
#include "fw/nft.h"

bool fw_opening_fits(const struct fw_opening *o)
{
	return o->timeout_ms > 0 && nft_owner_fits(o->owner) && ports_fit(&o->ports) &&
	       (o->ports.protocol == IPPROTO_IPIP || ports_suit(&o->ports, &o->address));
}

bool nft_ports_wanted(const struct snapshot *s)
{
	return s->settings->openspa.enabled && s->settings->openspa.firewall == CONF_ASKED_NATIVE;
}

static bool is_range(const struct fw_opening *o)
{
	return o->ports.first != o->ports.last;
}

static void use_set(struct nft_place *p, bool v4, const char *name4, const char *name6)
{
	const char *name = v4 ? name4 : name6;

	memcpy(p->set, name, strlen(name) + 1);
}

struct nft_place nft_ports_place(const struct fw_opening *o)
{
	bool v4 = addr_is_v4(&o->address);
	struct nft_place p = {.element = nft_element_of(&o->address, o->timeout_ms, o->owner)};
	struct nft_element *e = &p.element;

	if (is_range(o)) {
		struct nft_range r = nft_range_of(o);

		nft_range_name(p.set, &r);
		return p;
	}
	e->key[e->key_bytes] = o->ports.protocol;
	e->key_bytes += 4;
	if (o->ports.first == 0) {
		use_set(&p, v4, NFT_PROTOCOLS_4, NFT_PROTOCOLS_6);
		return p;
	}
	e->key[e->key_bytes] = (uint8_t)(o->ports.first >> 8);
	e->key[e->key_bytes + 1] = (uint8_t)o->ports.first;
	e->key_bytes += 4;
	use_set(&p, v4, NFT_PORTS_4, NFT_PORTS_6);
	return p;
}

/* The place of its range; `count` when it is new or no range. */
static uint32_t range_at(const struct nft_ranges *ranges, const struct fw_opening *o)
{
	struct nft_range r;

	if (!is_range(o))
		return ranges->count;
	r = nft_range_of(o);
	return nft_ranges_find(ranges, &r);
}

/* What comes twice among them counts twice: this only decides when to tidy up. */
static uint32_t count_new(
    const struct nft_ranges *ranges, const struct fw_opening *openings, size_t count)
{
	uint32_t new = 0;

	for (size_t i = 0; i < count; i++)
		new += is_range(&openings[i]) && range_at(ranges, &openings[i]) == ranges->count;
	return new;
}

static int put_opening(
    struct nft_link *l, struct nft_ranges *ranges, uint32_t mark, const struct fw_opening *o)
{
	struct nft_place p = nft_ports_place(o);

	if (is_range(o) && range_at(ranges, o) == ranges->count) {
		struct nft_range r = nft_range_of(o);
		int err = nft_ranges_put(l, ranges, &r, mark);

		if (err != 0)
			return err;
	}
	nft_element_refresh(l, p.set, &p.element);
	return 0;
}

static int commit_openings(struct nft_link *l, struct nft_ranges *ranges)
{
	int err;

	l->echo = nft_ranges_learn;
	l->echo_data = ranges;
	err = nft_batch_commit(l);
	l->echo = NULL;
	return err;
}

int nft_ports_add(struct nft_link *l, struct nft_ranges *ranges, uint32_t mark,
    const struct fw_opening *openings, size_t count)
{
	uint32_t before;
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		if (!fw_opening_fits(&openings[i]))
			return -EINVAL;
	}
	if (count_new(ranges, openings, count) > FW_RANGES - ranges->count)
		err = nft_ranges_sweep(l, ranges);
	if (err != 0)
		return err;
	before = ranges->count;
	nft_batch_begin(l);
	for (size_t i = 0; err == 0 && i < count; i++)
		err = put_opening(l, ranges, mark, &openings[i]);
	if (err == 0)
		err = commit_openings(l, ranges);
	if (err != 0)
		ranges->count = before;
	for (size_t i = 0; err == 0 && i < count; i++) {
		if (is_range(&openings[i]))
			nft_range_hold(
			    &ranges->use[range_at(ranges, &openings[i])], openings[i].timeout_ms);
	}
	return err;
}

int nft_ports_delete(struct nft_link *l, struct nft_ranges *ranges, const struct fw_opening *o)
{
	struct nft_place p = nft_ports_place(o);
	uint32_t at = range_at(ranges, o);

	if (at < ranges->count)
		ranges->use[at].closed = true;
	return nft_element_delete(l, p.set, &p.element);
}

struct ports_read {
	struct nft_reading reading; /* first, so that one is the other */
	struct fw_opening *out;
	const struct nft_range *range; /* NULL: the key says which ports */
	bool v4;
};

static bool store_opening(struct nft_reading *reading, const struct nft_element *e)
{
	const struct ports_read *r = (struct ports_read *)reading;
	struct fw_opening *o = &r->out[reading->count];
	const uint8_t *after = e->key + nft_address_bytes(r->v4);

	*o = (struct fw_opening){.timeout_ms = e->timeout_ms};
	o->address = nft_element_address(e, r->v4);
	memcpy(o->owner, e->owner, sizeof o->owner);
	if (r->range != NULL) {
		o->ports = r->range->ports;
	} else {
		o->ports.protocol = after[0];
		o->ports.first =
		    (uint16_t)(after[4] << 8 | after[5]); /* zero where there is none */
		o->ports.last = o->ports.first;
	}
	return fw_opening_fits(o);
}

static int read_keyed(struct nft_link *l, struct ports_read *r, const char *set, size_t after)
{
	r->reading.key_bytes = nft_address_bytes(r->v4) + after;
	return nft_element_read(l, set, &r->reading);
}

static int read_fixed(struct nft_link *l, struct ports_read *r, bool v4)
{
	int err;

	r->v4 = v4;
	err = read_keyed(l, r, v4 ? NFT_PORTS_4 : NFT_PORTS_6, 8);
	return err != 0 ? err : read_keyed(l, r, v4 ? NFT_PROTOCOLS_4 : NFT_PROTOCOLS_6, 4);
}

int nft_ports_read(struct nft_link *l, struct fw_opening *out, size_t most)
{
	struct ports_read r = {.reading = {.store = store_opening, .most = most}, .out = out};
	struct nft_range ranges[FW_RANGES];
	int err = read_fixed(l, &r, true), count = 0;

	if (err == 0)
		err = read_fixed(l, &r, false);
	if (err == 0) {
		count = nft_ranges_read(l, ranges, FW_RANGES);
		err = count < 0 ? count : 0;
	}
	for (int i = 0; err == 0 && i < count; i++) {
		char set[32];

		nft_range_name(set, &ranges[i]);
		r.range = &ranges[i];
		r.v4 = ranges[i].v4;
		err = read_keyed(l, &r, set, 0);
	}
	return err != 0 ? err : (int)r.reading.count;
}
