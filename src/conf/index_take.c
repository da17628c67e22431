/* What a load takes from the index. */
#include <stdlib.h>
#include <string.h>

#include "conf/index_use.h"
#include "conf/private.h"

/* A key and its value. */
static bool take_entry(struct reader *nodes, struct tree *tree)
{
	uint32_t value;

	if (!stream_take_node(nodes, tree) || tree->nodes[0].kind != NODE_SCALAR)
		return false;
	value = tree->count;
	if (!stream_take_node(nodes, tree))
		return false;
	tree->nodes[0].next = value;
	return true;
}

/* All clients of a file; else the index is known as damaged. */
static bool take_clients(
    struct conf *conf, const struct index_clients *from, const char *file, struct conf_error *error)
{
	struct tree tree = {.file = file};
	struct reader nodes = from->nodes;
	bool ok = true;

	conf->index->taking = true;
	for (uint32_t i = 0; i < from->count && ok; i++) {
		tree.count = 0;
		ok = take_entry(&nodes, &tree) &&
		     clients_load_one(conf, &tree, &tree.nodes[0], file, error);
	}
	conf->index->taking = false;
	free(tree.nodes);
	ok = ok && reader_done(&nodes);
	conf->index->damaged = conf->index->damaged || !ok;
	return ok;
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
	now = file_identity(&st);
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

	if (use == NULL || !index_file_find(&use->old, name, &known, &clients) ||
	    !is_same(folder, name, &known))
		return false;
	/* Then all of this load is thrown away. */
	if (!take_clients(conf, &clients, path, &ignored))
		return false;
	use->report->kept++;
	if (use->recording)
		use->complete =
		    use->complete && index_put_file(&use->parts.files, name, &known, clients.count,
		                         clients.nodes.data, clients.nodes.left);
	return true;
}
