/* Files, read once and checked. */
#ifndef CONF_FILE_H
#define CONF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_error;

#define FILE_MOST (16U << 20) /* bytes */

enum file_secrecy {
	FILE_SECRET, /* nobody but the owner may read it */
	FILE_PUBLIC, /* nobody but the owner may write it */
};

/* Which file it is, and in which state: with every change of its contents, owner or rights the
 * kernel moves `changed_ns`, and nobody can set it. */
struct file_identity {
	uint64_t device;
	uint64_t inode;
	int64_t size;
	int64_t modified_ns;
	int64_t changed_ns;
};

/* `data` is locked memory with a zero byte behind it. */
struct file_text {
	char *data;
	size_t size;
	unsigned int mode; /* of the file it came from */
	struct file_identity identity; /* before it was read */
};

/* Opens, checks and reads a regular file of at most FILE_MOST bytes that belongs to root or to the
 * caller, in a folder where others cannot replace it. False with *error filled. */
bool file_read(
    struct file_text *out, const char *path, enum file_secrecy secrecy, struct conf_error *error);
/* For a FILE_PUBLIC whose text turned out to hold a secret: false with *error filled when others
 * may read it. */
bool file_kept_secret(const struct file_text *text, const char *path, struct conf_error *error);
/* Whether this is that file still, and file_read would take it as a FILE_PUBLIC, as far as its
 * folder is trusted. */
bool file_is_same(const char *path, const struct file_identity *known);
/* Wipes. Safe on a zeroed one. */
void file_text_free(struct file_text *text);

/* Names in a folder that end with `suffix` and do not start like somebody's scratch file, sorted.
 * A missing folder has none. The array and its strings are the caller's (file_names_free). */
bool file_list(
    char ***out, size_t *count, const char *path, const char *suffix, struct conf_error *error);
void file_names_free(char **names, size_t count);

/* `folder`/`name`, or the folder that `path` stands in; allocated, NULL when memory is short. */
char *file_join(const char *folder, const char *name);
char *file_folder(const char *path);

#endif
