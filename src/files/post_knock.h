/* Some apps write a profile's command as it was typed, without the quotes that YAML wants. */
#ifndef FILES_POST_KNOCK_H
#define FILES_POST_KNOCK_H

#include <stddef.h>

struct conf_error;

/* Where the text of a file that was refused has such a command, *error says how to write it. */
void post_knock_advise(const char *file, const char *text, size_t size, struct conf_error *error);

#endif
