/* The main file: whether it is the one that the index knows, and what can be kept of it. */
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "conf/index_use.h"

#define BLOCK_BYTES 65536
#define CLIENTS     "clients:"

/* Hashes the text, and finds where a line of it begins; 0, where there is no such line. False when
 * it cannot be read. */
static bool scan(const struct tree_source *from, uint32_t line, uint64_t *start,
    uint8_t hash[static INDEX_HASH_BYTES])
{
	uint8_t *block = secret_alloc(BLOCK_BYTES); /* the server's key is in it */
	crypto_generichash_state state;
	uint64_t at = 0;
	uint32_t now = 1;
	bool ok = block != NULL;

	*start = 0;
	crypto_generichash_init(&state, NULL, 0, INDEX_HASH_BYTES);
	while (ok && at < from->size) {
		size_t size =
		    from->size - at < BLOCK_BYTES ? (size_t)(from->size - at) : BLOCK_BYTES;
		const uint8_t *newline = block;

		if (from->data != NULL)
			memcpy(block, from->data + at, size);
		ok = from->data != NULL || pread(from->fd, block, size, (off_t)at) == (ssize_t)size;
		crypto_generichash_update(&state, block, size);
		while (
		    ok && now < line &&
		    (newline = memchr(newline, '\n', (size_t)(block + size - newline))) != NULL) {
			newline++;
			if (++now == line)
				*start = at + (uint64_t)(newline - block);
		}
		at += size;
	}
	crypto_generichash_final(&state, hash, INDEX_HASH_BYTES);
	secret_free(block);
	return ok;
}

size_t index_match_main(const struct index_use *use, const struct tree_source *from)
{
	const struct index_main *main = use == NULL ? NULL : &use->old.main;
	uint8_t hash[INDEX_HASH_BYTES];
	uint64_t ignored;

	if (main == NULL || main->head == 0 || main->head >= from->size ||
	    main->size != from->size || !scan(from, 0, &ignored, hash))
		return from->size;
	return memcmp(hash, main->hash, sizeof hash) == 0 ? (size_t)main->head : from->size;
}

/* The line that `clients` stands at, when that is the last key, at the start of it; else 0. */
static uint32_t line_of_clients(const struct tree *tree)
{
	const struct node *last = NULL;

	for (const struct node *k = tree_first(tree, tree_root(tree)); k != NULL;
	     k = tree_next_key(tree, k))
		last = k;
	return last != NULL && strcmp(last->text, "clients") == 0 && last->place.column == 1
	           ? last->place.line
	           : 0;
}

static bool says_clients(const struct tree_source *from, uint64_t start)
{
	char word[sizeof CLIENTS - 1];

	if (from->size - start < sizeof word)
		return false;
	if (from->data != NULL)
		memcpy(word, from->data + start, sizeof word);
	else if (pread(from->fd, word, sizeof word, (off_t)start) != (ssize_t)sizeof word)
		return false;
	return memcmp(word, CLIENTS, sizeof word) == 0;
}

/* Whether what stands before `clients` is all the rest, and can be read by itself: not in a map in
 * braces, for one. */
static bool stands_alone(const struct tree_source *from, uint64_t head, const struct node *whole)
{
	struct tree_source source = *from;
	struct tree tree = {.file = NULL};
	struct conf_error ignored;
	bool ok;

	source.size = (size_t)head;
	ok = (from->data != NULL || lseek(from->fd, 0, SEEK_SET) == 0) &&
	     tree_parse(&tree, &source, NULL, &ignored) && tree_root(&tree) != NULL &&
	     tree_root(&tree)->count + 2 == whole->count;
	tree_free(&tree);
	return ok;
}

/* Else what was read and what is hashed may not be the same. */
static bool is_settled(const struct index_use *use, const struct tree_source *from)
{
	struct stat st;

	return from->data != NULL || (fstat(from->fd, &st) == 0 && index_settled(use, &st));
}

void index_keep_main(struct index_use *use, const struct tree *tree, const struct tree_source *from)
{
	struct index_main main = {.size = from->size};
	uint32_t line = 0;

	if (use == NULL || !use->recording)
		return;
	if (use->count > 0 && !use->misfit && is_settled(use, from))
		line = line_of_clients(tree);
	if (line > 1 && scan(from, line, &main.head, main.hash) && main.head > 0 &&
	    says_clients(from, main.head) && stands_alone(from, main.head, tree_root(tree))) {
		use->parts.main = main;
		use->parts.main_count = use->count;
		use->parts.main_clients = use->nodes;
		use->gain += use->count;
		use->nodes = (struct stream){NULL, 0, 0};
	}
	index_forget_nodes(use);
}
