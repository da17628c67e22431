/* Files, opened once and checked. */
#ifndef CONF_FILE_H
#define CONF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "conf/secret_readers.h"

struct conf_error;

/* Bytes. What is read into memory as a whole, and each file in a folder of many. */
#define FILE_MOST (16U << 20)

enum file_secrecy {
	FILE_SECRET, /* nobody but the owner may read it, and those of secret_readers.h */
	FILE_PUBLIC, /* nobody but the owner may write it */
};

/* A regular file that belongs to root or to the caller, in a folder where others cannot replace
 * it. */
struct file {
	int fd;                        /* -1: none */
	const char *path;              /* as in complaints; the caller's */
	struct stat st;                /* when it was opened */
	char note[READERS_TEXT_BYTES]; /* a warning about who can read a secret; "" for none */
};

/* Opens one of at most `most` bytes. False with *error filled. */
bool file_open(struct file *out, const char *path, enum file_secrecy secrecy, size_t most,
    struct conf_error *error);
/* False with *error filled when it is not what it was when it was opened. */
bool file_unchanged(const struct file *file, struct conf_error *error);
/* For a FILE_PUBLIC whose text turned out to hold a secret: false with *error filled when others
 * may read it. */
bool file_kept_secret(struct file *file, struct conf_error *error);
void file_close(struct file *file);

/* `data` is locked memory with a zero byte behind it. */
struct file_text {
	char *data;
	size_t size;
	char note[READERS_TEXT_BYTES]; /* as in struct file */
};

/* All of a file of at most FILE_MOST bytes, read once. False with *error filled. */
bool file_read(
    struct file_text *out, const char *path, enum file_secrecy secrecy, struct conf_error *error);
/* Wipes. Safe on a zeroed one. */
void file_text_free(struct file_text *text);

/* A folder that holds one thing a file. It was checked, with the folders above it, when it was
 * opened, so a file in it costs no more than to open it. */
struct file_folder {
	int fd; /* -1: there is none */
	char *path;
	char **names; /* of its files, sorted */
	size_t count;
	bool mounted; /* into a container of ours: links into its ..data are followed */
};

/* Lists the names that end with `suffix` and do not start like somebody's scratch file. A missing
 * folder has none. False with *error filled; to be closed either way. */
bool file_folder_open(
    struct file_folder *out, const char *path, const char *suffix, struct conf_error *error);
/* As file_open, a FILE_PUBLIC of at most FILE_MOST bytes. `path` is how complaints name it. */
bool file_open_in(struct file *out, const struct file_folder *folder, const char *name,
    const char *path, struct conf_error *error);
/* Looks without opening it. False when file_open_in would not take it. */
bool file_stat_in(struct stat *st, const struct file_folder *folder, const char *name);
void file_folder_close(struct file_folder *folder);
void file_names_free(char **names, size_t count);

/* `folder`/`name`, or the folder that `path` stands in; allocated, NULL when memory is short. */
char *file_join(const char *folder, const char *name);
char *file_folder(const char *path);

#endif
