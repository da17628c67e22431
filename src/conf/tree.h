/* A YAML text as a bounded tree whose every node knows its line and column. Anchors, aliases,
 * tags, second documents, keys that are not plain strings and keys given twice are refused. */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

#define TREE_DEPTH 8
#define TREE_NODES (1U << 22)

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	const char *text; /* of a scalar; zero-terminated, without zeros inside */
	struct conf_place place;
	uint32_t first; /* child; in a map, key and value by turns */
	uint32_t next;
	uint32_t count; /* of children */
	uint8_t kind;   /* enum node_kind */
	bool quoted;    /* a scalar in quotes or a block: never null */
};

struct tree {
	const char *file; /* as in complaints */
	struct node *nodes;
	uint32_t count;
	uint32_t room;
	struct tree_texts *texts; /* locked memory */
	bool not_converted;       /* `postern config convert` does not know such files */
};

/* Memory, or an open file. */
struct tree_source {
	const char *file; /* as in complaints; must outlive the tree */
	const char *data; /* need not; NULL: from `fd` */
	int fd;
	size_t size; /* no more is read, even where the file has more */
};

/* A file of a million clients is not to be a tree of millions of nodes: each entry of a map
 * `clients`, at the top or in a section there, is offered as soon as it is whole. What is taken
 * leaves the tree at once. */
enum tree_use { TREE_KEPT, TREE_TAKEN, TREE_FAILED };
struct tree_taker {
	/* `section` is the key of the section, NULL at the top. */
	enum tree_use (*take)(void *context, const struct tree *tree, const struct node *section,
	    const struct node *key, struct conf_error *error);
	void *context;
};

/* `out` is zeroed, or what an earlier text was read into, whose memory is used again. `taker` may
 * be NULL. False with *error filled, and the tree freed. */
bool tree_parse(struct tree *out, const struct tree_source *from, const struct tree_taker *taker,
    struct conf_error *error);
/* Wipes. Safe on a zeroed one. */
void tree_free(struct tree *tree);

/* NULL when there is none. */
const struct node *tree_root(const struct tree *tree);
const struct node *tree_first(const struct tree *tree, const struct node *parent);
const struct node *tree_next(const struct tree *tree, const struct node *sibling);
/* In a map: its value stands between. */
const struct node *tree_next_key(const struct tree *tree, const struct node *key);
/* The value of `key` in a map. */
const struct node *tree_find(const struct tree *tree, const struct node *map, const char *key);
/* A scalar that says nothing: empty, ~ or null. */
bool node_is_null(const struct node *node);

/* "FILE:LINE:COLUMN: KEY: " and the rest. Always false. */
bool tree_fail(const struct tree *tree, struct conf_place place, const char *key,
    struct conf_error *error, const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
