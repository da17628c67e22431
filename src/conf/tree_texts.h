/* The texts of a tree: locked memory, bit by bit, so that a long file needs no more of it at a time
 * than what is kept. Inside src/conf only. */
#ifndef CONF_TREE_TEXTS_H
#define CONF_TREE_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

struct tree_texts;

/* A copy with a zero byte behind it; NULL when memory is short. */
const char *tree_texts_add(struct tree_texts **texts, const char *text, size_t length);
/* Forgets `text` and all that came after it; NULL: all. */
void tree_texts_cut(struct tree_texts **texts, const char *text);
/* Wipes. */
void tree_texts_free(struct tree_texts **texts);

#endif
