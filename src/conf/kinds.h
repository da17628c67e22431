/* What can be done with a value of each kind: one row of functions a kind. */
#ifndef CONF_KINDS_H
#define CONF_KINDS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/schema.h"

#define EXPECTED_BYTES 200

/* Functions that a kind does without are NULL. */
struct kind {
	const char *name;
	size_t size; /* of the member */
	/* Scalars: the text into the member, or false and `expected` completed. */
	bool (*read)(const struct conf_field *field, void *member, const char *text,
	    char expected[static EXPECTED_BYTES]);
	/* Lists: one item alone, then all of them. Texts: the one, which may be empty as well. */
	bool (*item)(const char *text, const char **expected);
	bool or_empty;
	bool (*whole)(const struct conf_list *list, const char **expected);
	/* A member that is not in the file and has no default. */
	void (*clear)(void *member);
	void (*drop)(void *member);
};

const struct kind *kind_of(const struct conf_field *field);

/* Adds a copy of `text`. False when memory is short. */
bool list_add(struct conf_list *list, const char *text, struct conf_place place);
void list_free(struct conf_list *list);

#endif
