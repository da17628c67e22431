#include "conf/index_stream.h"

#include <stdlib.h>
#include <string.h>

#define NONE       UINT32_MAX
#define NODE_BYTES 9 /* without the text of a scalar: see put_head */
#define QUOTED     0x80U

uint8_t *stream_room(struct stream *s, size_t more)
{
	size_t room = s->room == 0 ? 4096 : s->room;
	uint8_t *data;

	while (room - s->used < more) {
		if (room > SIZE_MAX / 2)
			return NULL;
		room *= 2;
	}
	if (room != s->room || s->data == NULL) {
		data = realloc(s->data, room);
		if (data == NULL)
			return NULL;
		s->data = data;
		s->room = room;
	}
	return s->data + s->used;
}

bool stream_put(struct stream *s, const void *data, size_t size)
{
	uint8_t *to = stream_room(s, size);

	if (to == NULL)
		return false;
	if (size > 0)
		memcpy(to, data, size);
	s->used += size;
	return true;
}

static bool put_head(struct stream *s, const struct node *node, size_t length)
{
	uint8_t head[NODE_BYTES];
	struct writer w = writer_of(head, sizeof head);

	if (node->place.column > UINT16_MAX || length > UINT16_MAX)
		return false;
	writer_u8(&w, (uint8_t)(node->kind | (node->quoted ? QUOTED : 0)));
	writer_u32(&w, node->place.line);
	writer_u16(&w, (uint16_t)node->place.column);
	writer_u16(&w, (uint16_t)length);
	return stream_put(s, head, sizeof head);
}

/* A tree is at most TREE_DEPTH deep. */
bool stream_put_node(struct stream *s, const struct tree *tree, const struct node *node)
{
	size_t length = node->kind == NODE_SCALAR ? strlen(node->text) : node->count;

	if (!put_head(s, node, length))
		return false;
	if (node->kind == NODE_SCALAR)
		return stream_put(s, node->text, length + 1);
	for (const struct node *n = tree_first(tree, node); n != NULL; n = tree_next(tree, n)) {
		if (!stream_put_node(s, tree, n))
			return false;
	}
	return true;
}

static struct node *add_node(struct tree *tree)
{
	if (tree->count == tree->room) {
		uint32_t more = tree->room == 0 ? 64 : tree->room * 2;
		struct node *nodes =
		    more > TREE_NODES ? NULL : reallocarray(tree->nodes, more, sizeof *nodes);

		if (nodes == NULL)
			return NULL;
		tree->nodes = nodes;
		tree->room = more;
	}
	return &tree->nodes[tree->count++];
}

static bool take_text(struct reader *from, struct node *node, size_t length)
{
	if (from->left <= length || from->data[length] != '\0' ||
	    memchr(from->data, '\0', length) != NULL)
		return false;
	node->text = (const char *)from->data;
	reader_skip(from, length + 1);
	return true;
}

static bool take_node(struct reader *from, struct tree *tree, unsigned int depth)
{
	uint32_t here = tree->count, last = NONE, count;
	struct node *node = add_node(tree);
	uint8_t kind = reader_u8(from);

	if (node == NULL || depth > TREE_DEPTH)
		return false;
	*node = (struct node){.kind = (uint8_t)(kind & ~QUOTED), .quoted = (kind & QUOTED) != 0};
	node->place.line = reader_u32(from);
	node->place.column = reader_u16(from);
	node->first = node->next = NONE;
	count = reader_u16(from);
	if (from->failed || node->kind > NODE_MAP || (node->kind == NODE_MAP && count % 2 != 0))
		return false;
	if (node->kind == NODE_SCALAR)
		return take_text(from, node, count);
	node->count = count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t child = tree->count;

		if (!take_node(from, tree, depth + 1) ||
		    (tree->nodes[here].kind == NODE_MAP && i % 2 == 0 &&
		        tree->nodes[child].kind != NODE_SCALAR))
			return false;
		if (last == NONE)
			tree->nodes[here].first = child;
		else
			tree->nodes[last].next = child;
		last = child;
	}
	return true;
}

bool stream_take_node(struct reader *from, struct tree *tree)
{
	return take_node(from, tree, 0);
}
