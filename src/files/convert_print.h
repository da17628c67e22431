/* Parts of a tree as YAML, for convert.c. */
#ifndef FILES_CONVERT_PRINT_H
#define FILES_CONVERT_PRINT_H

#include <stdio.h>

#include "conf/schema.h"
#include "conf/tree.h"

struct converted {
	const struct tree *tree;
	FILE *to;
	FILE *notes;
	bool too_deep; /* something was not printed */
};

/* "FILE:LINE:COLUMN: PATH: " and the rest as a line of the notes; `path` may be "". */
void convert_note(const struct converted *c, const struct node *at, const char *path,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* `indent`KEY:, then its value. */
void convert_entry(struct converted *c, unsigned int indent, const struct node *key);
/* The entries of `map` that `section` has fields for, but for `skipped` (or NULL); a note on each
 * of the others. The same for the sections in it. */
void convert_section(struct converted *c, unsigned int indent, const struct conf_section *section,
    const struct node *map, const char *path, const char *skipped);
/* A scalar, as it was, in quotes where it needs them. */
void convert_scalar(const struct converted *c, const struct node *node);
void convert_key(const struct converted *c, const struct node *key);
/* " []", or a line an item. */
void convert_list(const struct converted *c, unsigned int indent, const struct conf_list *list);
/* A note on a key that was left out. */
void convert_unknown(const struct converted *c, const struct node *key, const char *path,
    const char *const *known, size_t count);

#endif
