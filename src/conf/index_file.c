/* Reading the index's file. */
#include "conf/index_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/trusted_file.h"
#include "conf/index_form.h"

_Static_assert(INDEX_HASH_BYTES == crypto_generichash_BYTES, "one hash for all");

/* Always false. */
static bool refuse(char why[static INDEX_WHY_BYTES], const char *reason)
{
	snprintf(why, INDEX_WHY_BYTES, "%.*s", INDEX_WHY_BYTES - 1, reason);
	return false;
}

/* --- What it is made of */

static struct reader take_bytes(struct reader *r)
{
	uint64_t size = reader_u64(r);
	struct reader part = reader_of(r->data, size <= r->left ? (size_t)size : 0);

	reader_skip(r, size <= r->left ? (size_t)size : SIZE_MAX);
	return part;
}

static struct index_clients take_clients(struct reader *r)
{
	struct index_clients clients = {.count = reader_u32(r)};

	clients.nodes = take_bytes(r);
	return clients;
}

static bool is_ours(struct reader *r, const char *config)
{
	struct reader path = take_bytes(r);

	return path.left == strlen(config) && memcmp(path.data, config, path.left) == 0;
}

static void take_parts(struct reader *r, struct index_file *out)
{
	struct reader keys;

	reader_take(r, out->server_key, sizeof out->server_key);
	keys = take_bytes(r);
	out->keys = keys.data;
	out->key_count = (uint32_t)(keys.left / CONF_KEY_BYTES);
	out->main.size = reader_u64(r);
	out->main.head = reader_u64(r);
	reader_take(r, out->main.hash, sizeof out->main.hash);
	out->main_clients = take_clients(r);
	out->files = take_bytes(r);
}

static bool parse(struct index_file *out, size_t size, const char *config, char *why)
{
	struct reader r = reader_of(out->data, size);
	uint8_t hash[INDEX_HASH_BYTES], head[INDEX_HEAD_BYTES];

	if (size < INDEX_HEAD_BYTES + INDEX_HASH_BYTES)
		return refuse(why, "it was cut");
	r.left -= INDEX_HASH_BYTES;
	crypto_generichash(hash, sizeof hash, r.data, r.left, NULL, 0);
	if (memcmp(hash, r.data + r.left, sizeof hash) != 0)
		return refuse(why, "it was cut or changed");
	reader_take(&r, head, sizeof head);
	if (memcmp(head, index_head, sizeof head) != 0)
		return refuse(why, "another version has written it");
	if (!is_ours(&r, config))
		return refuse(why, "it belongs to another configuration");
	take_parts(&r, out);
	return reader_done(&r) || refuse(why, "it is damaged");
}

bool index_file_parse(struct index_file *out, uint8_t *data, size_t size, const char *config,
    char why[static INDEX_WHY_BYTES])
{
	*why = '\0';
	*out = (struct index_file){.data = data};
	if (parse(out, size, config, why))
		return true;
	index_file_free(out);
	return false;
}

void index_file_free(struct index_file *file)
{
	free(file->data);
	*file = (struct index_file){.data = NULL};
}

/* --- The file */

static uint8_t *read_all(int fd, const char *name, size_t *size, char *why)
{
	static const struct trusted wanted = {
	    .type = S_IFREG, .denied = 022, .others_may = "write it", .remedy = "chmod 600"};
	char reason[TRUSTED_TEXT_BYTES];
	uint8_t *data = NULL;
	struct stat st;
	ssize_t got = -1;

	if (fstat(fd, &st) != 0) {
		refuse(why, strerror(errno));
		return NULL;
	}
	if (!trusted_stat(&wanted, &st, name, reason))
		refuse(why, reason);
	else if (st.st_size > INDEX_BYTES_MOST)
		refuse(why, "it is too large");
	else if ((data = malloc((size_t)st.st_size + 1)) == NULL ||
	         (got = fd_read(fd, data, (size_t)st.st_size)) < 0)
		refuse(why, strerror(errno));
	*size = (size_t)got;
	if (got >= 0)
		return data;
	free(data);
	return NULL;
}

uint8_t *index_read_bytes(const char *path, size_t *size, char why[static INDEX_WHY_BYTES])
{
	int folder = index_folder_open(path, why), fd;
	uint8_t *data = NULL;

	if (folder < 0)
		return NULL;
	fd = openat(
	    folder, index_name(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		data = read_all(fd, index_name(path), size, why);
	else if (errno == ELOOP)
		refuse(why, "it is a link");
	else if (errno != ENOENT && errno != EACCES)
		refuse(why, strerror(errno));
	fd_close(fd);
	close(folder);
	return data;
}

bool index_file_read(
    struct index_file *out, const char *path, const char *config, char why[static INDEX_WHY_BYTES])
{
	size_t size;
	uint8_t *data = index_read_bytes(path, &size, why);

	*out = (struct index_file){.data = NULL};
	return data != NULL && index_file_parse(out, data, size, config, why);
}

/* --- Looking things up */

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, CONF_KEY_BYTES);
}

bool index_file_has_key(const struct index_file *file, const uint8_t key[static CONF_KEY_BYTES])
{
	return file->key_count > 0 &&
	       bsearch(key, file->keys, file->key_count, CONF_KEY_BYTES, by_key) != NULL;
}

/* One of index_put_file. */
static struct reader take_file(struct reader *r, struct file_identity *id, struct index_clients *c)
{
	struct reader name = take_bytes(r);

	id->device = reader_u64(r);
	id->inode = reader_u64(r);
	id->size = (int64_t)reader_u64(r);
	id->modified_ns = (int64_t)reader_u64(r);
	id->changed_ns = (int64_t)reader_u64(r);
	*c = take_clients(r);
	return name;
}

bool index_file_find(struct index_file *file, const char *name, struct file_identity *identity,
    struct index_clients *clients)
{
	size_t length = strlen(name);

	while (file->files.left > 0 && !file->files.failed) {
		struct reader next = file->files;
		struct reader found = take_file(&next, identity, clients);
		size_t both = found.left < length ? found.left : length;
		int order = memcmp(found.data, name, both);

		if (next.failed)
			file->files.failed = true;
		else if (order > 0 || (order == 0 && found.left > length))
			return false;
		else
			file->files = next;
		if (!next.failed && order == 0 && found.left == length)
			return true;
	}
	return false;
}
