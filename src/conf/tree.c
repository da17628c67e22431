#include "conf/tree.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conf/error.h"
#include "conf/tree_texts.h"

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

void tree_free(struct tree *tree)
{
	tree_texts_free(&tree->texts);
	free(tree->nodes);
	*tree = (struct tree){.file = NULL};
}

static const struct node *node_at(const struct tree *tree, uint32_t index)
{
	return index == UINT32_MAX ? NULL : &tree->nodes[index];
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
