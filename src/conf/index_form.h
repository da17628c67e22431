/* What reading and writing the index's file share. */
#ifndef CONF_INDEX_FORM_H
#define CONF_INDEX_FORM_H

#include <sodium.h>
#include <stdint.h>

#include "conf/client_index.h"
#include "conf/index_file.h"

#define INDEX_BYTES_MOST (INT64_C(1) << 31)
#define INDEX_HEAD_BYTES 32

/* A mark with the number of the form, and the version of the program: another one may read the same
 * text differently, or vet keys by other rules. */
extern const char index_head[INDEX_HEAD_BYTES];

/* The folder that it stands in, when nobody else can put another file there; -1 with `why`, which
 * is empty when there is none, or none that we may look into. */
int index_folder_open(const char *path, char why[static INDEX_WHY_BYTES]);
/* All of a file in such a folder, allocated, when nobody else can write it; NULL with `why`, which
 * is empty when there is none, or none that we may read. */
uint8_t *index_read_bytes(const char *path, size_t *size, char why[static INDEX_WHY_BYTES]);
/* Puts a new file in its place, whole or not at all, mode 0600: what `write_all` writes. False as
 * index_file_write. */
bool index_replace(const char *path, bool (*write_all)(int fd, const void *context),
    const void *context, char why[static INDEX_WHY_BYTES]);

/* Writes, and a hash over it at the end. False with errno, 0 for a short write. */
struct index_writer {
	int fd;
	int64_t room;
	crypto_generichash_state hash;
};
struct index_writer index_writer_of(int fd);
bool index_writer_put(struct index_writer *w, const void *data, size_t size);
bool index_writer_end(struct index_writer *w);

/* The last part of a path. */
const char *index_name(const char *path);

#endif
