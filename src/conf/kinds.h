/* What can be done with a value of each kind: one row of functions a kind. */
#ifndef CONF_KINDS_H
#define CONF_KINDS_H

#include <stdio.h>

#include "conf/schema.h"

#define EXPECTED_BYTES 200

/* Functions that a kind does without are NULL. */
struct kind {
	const char *name;
	size_t size; /* of the member */
	/* Scalars: the text into the member, or false and `expected` completed. */
	bool (*read)(const struct conf_field *field, void *member, const char *text,
	    char expected[static EXPECTED_BYTES]);
	/* Lists: one item alone, then all of them. */
	bool (*item)(const char *text, const char **expected);
	bool (*whole)(const struct conf_list *list, const char **expected);
	/* A member that is not in the file and has no default. */
	void (*clear)(void *member);
	/* False: a member that is not to be shown. */
	bool (*show)(const struct conf_field *field, const void *member, FILE *to);
	void (*drop)(void *member);
};

const struct kind *kind_of(const struct conf_field *field);

/* Adds a copy of `text`. False when memory is short. */
bool list_add(struct conf_list *list, const char *text, struct conf_place place);
void list_free(struct conf_list *list);
/* `[a, b]` */
void list_show(const struct conf_list *list, FILE *to);
/* `text` as a YAML string, in quotes where it needs them. */
void show_string(const char *text, FILE *to);
/* Nanoseconds since 1970 in RFC 3339. */
void show_time(int64_t ns, FILE *to);
/* Go's notation, as short as it goes: 90s, 1h30m. */
void duration_text(int64_t ns, char *out, size_t size);

/* The kinds' ways to show themselves (show.c). */
bool show_text(const struct conf_field *field, const void *member, FILE *to);
bool show_command(const struct conf_field *field, const void *member, FILE *to);
bool show_integer(const struct conf_field *field, const void *member, FILE *to);
bool show_duration(const struct conf_field *field, const void *member, FILE *to);
bool show_expiry(const struct conf_field *field, const void *member, FILE *to);
bool show_revoked(const struct conf_field *field, const void *member, FILE *to);
bool show_switch(const struct conf_field *field, const void *member, FILE *to);
bool show_word(const struct conf_field *field, const void *member, FILE *to);
bool show_key(const struct conf_field *field, const void *member, FILE *to);
bool show_secret(const struct conf_field *field, const void *member, FILE *to);
bool show_list(const struct conf_field *field, const void *member, FILE *to);

#endif
