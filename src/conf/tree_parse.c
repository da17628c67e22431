#include "conf/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

#include <yaml.h>

#include "base/fd.h"
#include "base/secret.h"
#include "conf/error.h"
#include "conf/parser_wipe.h"
#include "conf/tree_syntax.h"
#include "conf/tree_texts.h"
#include "conf/values.h"

#define NONE     UINT32_MAX
#define CONVERTS ": `postern config convert` prints the file so"

/* The nodes that are open while their children arrive. */
struct builder {
	struct tree *tree;
	const struct tree_source *from;
	const struct tree_taker *taker;
	struct conf_error *error;
	struct {
		uint32_t node;
		uint32_t last; /* child */
		uint32_t kept; /* the last child that was not taken */
	} open[TREE_DEPTH];
	unsigned int depth;
	unsigned int documents;
	size_t read; /* bytes */
	int failed;  /* errno of a read */
};

static struct conf_place place_of_mark(yaml_mark_t mark)
{
	return (struct conf_place){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

static bool refuse_event(struct builder *b, struct conf_place place, const char *what)
{
	return tree_fail(b->tree, place, "", b->error, "%s", what);
}

/* Whether what comes next is a key of the innermost open map. */
static bool is_key(const struct builder *b)
{
	const struct node *open =
	    b->depth == 0 ? NULL : &b->tree->nodes[b->open[b->depth - 1].node];

	return open != NULL && open->kind == NODE_MAP && open->count % 2 == 0;
}

/* A place in the tree for one more node, as the next child of the innermost open one. */
static struct node *add_node(struct builder *b, enum node_kind kind, struct conf_place place)
{
	struct tree *t = b->tree;
	uint32_t here = t->count;

	if (here == t->room) {
		uint32_t room = t->room == 0 ? 256 : t->room * 2;
		struct node *more = NULL;

		if (here < TREE_NODES)
			more = reallocarray(t->nodes, room, sizeof *more);
		if (more == NULL) {
			refuse_event(b, place, "too large a file to hold in memory");
			return NULL;
		}
		t->nodes = more;
		t->room = room;
	}
	if (b->depth > 0) {
		uint32_t parent = b->open[b->depth - 1].node, last = b->open[b->depth - 1].last;

		if (kind != NODE_SCALAR && is_key(b)) {
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
	t->nodes[here] =
	    (struct node){.kind = (uint8_t)kind, .place = place, .first = NONE, .next = NONE};
	t->count++;
	return &t->nodes[here];
}

static bool add_scalar(struct builder *b, const yaml_event_t *event)
{
	struct conf_place place = place_of_mark(event->start_mark);
	char *value = (char *)event->data.scalar.value, *zero;
	size_t length = event->data.scalar.length;
	struct node *node;

	while ((zero = memchr(value, '\0', length)) != NULL) {
		if (!is_key(b))
			return refuse_event(b, place, "found a zero byte in a value");
		*zero = '\1'; /* as odd in a key, and closes no text */
	}
	node = add_node(b, NODE_SCALAR, place);
	if (node == NULL)
		return false;
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text = tree_texts_add(&b->tree->texts, value, length);
	return node->text != NULL || refuse_event(b, place, "too large a file to hold in memory");
}

static bool open_node(struct builder *b, enum node_kind kind, struct conf_place place)
{
	if (b->depth == TREE_DEPTH)
		return refuse_event(b, place, "nested too deeply");
	if (add_node(b, kind, place) == NULL)
		return false;
	b->open[b->depth].node = b->tree->count - 1;
	b->open[b->depth].last = b->open[b->depth].kept = NONE;
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

	if (keys == NULL)
		return refuse_event(b, map->place, "too large a file to hold in memory");
	for (const struct node *n = tree_first(t, map); n != NULL; n = tree_next_key(t, n))
		keys[count++] = n;
	qsort(keys, count, sizeof *keys, by_text);
	for (size_t i = 1; i < count && ok; i++) {
		if (strcmp(keys[i - 1]->text, keys[i]->text) != 0)
			continue;
		ok = conf_fail_second(
		    b->error, t->file, keys[i]->place, keys[i]->text, keys[i - 1]->place.line);
	}
	free(keys);
	return ok;
}

static bool close_map(struct builder *b)
{
	b->depth--;
	return map_keys_differ(b, &b->tree->nodes[b->open[b->depth].node]);
}

/* The key of the open map or list, NULL at the top: it stands right before its value. */
static const struct node *key_of_open(const struct builder *b, unsigned int depth)
{
	const struct node *nodes = b->tree->nodes;

	if (depth == 0 || nodes[b->open[depth - 1].node].kind != NODE_MAP)
		return NULL;
	return &nodes[b->open[depth].node - 1];
}

/* Whether the innermost open map is one of clients, and its last entry is whole. */
static bool is_client(const struct builder *b)
{
	const struct node *map = &b->tree->nodes[b->open[b->depth - 1].node], *key;

	if (map->kind != NODE_MAP || map->count == 0 || map->count % 2 != 0)
		return false;
	key = key_of_open(b, b->depth - 1);
	return key != NULL && strcmp(key->text, "clients") == 0 &&
	       (b->depth == 2 || key_of_open(b, 1) != NULL);
}

/* Takes the last entry out of the innermost open map. */
static void cut_entry(struct builder *b, uint32_t key)
{
	struct node *nodes = b->tree->nodes, *map = &nodes[b->open[b->depth - 1].node];
	uint32_t kept = b->open[b->depth - 1].kept;

	tree_texts_cut(&b->tree->texts, nodes[key].text);
	b->tree->count = key;
	map->count -= 2;
	b->open[b->depth - 1].last = kept;
	if (kept == NONE)
		map->first = NONE;
	else
		nodes[kept].next = NONE;
}

/* After each node: one that ends an entry of clients is offered. */
static bool offer(struct builder *b)
{
	const struct node *section;
	uint32_t value, key;

	if (b->taker == NULL || b->depth < 2 || b->depth > 3 || !is_client(b))
		return true;
	value = b->open[b->depth - 1].last;
	key = value - 1;
	section = b->depth == 3 ? key_of_open(b, 1) : NULL;
	switch (
	    b->taker->take(b->taker->context, b->tree, section, &b->tree->nodes[key], b->error)) {
	case TREE_KEPT:
		b->open[b->depth - 1].kept = value;
		return true;
	case TREE_TAKEN:
		cut_entry(b, key);
		return true;
	case TREE_FAILED:
	default:
		return false;
	}
}

/* What the originals take and we do not. */
static bool refuse_form(struct builder *b, struct conf_place place, const char *what)
{
	return tree_fail(
	    b->tree, place, "", b->error, "%s%s", what, b->tree->not_converted ? "" : CONVERTS);
}

static bool is_bare(
    struct builder *b, struct conf_place place, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL)
		return refuse_form(b, place, "found an anchor (&); expected the value itself");
	return tag == NULL ||
	       refuse_form(b, place, "found a tag (!); expected a value without one");
}

static bool take_event(struct builder *b, const yaml_event_t *event)
{
	struct conf_place place = place_of_mark(event->start_mark);

	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return is_bare(b, place, event->data.scalar.anchor, event->data.scalar.tag) &&
		       add_scalar(b, event) && offer(b);
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
		return offer(b);
	case YAML_MAPPING_END_EVENT:
		return close_map(b) && offer(b);
	case YAML_ALIAS_EVENT:
		return refuse_form(b, place, "found an alias (*); expected the value itself");
	case YAML_DOCUMENT_START_EVENT:
		return b->documents++ == 0 ||
		       refuse_form(b, place,
		           "found a second document (---), which the original does not read; "
		           "remove it");
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	default:
		return true;
	}
}

/* The parser takes up to 16 KiB at a time into a buffer of its own. */
static int read_source(void *context, unsigned char *to, size_t room, size_t *got)
{
	struct builder *b = context;
	size_t left = b->from->size - b->read;
	ssize_t taken;

	if (room > left)
		room = left;
	if (b->from->data != NULL)
		memcpy(to, b->from->data + b->read, room);
	taken = b->from->data != NULL ? (ssize_t)room : fd_read(b->from->fd, to, room);
	if (taken < 0)
		b->failed = errno;
	*got = taken < 0 ? 0 : (size_t)taken;
	b->read += *got;
	return taken >= 0;
}

static bool take_events(struct builder *b, yaml_parser_t *parser)
{
	bool more = true, ok = true;

	while (more && ok) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event) && b->failed != 0) {
			errno = b->failed;
			return conf_fail_system(b->error, b->from->file, "read it");
		}
		if (parser->error != YAML_NO_ERROR)
			return tree_fail_syntax(b->tree, b->from, parser, b->error);
		more = event.type != YAML_STREAM_END_EVENT;
		ok = take_event(b, &event);
		if (event.type == YAML_SCALAR_EVENT)
			secret_wipe(event.data.scalar.value, event.data.scalar.length);
		yaml_event_delete(&event);
	}
	return ok;
}

bool tree_parse(struct tree *out, const struct tree_source *from, const struct tree_taker *taker,
    struct conf_error *error)
{
	struct builder b = {.tree = out, .from = from, .taker = taker, .error = error};
	yaml_parser_t parser;
	bool ok;

	out->file = from->file;
	out->count = 0;
	tree_texts_cut(&out->texts, NULL);
	if (!yaml_parser_initialize(&parser)) {
		tree_free(out);
		return conf_fail(error, "%s: not enough memory to read it", from->file);
	}
	yaml_parser_set_input(&parser, read_source, &b);
	ok = take_events(&b, &parser);
	parser_wipe(&parser, 2 * from->size); /* UTF-16 grows when it becomes UTF-8 */
	yaml_parser_delete(&parser);
	if (!ok)
		tree_free(out);
	return ok;
}
