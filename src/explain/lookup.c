#include "explain/lookup.h"

#include <string.h>

#define FIELDS_MOST 16

/* One search, element after element. */
struct search {
	const struct rules_set *set;
	const struct value *key;
	size_t fields[FIELDS_MOST]; /* bytes of each field of the key, filled up to words */
	size_t field_count;
	struct lookup out;
	bool several;
	const struct nlattr *otherwise; /* for all that is in no other element */
	/* Of a set of intervals: the greatest border that is not above the key. */
	const uint8_t *border;
	const struct nlattr *border_element; /* NULL: an interval ends there */
};

static const uint8_t *data_of(const struct nlattr *nest, size_t size)
{
	const struct nlattr *value = nft_attributes_in(nest).at[NFTA_DATA_VALUE];

	return value != NULL && mnl_attr_get_payload_len(value) >= size
	           ? mnl_attr_get_payload(value)
	           : NULL;
}

static int each_field(const struct nlattr *field, void *data)
{
	struct search *s = data;
	uint32_t size;

	if (s->field_count < FIELDS_MOST &&
	    nft_attribute_u32(nft_attributes_in(field).at[NFTA_SET_FIELD_LEN], &size) && size > 0 &&
	    size <= VALUE_BYTES)
		s->fields[s->field_count++] = (size + 3) / 4 * 4;
	return MNL_CB_OK;
}

/* Without a description the key is one field. */
static void read_fields(struct search *s)
{
	size_t sum = 0;

	if (s->set->fields != NULL)
		(void)mnl_attr_parse_nested(s->set->fields, each_field, s);
	for (size_t i = 0; i < s->field_count; i++)
		sum += s->fields[i];
	if (sum != s->set->key_bytes || s->field_count == 0) {
		s->fields[0] = s->set->key_bytes;
		s->field_count = 1;
	}
}

static enum answer in_fields(const struct search *s, const uint8_t *first, const uint8_t *last)
{
	enum answer answer = ANSWER_YES;
	size_t at = 0;

	for (size_t i = 0; i < s->field_count; i++) {
		answer = answer_both(
		    answer, value_between(s->key, at, first + at, last + at, s->fields[i]));
		at += s->fields[i];
	}
	return answer;
}

static void keep(struct search *s, const struct nlattr *element, enum answer found)
{
	if (found == ANSWER_NO || s->out.found == ANSWER_YES)
		return;
	s->several = s->out.element != NULL && found != ANSWER_YES;
	s->out.found = found;
	s->out.element = element;
}

/* Where a border is a beginning and an end, it is a beginning. */
static void keep_border(
    struct search *s, const struct nlattr *element, const uint8_t *border, bool end)
{
	size_t size = s->set->key_bytes;
	int order;

	if (memcmp(border, s->key->bytes, size) > 0)
		return;
	order = s->border == NULL ? 1 : memcmp(border, s->border, size);
	if (order < 0 || (order == 0 && end))
		return;
	s->border = border;
	s->border_element = end ? NULL : element;
}

static int each_element(const struct nlattr *element, void *data)
{
	struct search *s = data;
	const struct nft_attributes a = nft_attributes_in(element);
	const uint8_t *first = data_of(a.at[NFTA_SET_ELEM_KEY], s->set->key_bytes);
	const uint8_t *last = data_of(a.at[NFTA_SET_ELEM_KEY_END], s->set->key_bytes);
	uint32_t flags = 0;

	(void)nft_attribute_u32(a.at[NFTA_SET_ELEM_FLAGS], &flags);
	if ((flags & NFT_SET_ELEM_CATCHALL) != 0)
		s->otherwise = element;
	else if (first == NULL)
		keep(s, element, ANSWER_MAY); /* of a form that is not known */
	else if (last != NULL || (s->set->flags & NFT_SET_CONCAT) != 0)
		keep(s, element, in_fields(s, first, last != NULL ? last : first));
	else if ((s->set->flags & NFT_SET_INTERVAL) != 0)
		keep_border(s, element, first, (flags & NFT_SET_ELEM_INTERVAL_END) != 0);
	else
		keep(s, element, value_equals(s->key, first, s->set->key_bytes));
	return MNL_CB_OK;
}

static int each_counter(const struct nlattr *a, void *data)
{
	const char *name = nft_attribute_text(nft_attributes_in(a).at[NFTA_EXPR_NAME]);

	*(bool *)data |= strcmp(name, "counter") != 0 && strcmp(name, "last") != 0;
	return MNL_CB_OK;
}

static bool counts(const struct nlattr *element)
{
	const struct nft_attributes a = nft_attributes_in(element);
	bool found = false;

	if (a.at[NFTA_SET_ELEM_EXPR] != NULL)
		(void)each_counter(a.at[NFTA_SET_ELEM_EXPR], &found);
	if (a.at[NFTA_SET_ELEM_EXPRESSIONS] != NULL)
		(void)mnl_attr_parse_nested(a.at[NFTA_SET_ELEM_EXPRESSIONS], each_counter, &found);
	return found;
}

/* What all elements together come to. */
static void decide(struct search *s)
{
	if (s->border_element != NULL)
		keep(s, s->border_element, value_is_known(s->key) ? ANSWER_YES : ANSWER_MAY);
	else if (s->border != NULL && !value_is_known(s->key))
		s->out.found = ANSWER_MAY;
	if (s->otherwise != NULL && s->out.found == ANSWER_NO)
		keep(s, s->otherwise, ANSWER_YES);
	else if (s->otherwise != NULL && s->out.found == ANSWER_MAY) {
		s->out.found = ANSWER_YES; /* one of them it is */
		s->several = true;
	}
	if (s->out.found != ANSWER_NO && s->several)
		s->out.element = NULL;
	s->out.counts = s->out.element != NULL && counts(s->out.element);
}

struct lookup lookup_in(const struct rules_set *set, const struct value *key)
{
	struct search s = {.set = set, .key = key};
	bool borders = (set->flags & NFT_SET_INTERVAL) != 0;

	if (set->key_bytes == 0 || set->key_bytes > VALUE_BYTES || key->size != set->key_bytes)
		return (struct lookup){.found = ANSWER_MAY};
	read_fields(&s);
	for (const struct rules_part *p = set->parts; p != NULL; p = p->next)
		(void)mnl_attr_parse_nested(p->list, each_element, &s);
	/* What is not known may lie in any interval. */
	if (borders && !value_is_known(key) && s.out.found == ANSWER_NO && set->parts != NULL &&
	    (set->flags & NFT_SET_CONCAT) == 0)
		return (struct lookup){.found = ANSWER_MAY};
	decide(&s);
	return s.out;
}
