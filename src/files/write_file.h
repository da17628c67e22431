/* Files, written whole or not at all. */
#ifndef FILES_WRITE_FILE_H
#define FILES_WRITE_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct conf_error;

/* Writes a new file beside `path`, syncs it, renames it to `path` and syncs the folder; mode 0600.
 * With `replace` false an existing file is refused. False with *error filled and nothing
 * changed. */
bool file_write(
    const char *path, const char *data, size_t size, bool replace, struct conf_error *error);
/* Renames a file inside a folder (or AT_FDCWD); without `replace` EEXIST where one is there. False
 * with errno, as the next. */
bool file_put_in_place(int folder, const char *from, const char *to, bool replace);
/* All of it, past signals and short writes. */
bool file_write_whole(int fd, const char *data, size_t size);
/* Makes the folder, mode 0700, unless it is there. */
bool file_make_folder(const char *path, struct conf_error *error);

#endif
