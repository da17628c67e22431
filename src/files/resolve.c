/* An alias becomes one more node with the children of the one it names: however often a large value
 * is named, it is there once. Whoever walks the tree has to count what it prints. */
#include "files/resolve.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/secret.h"
#include "conf/parser_wipe.h"
#include "conf/tree_texts.h"

#define NONE         UINT32_MAX
#define ANCHORS_MOST 4096
#define MERGE_MOST   100000000U /* comparisons of keys for one map */

struct anchor {
	const char *name; /* one of the tree's texts */
	uint32_t node;
};

struct resolver {
	struct resolved *to;
	struct tree *tree;
	yaml_parser_t parser;
	yaml_event_t event; /* the one at hand */
	struct anchor *anchors;
	size_t anchor_count;
	struct conf_error *error;
};

static struct conf_place place_of(yaml_mark_t mark)
{
	return (struct conf_place){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

static bool fail(struct resolver *r, struct conf_place place, const char *problem)
{
	return tree_fail(r->tree, place, "", r->error, "%s", problem);
}

static void drop_event(struct resolver *r)
{
	if (r->event.type == YAML_SCALAR_EVENT)
		secret_wipe(r->event.data.scalar.value, r->event.data.scalar.length);
	yaml_event_delete(&r->event);
	memset(&r->event, 0, sizeof r->event);
}

static bool next_event(struct resolver *r)
{
	drop_event(r);
	return yaml_parser_parse(&r->parser, &r->event) ||
	       tree_fail(r->tree, place_of(r->parser.problem_mark), "", r->error, "not YAML: %s",
	           r->parser.problem == NULL ? "no memory" : r->parser.problem);
}

static uint32_t add_node(struct resolver *r, struct node node)
{
	struct tree *t = r->tree;

	if (t->count == t->room) {
		uint32_t room = t->room == 0 ? 256 : t->room * 2;
		struct node *more =
		    room > RESOLVE_NODES ? NULL : reallocarray(t->nodes, room, sizeof *more);

		if (more == NULL) {
			fail(r, node.place, "too large a file, with what its aliases name");
			return NONE;
		}
		t->nodes = more;
		t->room = room;
	}
	node.next = NONE;
	t->nodes[t->count] = node;
	return t->count++;
}

static void add_child(struct tree *t, uint32_t parent, uint32_t *last, uint32_t child)
{
	if (*last == NONE)
		t->nodes[parent].first = child;
	else
		t->nodes[*last].next = child;
	t->nodes[parent].count++;
	*last = child;
}

/* A tag that makes a string of a word, as quotes do. */
static bool makes_string(const yaml_char_t *tag)
{
	static const char own[] = "tag:yaml.org,2002:";

	return tag != NULL && (strncmp((const char *)tag, own, strlen(own)) != 0 ||
	                          strcmp((const char *)tag, YAML_STR_TAG) == 0);
}

static uint32_t add_scalar(struct resolver *r, struct conf_place place)
{
	const char *value = (const char *)r->event.data.scalar.value;
	const yaml_char_t *tag = r->event.data.scalar.tag;
	size_t length = r->event.data.scalar.length;
	struct node node = {.kind = NODE_SCALAR, .place = place, .first = NONE};

	if (memchr(value, '\0', length) != NULL ||
	    (tag != NULL && strcmp((const char *)tag, "tag:yaml.org,2002:binary") == 0)) {
		fail(r, place, "found a zero byte or !!binary; expected text");
		return NONE;
	}
	node.quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE || makes_string(tag);
	node.text = tree_texts_add(&r->tree->texts, value, length);
	if (node.text != NULL)
		return add_node(r, node);
	fail(r, place, "not enough memory to read it");
	return NONE;
}

static bool keep_anchor(
    struct resolver *r, const yaml_char_t *name, struct conf_place place, struct anchor *out)
{
	const char *text = (const char *)name;

	out->name = NULL;
	if (name == NULL)
		return true;
	if (r->anchors == NULL)
		r->anchors = calloc(ANCHORS_MOST, sizeof *r->anchors);
	if (r->anchors != NULL)
		out->name = tree_texts_add(&r->tree->texts, text, strlen(text));
	return out->name != NULL || fail(r, place, "not enough memory to read it");
}

/* The last one of a name is meant. */
static uint32_t add_alias(struct resolver *r, struct conf_place place)
{
	const char *name = (const char *)r->event.data.alias.anchor;
	struct node node;

	r->to->aliases = true;
	for (size_t i = r->anchor_count; i > 0; i--) {
		if (strcmp(r->anchors[i - 1].name, name) == 0) {
			node = r->tree->nodes[r->anchors[i - 1].node];
			node.place = place;
			return add_node(r, node);
		}
	}
	fail(r, place, "found an alias (*) of an anchor (&) that does not stand before it");
	return NONE;
}

static bool is_merge(const struct node *key)
{
	return !key->quoted && strcmp(key->text, "<<") == 0;
}

/* The entries of `from` whose keys `map` has not. */
static bool merge_map(struct resolver *r, uint32_t map, uint32_t *last, uint32_t from)
{
	const struct node *source = &r->tree->nodes[from];
	uint32_t key = source->first;

	if (source->kind != NODE_MAP)
		return fail(r, source->place, "found << without a map; expected an alias of one");
	if ((uint64_t)(source->count + 1) * (r->tree->nodes[map].count + 1) > MERGE_MOST)
		return fail(r, source->place, "too much to merge");
	while (key != NONE) {
		struct tree *t = r->tree;
		uint32_t value = t->nodes[key].next, after = t->nodes[value].next;

		if (tree_find(t, &t->nodes[map], t->nodes[key].text) == NULL) {
			uint32_t new_key = add_node(r, t->nodes[key]), new_value = NONE;

			if (new_key != NONE)
				new_value = add_node(r, t->nodes[value]);
			if (new_value == NONE)
				return false;
			add_child(t, map, last, new_key);
			add_child(t, map, last, new_value);
		}
		key = after;
	}
	return true;
}

static bool merge_value(struct resolver *r, uint32_t map, uint32_t *last, uint32_t value)
{
	struct node *node = &r->tree->nodes[value];

	r->to->aliases = true;
	if (node->kind != NODE_LIST)
		return merge_map(r, map, last, value);
	for (uint32_t i = node->first; i != NONE; i = r->tree->nodes[i].next) {
		if (!merge_map(r, map, last, i))
			return false;
	}
	return true;
}

/* Takes each << out, and puts behind the map's own entries what it names. */
static bool merge(struct resolver *r, uint32_t map)
{
	struct node *nodes = r->tree->nodes;
	uint32_t last = NONE, key = nodes[map].first, after, found = NONE;

	nodes[map].first = NONE;
	nodes[map].count = 0;
	for (; key != NONE; key = after) {
		uint32_t value = nodes[key].next;

		after = nodes[value].next;
		nodes[value].next = NONE;
		if (is_merge(&nodes[key])) {
			if (found != NONE)
				return fail(r, nodes[key].place, "found << twice in a map");
			found = value;
			continue;
		}
		add_child(r->tree, map, &last, key);
		add_child(r->tree, map, &last, value);
	}
	return found == NONE || merge_value(r, map, &last, found);
}

static uint32_t read_node(struct resolver *r, unsigned int depth);

/* Up to the event that ends them. */
static uint32_t read_children(
    struct resolver *r, enum node_kind kind, struct conf_place place, unsigned int depth)
{
	yaml_event_type_t end = kind == NODE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
	uint32_t node =
	    add_node(r, (struct node){.kind = (uint8_t)kind, .place = place, .first = NONE});
	uint32_t last = NONE;

	while (node != NONE && next_event(r) && r->event.type != end) {
		uint32_t child = read_node(r, depth + 1);
		struct tree *t = r->tree;

		if (child == NONE)
			return NONE;
		if (kind == NODE_MAP && t->nodes[node].count % 2 == 0 &&
		    t->nodes[child].kind != NODE_SCALAR) {
			fail(r, t->nodes[child].place, "found a list or a map; expected a key");
			return NONE;
		}
		add_child(t, node, &last, child);
	}
	if (node == NONE || r->event.type != end || (kind == NODE_MAP && !merge(r, node)))
		return NONE;
	return node;
}

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		return event->data.scalar.anchor;
	if (event->type == YAML_SEQUENCE_START_EVENT)
		return event->data.sequence_start.anchor;
	return event->type == YAML_MAPPING_START_EVENT ? event->data.mapping_start.anchor : NULL;
}

static uint32_t read_value(struct resolver *r, struct conf_place place, unsigned int depth)
{
	if (r->event.type == YAML_SCALAR_EVENT)
		return add_scalar(r, place);
	if (r->event.type == YAML_SEQUENCE_START_EVENT)
		return read_children(r, NODE_LIST, place, depth);
	if (r->event.type == YAML_MAPPING_START_EVENT)
		return read_children(r, NODE_MAP, place, depth);
	fail(r, place, "not a YAML document");
	return NONE;
}

/* The node that begins with the event at hand, which is its last one afterwards. */
static uint32_t read_node(struct resolver *r, unsigned int depth)
{
	struct conf_place place = place_of(r->event.start_mark);
	struct anchor anchor;

	if (r->event.type == YAML_ALIAS_EVENT)
		return add_alias(r, place);
	if (depth > RESOLVE_DEPTH) {
		fail(r, place, "nested too deeply");
		return NONE;
	}
	if (!keep_anchor(r, anchor_of(&r->event), place, &anchor))
		return NONE;
	anchor.node = read_value(r, place, depth);
	if (anchor.node == NONE || anchor.name == NULL)
		return anchor.node;
	if (r->anchor_count == ANCHORS_MOST) {
		fail(r, place, "too many anchors (&); expected at most 4096");
		return NONE;
	}
	r->anchors[r->anchor_count++] = anchor;
	return anchor.node;
}

/* Only the first document is read, as openme's reader does. */
static bool read_document(struct resolver *r)
{
	while (r->event.type != YAML_DOCUMENT_START_EVENT) {
		if (r->event.type == YAML_STREAM_END_EVENT)
			return fail(r, place_of(r->event.start_mark), "empty");
		if (!next_event(r))
			return false;
	}
	if (!next_event(r) || read_node(r, 0) == NONE || !next_event(r) || !next_event(r))
		return false;
	r->to->more = r->event.type != YAML_STREAM_END_EVENT;
	return true;
}

bool resolve_parse(struct resolved *out, const struct tree_source *from, struct conf_error *error)
{
	struct resolver r = {.to = out, .tree = &out->tree, .error = error};
	bool ok;

	*out = (struct resolved){.tree = {.file = from->file}};
	if (!yaml_parser_initialize(&r.parser))
		return fail(&r, (struct conf_place){1, 1}, "not enough memory to read it");
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)from->data, from->size);
	ok = read_document(&r);
	drop_event(&r);
	parser_wipe(&r.parser, from->size);
	yaml_parser_delete(&r.parser);
	free(r.anchors);
	if (!ok)
		tree_free(&out->tree);
	return ok;
}
