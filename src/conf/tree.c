#include "conf/tree.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/secret.h"
#include "conf/error.h"
#include "conf/values.h"

#define NONE UINT32_MAX

/* The nodes that are open while their children arrive. */
struct builder {
	struct tree *tree;
	struct conf_error *error;
	struct {
		uint32_t node;
		uint32_t last; /* child */
	} open[TREE_DEPTH];
	unsigned int depth;
	unsigned int documents;
	uint32_t room;
};

bool tree_fail(const struct tree *tree, struct conf_place place, const char *key,
    struct conf_error *error, const char *format, ...)
{
	char text[sizeof error->text];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return conf_fail(error, "%s:%u:%u: %s%s%s", tree->file, place.line, place.column, key,
	    *key == '\0' ? "" : ": ", text);
}

static struct conf_place place_of_mark(yaml_mark_t mark)
{
	return (struct conf_place){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

static bool refuse_event(struct builder *b, struct conf_place place, const char *what)
{
	return tree_fail(b->tree, place, "", b->error, "%s", what);
}

/* A place in the tree for one more node, as the next child of the innermost open one. */
static struct node *add_node(struct builder *b, enum node_kind kind, struct conf_place place)
{
	struct tree *t = b->tree;
	uint32_t here = t->count;

	if (here == b->room) {
		uint32_t room = b->room == 0 ? 256 : b->room * 2;
		struct node *more = NULL;

		if (here < TREE_NODES)
			more = reallocarray(t->nodes, room, sizeof *more);
		if (more == NULL) {
			refuse_event(b, place, "too large a file to hold in memory");
			return NULL;
		}
		t->nodes = more;
		b->room = room;
	}
	if (b->depth > 0) {
		uint32_t parent = b->open[b->depth - 1].node, last = b->open[b->depth - 1].last;

		if (kind != NODE_SCALAR && t->nodes[parent].kind == NODE_MAP &&
		    t->nodes[parent].count % 2 == 0) {
			refuse_event(b, place, "found a list or a map; expected a key");
			return NULL;
		}
		if (last == NONE)
			t->nodes[parent].first = here;
		else
			t->nodes[last].next = here;
		t->nodes[parent].count++;
		b->open[b->depth - 1].last = here;
	}
	t->nodes[here] = (struct node){.kind = kind, .place = place, .first = NONE, .next = NONE};
	t->count++;
	return &t->nodes[here];
}

static bool add_scalar(struct builder *b, const yaml_event_t *event)
{
	struct conf_place place = place_of_mark(event->start_mark);
	const char *value = (const char *)event->data.scalar.value;
	size_t length = event->data.scalar.length;
	struct tree *t = b->tree;
	struct node *node;

	if (memchr(value, '\0', length) != NULL)
		return refuse_event(b, place, "found a zero byte in a value");
	if (length >= t->text_size - t->text_used)
		return refuse_event(b, place, "too large a file to hold in memory");
	node = add_node(b, NODE_SCALAR, place);
	if (node == NULL)
		return false;
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text = t->texts + t->text_used;
	memcpy(t->texts + t->text_used, value, length);
	t->text_used += length + 1; /* the memory came zeroed */
	return true;
}

static bool open_node(struct builder *b, enum node_kind kind, struct conf_place place)
{
	if (b->depth == TREE_DEPTH)
		return refuse_event(b, place, "nested too deeply");
	if (add_node(b, kind, place) == NULL)
		return false;
	b->open[b->depth].node = b->tree->count - 1;
	b->open[b->depth].last = NONE;
	b->depth++;
	return true;
}

static int by_text(const void *a, const void *b)
{
	const struct node *x = *(const struct node *const *)a, *y = *(const struct node *const *)b;
	int order = strcmp(x->text, y->text);

	return order != 0 ? order : (x > y) - (x < y);
}

static bool map_keys_differ(struct builder *b, const struct node *map)
{
	const struct node **keys = calloc(map->count / 2 + 1, sizeof *keys);
	const struct tree *t = b->tree;
	size_t count = 0;
	bool ok = true;
	char quoted[80];

	if (keys == NULL)
		return refuse_event(b, map->place, "too large a file to hold in memory");
	for (const struct node *n = tree_first(t, map); n != NULL; n = tree_next_key(t, n))
		keys[count++] = n;
	qsort(keys, count, sizeof *keys, by_text);
	for (size_t i = 1; i < count && ok; i++) {
		if (strcmp(keys[i - 1]->text, keys[i]->text) != 0)
			continue;
		ok = tree_fail(t, keys[i]->place, "", b->error,
		    "found %s a second time; it stands at line %u already: remove one of them",
		    value_quoted(quoted, sizeof quoted, keys[i]->text, 63),
		    keys[i - 1]->place.line);
	}
	free(keys);
	return ok;
}

static bool close_map(struct builder *b)
{
	b->depth--;
	return map_keys_differ(b, &b->tree->nodes[b->open[b->depth].node]);
}

static bool is_bare(
    struct builder *b, struct conf_place place, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL)
		return refuse_event(b, place, "found an anchor (&); expected the value itself");
	return tag == NULL ||
	       refuse_event(b, place, "found a tag (!); expected a value without one");
}

static bool take_event(struct builder *b, const yaml_event_t *event)
{
	struct conf_place place = place_of_mark(event->start_mark);

	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return is_bare(b, place, event->data.scalar.anchor, event->data.scalar.tag) &&
		       add_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return is_bare(b, place, event->data.sequence_start.anchor,
		           event->data.sequence_start.tag) &&
		       open_node(b, NODE_LIST, place);
	case YAML_MAPPING_START_EVENT:
		return is_bare(b, place, event->data.mapping_start.anchor,
		           event->data.mapping_start.tag) &&
		       open_node(b, NODE_MAP, place);
	case YAML_SEQUENCE_END_EVENT:
		b->depth--;
		return true;
	case YAML_MAPPING_END_EVENT:
		return close_map(b);
	case YAML_ALIAS_EVENT:
		return refuse_event(b, place, "found an alias (*); expected the value itself");
	case YAML_DOCUMENT_START_EVENT:
		return b->documents++ == 0 ||
		       refuse_event(b, place, "found a second document (---); expected one");
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	default:
		return true;
	}
}

/* What the scanner and the parser know as a mark, the byte reader knows as an offset only. */
static bool fail_syntax(struct builder *b, const yaml_parser_t *parser, const char *data)
{
	struct conf_place place = place_of_mark(parser->problem_mark);
	const char *problem = parser->problem == NULL ? "no memory" : parser->problem;

	if (parser->error == YAML_READER_ERROR) {
		place = (struct conf_place){1, 1};
		for (size_t i = 0; i < parser->problem_offset && data[i] != '\0'; i++) {
			place.line += data[i] == '\n';
			place.column = data[i] == '\n' ? 1 : place.column + 1;
		}
	}
	return tree_fail(b->tree, place, "", b->error, "not YAML: %s", problem);
}

/* The parser's own copies of the text, which may hold keys. */
static void wipe_parser(yaml_parser_t *parser)
{
	if (parser->buffer.start != NULL)
		secret_wipe(
		    parser->buffer.start, (size_t)(parser->buffer.end - parser->buffer.start));
	if (parser->raw_buffer.start != NULL)
		secret_wipe(parser->raw_buffer.start,
		    (size_t)(parser->raw_buffer.end - parser->raw_buffer.start));
}

static bool take_events(struct builder *b, yaml_parser_t *parser, const char *data)
{
	bool more = true, ok = true;

	while (more && ok) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event))
			return fail_syntax(b, parser, data);
		more = event.type != YAML_STREAM_END_EVENT;
		ok = take_event(b, &event);
		if (event.type == YAML_SCALAR_EVENT)
			secret_wipe(event.data.scalar.value, event.data.scalar.length);
		yaml_event_delete(&event);
	}
	return ok;
}

bool tree_parse(
    struct tree *out, const char *file, const char *data, size_t size, struct conf_error *error)
{
	struct builder b = {.tree = out, .error = error};
	yaml_parser_t parser;
	bool ok;

	*out = (struct tree){.file = file};
	/* An escape of two characters can stand for three bytes; then each value gets a zero. */
	out->text_size = 3 * size + 64;
	out->texts = secret_alloc(out->text_size);
	if (out->texts == NULL || !yaml_parser_initialize(&parser)) {
		tree_free(out);
		return conf_fail(error, "%s: not enough memory to read it", file);
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)data, size);
	ok = take_events(&b, &parser, data);
	wipe_parser(&parser);
	yaml_parser_delete(&parser);
	if (!ok)
		tree_free(out);
	return ok;
}

void tree_free(struct tree *tree)
{
	secret_free(tree->texts);
	free(tree->nodes);
	*tree = (struct tree){.file = NULL};
}

static const struct node *node_at(const struct tree *tree, uint32_t index)
{
	return index == NONE ? NULL : &tree->nodes[index];
}

const struct node *tree_root(const struct tree *tree)
{
	return tree->count == 0 ? NULL : &tree->nodes[0];
}

const struct node *tree_first(const struct tree *tree, const struct node *parent)
{
	return node_at(tree, parent->first);
}

const struct node *tree_next(const struct tree *tree, const struct node *sibling)
{
	return node_at(tree, sibling->next);
}

const struct node *tree_next_key(const struct tree *tree, const struct node *key)
{
	const struct node *value = tree_next(tree, key);

	return value == NULL ? NULL : tree_next(tree, value);
}

const struct node *tree_find(const struct tree *tree, const struct node *map, const char *key)
{
	for (const struct node *k = tree_first(tree, map); k != NULL; k = tree_next_key(tree, k)) {
		if (strcmp(k->text, key) == 0)
			return tree_next(tree, k);
	}
	return NULL;
}

bool node_is_null(const struct node *node)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	if (node->kind != NODE_SCALAR || node->quoted)
		return false;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(node->text, words[i]) == 0)
			return true;
	}
	return false;
}
