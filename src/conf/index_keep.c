/* What the next index is made of. */
#include "conf/index_use.h"

#include <stdlib.h>

#include "base/clock.h"

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

void index_keep_client(struct index_use *use, const struct tree *tree, const struct node *key)
{
	if (use == NULL || use->taking)
		return;
	use->report->clients++;
	use->count++;
	if (use->recording)
		use->misfit = use->misfit || !stream_put_node(&use->nodes, tree, key) ||
		              !stream_put_node(&use->nodes, tree, tree_next(tree, key));
}

bool index_settled(const struct index_use *use, const struct stat *st)
{
	return file_identity(st).changed_ns < use->began_ns - SETTLED_NS;
}

void index_forget_nodes(struct index_use *use)
{
	use->nodes.used = 0;
	use->count = 0;
	use->misfit = false;
}

void index_keep_file(struct index_use *use, const char *name, const struct stat *st)
{
	const struct file_identity identity = file_identity(st);

	if (use == NULL)
		return;
	use->report->files++;
	if (use->recording && !use->misfit && index_settled(use, st)) {
		use->gain += 1 + use->count;
		use->complete = use->complete && index_put_file(&use->parts.files, name, &identity,
		                                     use->count, use->nodes.data, use->nodes.used);
	}
	index_forget_nodes(use);
}
