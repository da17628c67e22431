#include "conf/index_use.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/private.h"

/* A file that was changed so shortly before we began may have been changed once more since, and
 * nobody could tell: file systems' clocks are coarse. */
#define SETTLED_NS (2 * NS_PER_SECOND)

void index_use_free(struct index_use *use)
{
	index_file_free(&use->old);
	free(use->nodes.data);
	free(use->parts.keys.data);
	free(use->parts.main_clients.data);
	free(use->parts.files.data);
}

bool index_knows_key(struct index_use *use, const uint8_t key[static CONF_KEY_BYTES])
{
	if (use == NULL)
		return false;
	if (use->taking || index_file_has_key(&use->old, key))
		return true;
	use->report->vetted++;
	return false;
}

/* --- What the next one is made of */

void index_keep_client(struct index_use *use, const struct tree *tree, const struct node *key)
{
	if (use == NULL || use->taking)
		return;
	use->report->clients++;
	use->count++;
	if (use->recording)
		use->complete = use->complete && stream_put_node(&use->nodes, tree, key) &&
		                stream_put_node(&use->nodes, tree, tree_next(tree, key));
}

static void forget_nodes(struct index_use *use)
{
	use->nodes.used = 0;
	use->count = 0;
}

/* Where the last key of the main file stands; NULL unless it is `clients` at the start of a
 * line. */
static const char *clients_in(const struct tree *tree, const char *text, size_t size)
{
	const struct node *root = tree_root(tree), *last = NULL;
	const char *line = text, *end = text + size;

	for (const struct node *k = tree_first(tree, root); k != NULL; k = tree_next_key(tree, k))
		last = k;
	if (last == NULL || strcmp(last->text, "clients") != 0 || last->place.column != 1)
		return NULL;
	for (uint32_t i = 1; i < last->place.line && line != NULL; i++) {
		line = memchr(line, '\n', (size_t)(end - line));
		line = line == NULL ? NULL : line + 1;
	}
	if (line == NULL || (size_t)(end - line) < strlen("clients:") ||
	    memcmp(line, "clients:", strlen("clients:")) != 0)
		return NULL;
	return line;
}

/* Whether the rest can be read by itself: not in a map in braces. */
static bool head_stands_alone(const struct tree *whole, const char *text, size_t head)
{
	struct conf_error ignored;
	struct tree tree;
	bool ok = tree_parse(&tree, whole->file, text, head, &ignored) &&
	          tree_root(&tree) != NULL &&
	          tree_root(&tree)->count + 2 == tree_root(whole)->count;

	tree_free(&tree);
	return ok;
}

static void hash_text(uint8_t hash[static INDEX_HASH_BYTES], const char *text, size_t size)
{
	crypto_generichash(hash, INDEX_HASH_BYTES, (const uint8_t *)text, size, NULL, 0);
}

void index_keep_main(struct index_use *use, const struct tree *tree, const char *text, size_t size)
{
	const char *clients;

	if (use == NULL || !use->recording)
		return;
	clients = use->count == 0 ? NULL : clients_in(tree, text, size);
	if (clients != NULL && head_stands_alone(tree, text, (size_t)(clients - text))) {
		use->parts.main =
		    (struct index_main){.size = size, .head = (size_t)(clients - text)};
		hash_text(use->parts.main.hash, text, size);
		use->parts.main_count = use->count;
		use->parts.main_clients = use->nodes;
		use->gain += use->count;
		use->nodes = (struct stream){NULL, 0, 0};
	}
	forget_nodes(use);
}

static int64_t ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

static struct file_identity identity_of(const struct stat *st)
{
	return (struct file_identity){.device = st->st_dev,
	    .inode = st->st_ino,
	    .size = st->st_size,
	    .modified_ns = ns_of(st->st_mtim),
	    .changed_ns = ns_of(st->st_ctim)};
}

void index_keep_file(struct index_use *use, const char *name, const struct stat *st)
{
	const struct file_identity identity = identity_of(st);

	if (use == NULL)
		return;
	use->report->files++;
	if (use->recording && identity.changed_ns < use->began_ns - SETTLED_NS) {
		use->gain += 1 + use->count;
		use->complete = use->complete && index_put_file(&use->parts.files, name, &identity,
		                                     use->count, use->nodes.data, use->nodes.used);
	}
	forget_nodes(use);
}
