/* What a load takes from the index. */
#include <stdlib.h>
#include <string.h>

#include "conf/index_use.h"
#include "conf/private.h"

/* All clients of a file, or none. */
static bool take_clients(
    struct conf *conf, const struct index_clients *from, const char *file, struct conf_error *error)
{
	struct tree tree = {.file = file};
	struct reader nodes = from->nodes;
	uint32_t room = 0;
	bool ok = true;

	conf->index->taking = true;
	for (uint32_t i = 0; i < from->count && ok; i++) {
		tree.count = 0;
		ok = stream_take_node(&nodes, &tree, &room);
		if (ok) {
			uint32_t value = tree.count;

			ok = tree.nodes[0].kind == NODE_SCALAR &&
			     stream_take_node(&nodes, &tree, &room) &&
			     client_load(
			         conf, &tree, &tree.nodes[0], &tree.nodes[value], file, error);
		}
	}
	conf->index->taking = false;
	free(tree.nodes);
	ok = ok && reader_done(&nodes);
	conf->index->damaged = !ok;
	return ok;
}

size_t index_match_main(struct index_use *use, const char *text, size_t size)
{
	const struct index_main *main = use == NULL ? NULL : &use->old.main;
	uint8_t hash[INDEX_HASH_BYTES];

	if (main == NULL || main->head == 0 || main->head >= size || main->size != size)
		return size;
	hash_text(hash, text, size);
	return memcmp(hash, main->hash, sizeof hash) == 0 ? (size_t)main->head : size;
}

bool index_take_main(struct conf *conf, struct conf_error *error)
{
	struct index_use *use = conf->index;
	const struct index_clients *clients = &use->old.main_clients;

	if (!take_clients(conf, clients, conf->files[0], error))
		return false;
	use->report->kept++;
	if (!use->recording)
		return true;
	use->parts.main = use->old.main;
	use->parts.main_count = clients->count;
	use->complete = use->complete && stream_put(&use->parts.main_clients, clients->nodes.data,
	                                     clients->nodes.left);
	return true;
}

static bool is_same(
    const struct file_folder *folder, const char *name, const struct file_identity *known)
{
	struct file_identity now;
	struct stat st;

	if (!file_stat_in(&st, folder, name))
		return false;
	now = identity_of(&st);
	return now.device == known->device && now.inode == known->inode &&
	       now.size == known->size && now.modified_ns == known->modified_ns &&
	       now.changed_ns == known->changed_ns;
}

bool index_take_file(
    struct conf *conf, const struct file_folder *folder, const char *name, const char *path)
{
	struct index_use *use = conf->index;
	struct index_clients clients;
	struct file_identity known;
	struct conf_error ignored;
	const char *file;
	size_t before = conf->client_count;

	if (use == NULL || !index_file_find(&use->old, name, &known, &clients) ||
	    !is_same(folder, name, &known))
		return false;
	file = conf_add_file(conf, path);
	if (file == NULL || !take_clients(conf, &clients, file, &ignored)) {
		/* Its file says what is right, and so do all that follow. */
		clients_drop(conf, before);
		use->old.files.left = 0;
		return false;
	}
	use->report->kept++;
	if (use->recording)
		use->complete =
		    use->complete && index_put_file(&use->parts.files, name, &known, clients.count,
		                         clients.nodes.data, clients.nodes.left);
	return true;
}
