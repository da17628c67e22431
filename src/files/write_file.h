/* Files, written whole or not at all. */
#ifndef FILES_WRITE_FILE_H
#define FILES_WRITE_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct conf_error;

#define FILE_HIDDEN_BYTES 32

/* A file that has no name yet, so that nothing is left of it when its process is killed. Where the
 * file system has no such files, and while one is about to replace another, it has a hidden name
 * and is locked; of those that nobody has locked any more, the next one in their folder removes
 * all. Zeroed, none. */
struct new_file {
	int fd;     /* to write to; mode 0600 */
	int folder; /* it will stand in */
	char *path; /* as it will be called; NULL: none */
	char hidden[FILE_HIDDEN_BYTES];
};

/* False with errno, and nothing to close, as the next. */
bool new_file_open(struct new_file *file, const char *path);
/* Syncs it and gives it its name; without `replace` EEXIST where something has that. Links are not
 * followed. Closes it in any case, and false: nothing is left. */
bool new_file_commit(struct new_file *file, bool replace);
/* Leaves nothing of it. Safe after the two above, and on a zeroed one. */
void new_file_close(struct new_file *file);

/* The three of them, and false with *error filled, and nothing changed. */
bool file_write(
    const char *path, const char *data, size_t size, bool replace, struct conf_error *error);
/* Fills *error for a file that could not be put in place, by errno. Always false. */
bool file_write_fail(struct conf_error *error, const char *path);
/* All of it, past signals and short writes. */
bool file_write_whole(int fd, const char *data, size_t size);
/* Makes the folder, mode 0700, unless it is there. */
bool file_make_folder(const char *path, struct conf_error *error);

#endif
