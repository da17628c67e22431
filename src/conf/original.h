/* What the files and command lines of original OpenSPA servers have beyond the keys of our tables.
 * Inside src/conf, but for original_flag. */
#ifndef CONF_ORIGINAL_H
#define CONF_ORIGINAL_H

#include <stdbool.h>

#include "conf/private.h"

struct openspa_source;

/* Makes an original file's tree one that our tables read: keys with dots go to their section, what
 * the original passes over is taken out with a warning. False with *error filled. */
bool original_prepare(struct conf *conf, struct tree *tree, struct conf_error *error);

/* A file that the configuration names: relative to the configuration's folder and, in an original
 * file, else to the working directory, with a warning. Allocated; NULL with `problem` filled when
 * it is in neither. */
char *original_find(
    const struct openspa_source *s, const char *path, char problem[static TRUSTED_TEXT_BYTES]);

/* A flag of the original server, which stands above the file from now on, in every reading of this
 * process and its children. Both texts must outlive them. */
void original_flag(const char *key, const char *text);
/* Puts what flags say over what the file says. */
bool original_apply_flags(struct conf_openspa *openspa, struct conf_error *error);

#endif
