#include "conf/kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/line.h"
#include "base/secret.h"
#include "conf/values.h"
#include "snapshot/snapshot.h"

/* Completes `expected`. Always false. */
static bool say(char *expected, const char *phrase)
{
	snprintf(expected, EXPECTED_BYTES, "%s", phrase);
	return false;
}

/* A struct conf_text that its kind's `item` passes; where the kind says so, also an empty one. */
static bool read_text(
    const struct conf_field *field, void *member, const char *text, char *expected)
{
	const struct kind *kind = kind_of(field);
	const char *phrase = NULL;

	if (field->kind == CONF_KIND_NAME && *text == '\0')
		return true; /* as if it were not there */
	if (!(kind->or_empty && *text == '\0') && !kind->item(text, &phrase))
		return say(expected, phrase);
	snprintf(((struct conf_text *)member)->text, CONF_TEXT_BYTES, "%s", text);
	return true;
}

static void drop_command(void *member)
{
	free(*(char **)member);
	*(char **)member = NULL;
}

static bool keep_copy(char **member, const char *text, char *expected)
{
	free(*member);
	*member = strdup(text);
	return *member != NULL || say(expected, "more memory to keep it in");
}

static bool read_command(
    const struct conf_field *field, void *member, const char *text, char *expected)
{
	(void)field;
	if (strlen(text) > 4096)
		return say(expected, "a command of at most 4096 bytes");
	if (*text != '\0')
		return keep_copy(member, text, expected);
	drop_command(member); /* as if it were not there */
	return true;
}

static bool read_integer(
    const struct conf_field *field, void *member, const char *text, char *expected)
{
	const char *phrase = NULL;
	int64_t *value = member;

	if (value_integer(value, text, &phrase) && *value >= field->least && *value <= field->most)
		return true;
	snprintf(expected, EXPECTED_BYTES, "a whole number from %" PRId64 " to %" PRId64,
	    field->least, field->most);
	return false;
}

static bool read_duration(
    const struct conf_field *field, void *member, const char *text, char *expected)
{
	const char *phrase = NULL;
	char least[64], most[64];
	int64_t *value = member;

	if (!value_duration(value, text, &phrase))
		return say(expected, phrase);
	if (field->kind == CONF_KIND_BOUNDED || (*value >= field->least && *value <= field->most))
		return true;
	duration_text(field->least, least, sizeof least);
	duration_text(field->most, most, sizeof most);
	if (field->most == INT64_MAX)
		snprintf(expected, EXPECTED_BYTES, "a duration of %s or more", least);
	else
		snprintf(expected, EXPECTED_BYTES, "a duration from %s to %s", least, most);
	return false;
}

static bool read_time(
    const struct conf_field *field, void *member, const char *text, char *expected)
{
	const char *phrase = NULL;
	char zoned[64];

	(void)field;
	if (value_time(member, text, &phrase))
		return true;
	if (!value_lacks_zone(text, sizeof zoned, zoned))
		return say(expected, phrase);
	snprintf(expected, EXPECTED_BYTES,
	    "the time zone with it: %s, or another one in place of the Z, such as +01:00", zoned);
	return false;
}

static bool read_revoked(
    const struct conf_field *field, void *member, const char *text, char *expected)
{
	struct conf_revoked revoked = {.yes = true};
	const char *phrase = NULL;
	int yes = 1;

	(void)field;
	if (value_switch(&yes, text, &phrase))
		revoked.yes = yes == 1;
	else if (!value_time(&revoked.when_ns, text, &phrase))
		return say(expected, "true, false or a time such as 2026-12-31T23:59:59Z");
	memcpy(member, &revoked, sizeof revoked);
	return true;
}

static bool read_switch(
    const struct conf_field *field, void *member, const char *text, char *expected)
{
	const char *phrase = NULL;

	(void)field;
	return value_switch(member, text, &phrase) || say(expected, phrase);
}

static bool read_word(
    const struct conf_field *field, void *member, const char *text, char *expected)
{
	struct line l = {.text = expected, .size = EXPECTED_BYTES};

	if (value_word(member, field->words, text))
		return true;
	for (const struct conf_word *w = field->words; w->word != NULL; w++)
		line_add(&l, "%s%s",
		    w == field->words   ? ""
		    : w[1].word == NULL ? " or "
		                        : ", ",
		    w->word);
	return false;
}

static bool read_key(const struct conf_field *field, void *member, const char *text, char *expected)
{
	struct conf_key *key = member;
	const char *phrase = NULL;

	(void)field;
	key->given = *text != '\0' && value_key(key->bytes, sizeof key->bytes, text, &phrase);
	return key->given || *text == '\0' || say(expected, phrase);
}

static bool read_secret(
    const struct conf_field *field, void *member, const char *text, char *expected)
{
	struct conf_secret *secret = member;
	const size_t sizes[] = {(size_t)field->least, (size_t)field->most};
	const char *phrase = NULL;

	secret_free(secret->bytes);
	*secret = (struct conf_secret){NULL, 0};
	if (*text == '\0')
		return true; /* as if it were not there */
	secret->bytes = secret_alloc(sizes[1]);
	if (secret->bytes == NULL)
		return say(expected, "more memory to keep it in");
	for (size_t i = 0; i < 2; i++) {
		secret->size = sizes[i];
		if (value_key(secret->bytes, secret->size, text, &phrase))
			return true;
	}
	secret_free(secret->bytes);
	*secret = (struct conf_secret){NULL, 0};
	if (sizes[0] == sizes[1])
		return say(expected, phrase);
	return say(expected, "32 or 64 bytes in base64: 44 or 88 characters with their `=`");
}

static bool read_path(
    const struct conf_field *field, void *member, const char *text, char *expected)
{
	(void)field;
	if (strlen(text) >= 4096)
		return say(expected, "a path shorter than 4096 bytes");
	if (*text != '\0')
		return keep_copy(member, text, expected);
	drop_command(member); /* as if it were not there */
	return true;
}

static bool is_address(const char *text, const char **expected)
{
	struct addr address;

	*expected = "an address such as 192.0.2.7, or 0.0.0.0 for every one";
	return addr_parse(&address, text);
}

static bool item_address(const char *text, const char **expected)
{
	struct addr address;

	*expected = "an address such as 192.0.2.7 or 2001:db8::7, or a list of them";
	return *text == '\0' || addr_parse(&address, text);
}

static bool is_any_address(const char *text)
{
	struct addr address;

	return *text == '\0' || (addr_parse(&address, text) && addr_is_wildcard(&address));
}

static bool whole_addresses(const struct conf_list *list, const char **expected)
{
	*expected = "0.0.0.0 alone (any), or at least one address";
	for (size_t i = 0; i < list->count && list->count > 1; i++) {
		if (is_any_address(list->items[i].text))
			return false;
	}
	return list->count > 0;
}

static bool item_rule(const char *text, const char **expected)
{
	struct rule_spec rule;

	return value_rule(&rule, text, expected);
}

static bool whole_rules(const struct conf_list *list, const char **expected)
{
	*expected = "at least one rule; `revoked: true` shuts a device out";
	return list->count > 0;
}

/* What is no port may name a group: that is seen when all of them are known. */
static bool item_port(const char *text, const char **expected)
{
	struct port_spec spec;
	const char *ignored = NULL;

	return value_port_spec(&spec, text, expected) || value_name(text, &ignored) ||
	       strchr(text, '/') == NULL;
}

static bool item_allow(const char *text, const char **expected)
{
	struct port_spec spec;
	struct cidr network;

	if (value_port_spec(&spec, text, expected) || value_network(&network, text, expected))
		return true;
	*expected = "ports such as 22/tcp or a network such as 192.0.2.0/24";
	return false;
}

static bool whole_targets(const struct conf_list *list, const char **expected)
{
	*expected = "source alone, any alone, or at least one network";
	for (size_t i = 0; i < list->count && list->count > 1; i++) {
		if (strcmp(list->items[i].text, "source") == 0 ||
		    strcmp(list->items[i].text, "any") == 0)
			return false;
	}
	return list->count > 0;
}

static void clear_integer(void *member)
{
	*(int64_t *)member = CONF_NOT_GIVEN;
}

static void clear_number(void *member)
{
	*(int *)member = CONF_NOT_GIVEN;
}

static void clear_time(void *member)
{
	*(int64_t *)member = NEVER_NS;
}

/* Room for a power of two of them: one more at a time would be moved each time where realloc moves.
 */
static struct conf_item *with_room(const struct conf_list *list)
{
	size_t count = list->count;

	if ((count & (count - 1)) != 0)
		return list->items;
	return reallocarray(list->items, count == 0 ? 1 : 2 * count, sizeof *list->items);
}

bool list_add(struct conf_list *list, const char *text, struct conf_place place)
{
	struct conf_item *more = with_room(list);

	if (more == NULL)
		return false;
	list->items = more;
	more[list->count].text = strdup(text);
	more[list->count].place = place;
	if (more[list->count].text == NULL)
		return false;
	list->count++;
	return true;
}

void list_free(struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].text);
	free(list->items);
	*list = (struct conf_list){NULL, 0};
}

static void drop_secret(void *member)
{
	struct conf_secret *secret = member;

	secret_free(secret->bytes);
	*secret = (struct conf_secret){NULL, 0};
}

static void drop_list(void *member)
{
	list_free(member);
}

#define LISTS(checker)        .item = item_##checker, .drop = drop_list
#define KIND(kind, name, ...) [CONF_KIND_##kind] = {name, sizeof(CONF_TYPE_##kind), __VA_ARGS__}

static const struct kind kinds[] = {
    KIND(HOST, "a host", .read = read_text, .item = value_host, .or_empty = true),
    KIND(INTERFACE, "an interface", .read = read_text, .item = value_interface, .or_empty = true),
    KIND(NAME, "a name", .read = read_text, .item = value_name, .or_empty = true),
    KIND(COMMAND, "a command", .read = read_command, .drop = drop_command),
    KIND(INTEGER, "a whole number", .read = read_integer, .clear = clear_integer),
    KIND(DURATION, "a duration", .read = read_duration),
    KIND(BOUNDED, "a duration", .read = read_duration),
    KIND(TIME, "a time", .read = read_time, .clear = clear_time),
    KIND(REVOKED, "a time, true or false", .read = read_revoked),
    KIND(SWITCH, "true or false", .read = read_switch, .clear = clear_number),
    KIND(WORD, "a word", .read = read_word),
    KIND(KEY, "a key in base64", .read = read_key),
    KIND(SECRET, "a key in base64", .read = read_secret, .drop = drop_secret),
    KIND(PORTS, "a list of ports and group names", LISTS(port)),
    KIND(ALLOW, "a list of ports and networks", LISTS(allow)),
    KIND(ADDRESS, "an address", .read = read_text, .item = is_address),
    KIND(ADDRESSES, "an address or a list of addresses", LISTS(address), .whole = whole_addresses),
    KIND(URL, "a URL", .read = read_text, .item = value_url, .or_empty = true),
    KIND(PATH, "a path", .read = read_path, .drop = drop_command),
    KIND(RULES, "a list of rules", LISTS(rule), .whole = whole_rules),
    KIND(TARGETS, "source, any or a list of networks", .item = value_target, .drop = drop_list,
        .whole = whole_targets),
};

const struct kind *kind_of(const struct conf_field *field)
{
	return &kinds[field->kind];
}
