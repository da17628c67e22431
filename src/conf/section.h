/* A section of a file, read into its struct by its table. */
#ifndef CONF_SECTION_H
#define CONF_SECTION_H

#include <stdio.h>

#include "conf/schema.h"
#include "conf/tree.h"

/* Puts the defaults in place. False when memory is short. */
bool section_defaults(const struct conf_section *section, void *into);
/* What `map` gives, over the defaults, which must be in place. `path` names the section in
 * complaints ("server"); "": the
 * file itself. Keys of nested sections are left alone. False with *error filled; `into` is to be
 * freed either way. */
bool section_load(const struct conf_section *section, void *into, const struct tree *tree,
    const struct node *map, const char *path, struct conf_error *error);
/* Whether two keys are the same to this section. */
bool section_same_key(const struct conf_section *section, const char *a, const char *b);
/* The value of `name` in a map, NULL when there is none, or no map. */
const struct node *section_find(const struct conf_section *section, const struct tree *tree,
    const struct node *map, const char *name);
/* Frees what the members hold and wipes secrets. */
void section_free(const struct conf_section *section, void *from);

/* The items of a list, each checked as those of `field`. A single scalar is a list of one. */
bool section_load_list(struct conf_list *list, const struct conf_field *field,
    const struct tree *tree, const struct node *node, const char *path, struct conf_error *error);

/* "found ...; expected ...", in the one form of all complaints about a value. Always false. */
bool section_refuse(const struct tree *tree, const struct node *node, const char *path,
    const char *expected, struct conf_error *error);
/* "unknown key", with the nearest of `known`. Always false. */
bool section_unknown(const struct tree *tree, const struct node *key, const char *path,
    const char *const *known, size_t count, struct conf_error *error);

#endif
