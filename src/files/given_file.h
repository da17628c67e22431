/* Files that are named on the command line, also as descriptors that are open already. */
#ifndef FILES_GIVEN_FILE_H
#define FILES_GIVEN_FILE_H

#include "conf/file.h"

/* The descriptor that `path` means: "-", /dev/stdin, "fd:3", /dev/fd/3 or /proc/self/fd/3. -1: it
 * is the path of a file. */
int given_descriptor(const char *path);
/* How complaints name it. */
const char *given_name(const char *path);
/* As file_read. All that a descriptor has is read, and nobody's rights are looked at: whoever
 * opened it could read it. */
bool given_read(
    struct file_text *out, const char *path, enum file_secrecy secrecy, struct conf_error *error);

#endif
