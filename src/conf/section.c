#include "conf/section.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/kinds.h"
#include "conf/old_schema.h"
#include "conf/values.h"

#define PATH_BYTES  192
#define FOUND_BYTES 200
#define FIELDS_MOST 64
#define BLANKS      " \t\r\n"
#define LEFT_OUT    " (`postern config convert` leaves unknown keys out)"

static void *member_of(void *owner, const struct conf_field *field)
{
	return (char *)owner + field->offset;
}

bool section_defaults(const struct conf_section *section, void *into)
{
	char expected[EXPECTED_BYTES];

	for (size_t i = 0; i < section->count; i++) {
		const struct conf_field *field = &section->fields[i];
		const struct kind *kind = kind_of(field);
		void *member = member_of(into, field);

		memset(member, 0, kind->size);
		if (field->fallback == NULL && kind->clear != NULL)
			kind->clear(member);
		if (field->fallback == NULL)
			continue;
		if (kind->read == NULL) {
			if (!list_add(member, field->fallback, (struct conf_place){0, 0}))
				return false;
		} else if (!kind->read(field, member, field->fallback, expected)) {
			return false;
		}
	}
	return true;
}

/* What stands there, in words that give no secret away. */
static const char *found_text(
    char out[static FOUND_BYTES], const struct node *node, const struct conf_field *field)
{
	bool secret = field != NULL && field->kind == CONF_KIND_SECRET;
	/* A private key put where the public one belongs must not end up in a log either. */
	bool key = field != NULL && field->kind == CONF_KIND_KEY;
	char quoted[FOUND_BYTES / 2];

	if (node->kind == NODE_LIST)
		return "a list";
	if (node->kind == NODE_MAP)
		return "a map";
	if (node_is_null(node))
		return "nothing";
	if (secret)
		snprintf(out, FOUND_BYTES, "a secret of %zu characters", strlen(node->text));
	else if (key)
		snprintf(out, FOUND_BYTES, "%s (%zu characters)",
		    value_quoted(quoted, sizeof quoted, node->text, 8), strlen(node->text));
	else
		return value_quoted(out, FOUND_BYTES, node->text, 64);
	return out;
}

static bool refuse_value(const struct tree *tree, const struct node *node, const char *path,
    const struct conf_field *field, const char *expected, struct conf_error *error)
{
	char found[FOUND_BYTES];

	return tree_fail(tree, node->place, path, error, "found %s; expected %s",
	    found_text(found, node, field), expected);
}

bool section_refuse(const struct tree *tree, const struct node *node, const char *path,
    const char *expected, struct conf_error *error)
{
	return refuse_value(tree, node, path, NULL, expected, error);
}

bool section_unknown(const struct tree *tree, const struct node *key, const char *path,
    const char *const *known, size_t count, struct conf_error *error)
{
	const char *nearest = value_nearest(key->text, known, count);
	const char *left_out = tree->not_converted ? "" : LEFT_OUT;
	char quoted[FOUND_BYTES];

	if (!tree->not_converted && !key->quoted && strcmp(key->text, "<<") == 0)
		return tree_fail(tree, key->place, path, error,
		    "found a merge (<<); expected the keys themselves: `postern config convert` "
		    "prints the file so");
	value_quoted(quoted, sizeof quoted, key->text, 64);
	if (nearest != NULL)
		return tree_fail(tree, key->place, path, error,
		    "unknown key %s; did you mean \"%s\"?%s", quoted, nearest, left_out);
	return tree_fail(tree, key->place, path, error, "unknown key %s%s", quoted, left_out);
}

/* Blanks around it do not count, as with openme. */
static bool load_item(
    struct conf_list *list, const struct kind *kind, const struct node *item, const char **expected)
{
	const char *start = item->text + strspn(item->text, BLANKS);
	size_t length = strlen(start);
	char *text;
	bool ok;

	while (length > 0 && strchr(BLANKS, start[length - 1]) != NULL)
		length--;
	text = strndup(start, length);
	ok = text != NULL && kind->item(text, expected);
	if (text == NULL || (ok && !list_add(list, text, item->place))) {
		*expected = "more memory";
		ok = false;
	}
	free(text);
	return ok;
}

bool section_load_list(struct conf_list *list, const struct conf_field *field,
    const struct tree *tree, const struct node *node, const char *path, struct conf_error *error)
{
	const struct kind *kind = kind_of(field);
	const struct node *item = node->kind == NODE_LIST ? tree_first(tree, node) : node;
	const char *expected = kind->name;

	list_free(list); /* of the default */
	if (node->kind == NODE_MAP && strcmp(field->key, "allowed_ports") == 0)
		return old_allowed_ports(
		    &(struct old_source){tree, path, false, error}, list, node);
	if (node->kind == NODE_MAP)
		return refuse_value(tree, node, path, field, expected, error);
	for (; item != NULL; item = node->kind == NODE_LIST ? tree_next(tree, item) : NULL) {
		if (node->kind == NODE_LIST && node_is_null(item))
			continue; /* openme drops it, too */
		if (item->kind != NODE_SCALAR || !load_item(list, kind, item, &expected))
			return refuse_value(tree, item, path, field, expected, error);
	}
	if (kind->whole != NULL && !kind->whole(list, &expected))
		return refuse_value(tree, node, path, field, expected, error);
	return true;
}

static bool load_member(const struct conf_field *field, void *member, const struct tree *tree,
    const struct node *node, const char *path, struct conf_error *error)
{
	const struct kind *kind = kind_of(field);
	char expected[EXPECTED_BYTES];

	if (node_is_null(node))
		return true; /* as if it were not there */
	if (kind->read == NULL)
		return section_load_list(member, field, tree, node, path, error);
	if (node->kind != NODE_SCALAR)
		return refuse_value(tree, node, path, field, kind->name, error);
	if (!kind->read(field, member, node->text, expected))
		return refuse_value(tree, node, path, field, expected, error);
	return true;
}

static bool same_loosely(const char *a, const char *b)
{
	for (;; a++, b++) {
		a += strspn(a, "_");
		b += strspn(b, "_");
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
		if (*a == '\0')
			return true;
	}
}

bool section_same_key(const struct conf_section *section, const char *a, const char *b)
{
	return section->loose ? same_loosely(a, b) : strcmp(a, b) == 0;
}

const struct node *section_find(const struct conf_section *section, const struct tree *tree,
    const struct node *map, const char *name)
{
	const struct node *key = map->kind == NODE_MAP ? tree_first(tree, map) : NULL;

	while (key != NULL && !section_same_key(section, key->text, name))
		key = tree_next_key(tree, key);
	return key == NULL ? NULL : tree_next(tree, key);
}

/* The keys of its fields, then those of its nested sections. */
static size_t known_keys(const struct conf_section *section, const char *known[static FIELDS_MOST])
{
	size_t count = 0;

	for (size_t i = 0; i < section->count && count < FIELDS_MOST; i++)
		known[count++] = section->fields[i].key;
	for (const char *const *n = section->nested; n != NULL && *n != NULL; n++) {
		if (count < FIELDS_MOST)
			known[count++] = *n;
	}
	return count;
}

static size_t number_of_key(
    const struct conf_section *section, const char *const *known, size_t count, const char *key)
{
	size_t i = 0;

	while (i < count && !section_same_key(section, known[i], key))
		i++;
	return i;
}

bool section_load(const struct conf_section *section, void *into, const struct tree *tree,
    const struct node *map, const char *path, struct conf_error *error)
{
	const char *known[FIELDS_MOST];
	size_t count = known_keys(section, known);
	uint64_t seen = 0;

	if (node_is_null(map))
		return true;
	if (map->kind != NODE_MAP)
		return section_refuse(tree, map, path, "keys with their values", error);
	for (const struct node *key = tree_first(tree, map); key != NULL;
	     key = tree_next_key(tree, key)) {
		size_t number = number_of_key(section, known, count, key->text);
		const struct conf_field *field = &section->fields[number];
		const struct node *value = tree_next(tree, key);
		char full[PATH_BYTES];

		if (number == count)
			return section_unknown(tree, key, path, known, count, error);
		snprintf(
		    full, sizeof full, "%s%s%s", path, *path == '\0' ? "" : ".", known[number]);
		if ((seen >> number & 1) != 0)
			return tree_fail(tree, key->place, full, error,
			    "stands here for the second time, in another spelling; expected it once");
		seen |= UINT64_C(1) << number;
		if (number < section->count &&
		    !load_member(field, member_of(into, field), tree, value, full, error))
			return false;
	}
	return true;
}

void section_free(const struct conf_section *section, void *from)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct conf_field *field = &section->fields[i];

		if (kind_of(field)->drop != NULL)
			kind_of(field)->drop(member_of(from, field));
	}
}
