/* A piece of a tree as bytes, and back. */
#ifndef CONF_INDEX_STREAM_H
#define CONF_INDEX_STREAM_H

#include "base/bytes.h"
#include "conf/tree.h"

/* Bytes that grow. Zeroed, none; `data` is the owner's to free. */
struct stream {
	uint8_t *data;
	size_t used;
	size_t room;
};

/* Room for `more` bytes behind those that are used; NULL when memory is short. */
uint8_t *stream_room(struct stream *s, size_t more);
bool stream_put(struct stream *s, const void *data, size_t size);
/* A node with all that is in it. False when memory is short, or the node too large for the form. */
bool stream_put_node(struct stream *s, const struct tree *tree, const struct node *node);

/* Adds a node, with all that is in it, to a tree; `texts` of that are not used.
 * Texts stay where they are in the reader's buffer. False: not what stream_put_node wrote, or
 * memory is short. */
bool stream_take_node(struct reader *from, struct tree *tree);

#endif
