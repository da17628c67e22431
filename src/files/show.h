/* A configuration as YAML, and values for the files that the tool writes. */
#ifndef FILES_SHOW_H
#define FILES_SHOW_H

#include <stdio.h>

#include "conf/conf.h"

/* The configuration in force, defaults included; keys are redacted. False with errno when `to` does
 * not take it. */
bool conf_show(const struct conf *conf, FILE *to);

/* One line a member that is given, each with `indent` before it. */
void section_show(
    const struct conf_section *section, const void *from, const char *indent, FILE *to);
/* The value alone; false and nothing for one that is not given. Secrets are redacted. */
bool field_show(const struct conf_field *field, const void *from, FILE *to);
/* `[a, b]` */
void list_show(const struct conf_list *list, FILE *to);
/* `text` as a YAML string, in quotes where it needs them. */
void show_string(const char *text, FILE *to);
/* Nanoseconds since 1970 in RFC 3339. */
void show_time(int64_t ns, FILE *to);

#endif
