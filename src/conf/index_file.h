/* The file of the index: a mark and a version, whose it is, the keys that were vetted, what was
 * read from the main file and from each file of clients.d, and a hash over all of it. */
#ifndef CONF_INDEX_FILE_H
#define CONF_INDEX_FILE_H

#include "base/bytes.h"
#include "conf/file.h"
#include "conf/index_stream.h"
#include "conf/schema.h"

#define INDEX_HASH_BYTES 32
#define INDEX_WHY_BYTES  500

/* Which file of clients.d it is, and in which state: with every change of its contents, owner or
 * rights the kernel moves `changed_ns`, which nobody can set. */
struct file_identity {
	uint64_t device;
	uint64_t inode;
	int64_t size;
	int64_t modified_ns;
	int64_t changed_ns;
};

struct file_identity file_identity(const struct stat *st);

/* Whose index it is. */
struct index_owner {
	const char *config;                 /* the main file, absolute and without links */
	uint8_t server_key[CONF_KEY_BYTES]; /* public; zeros without openme */
};

/* What the main file held. `clients` is its last key: with `head` bytes of the file all the rest
 * can be read. */
struct index_main {
	uint64_t size; /* of the file */
	uint64_t head; /* 0: nothing is known of it */
	uint8_t hash[INDEX_HASH_BYTES];
};

/* Clients by turns as key and value, in the form of index_stream.h. */
struct index_clients {
	uint32_t count;
	struct reader nodes;
};

/* An index that is believed. All of it lives in `data`. */
struct index_file {
	uint8_t *data;
	uint8_t server_key[CONF_KEY_BYTES];
	const uint8_t *keys; /* CONF_KEY_BYTES each, in their order */
	uint32_t key_count;
	struct index_main main;
	struct index_clients main_clients;
	struct reader files; /* those that were not looked at yet, in the order of their names */
};

/* Reads and checks the file. False with `why` when it is not to be believed, and with an empty one
 * when there is none, or none that we may read. */
bool index_file_read(
    struct index_file *out, const char *path, const char *config, char why[static INDEX_WHY_BYTES]);
/* The same for bytes, which it takes over. */
bool index_file_parse(struct index_file *out, uint8_t *data, size_t size, const char *config,
    char why[static INDEX_WHY_BYTES]);
/* Safe on a zeroed one. */
void index_file_free(struct index_file *file);

bool index_file_has_key(const struct index_file *file, const uint8_t key[static CONF_KEY_BYTES]);
/* What is known of a file of clients.d. Names must be asked for in their order. False: nothing. */
bool index_file_find(struct index_file *file, const char *name, struct file_identity *identity,
    struct index_clients *clients);

/* What is to be written. */
struct index_parts {
	struct index_owner owner;
	struct stream keys;
	struct index_main main;
	uint32_t main_count;
	struct stream main_clients;
	struct stream files; /* of index_put_file */
};

/* Adds a file of clients.d, whose name must come behind the last one's. */
bool index_put_file(struct stream *files, const char *name, const struct file_identity *identity,
    uint32_t count, const void *nodes, size_t size);
/* Writes it whole or not at all, mode 0600. False with `why`, which is empty for a folder that is
 * missing or has never held a file: that it has not is how the daemon knows its first start, when
 * nothing that was granted before can be repeated. */
bool index_file_write(
    const struct index_parts *parts, const char *path, char why[static INDEX_WHY_BYTES]);

#endif
