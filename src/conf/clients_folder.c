/* The clients of clients.d. */
#include <stdlib.h>
#include <string.h>

#include "conf/error.h"
#include "conf/file.h"
#include "conf/index_use.h"
#include "conf/private.h"
#include "conf/section.h"

/* A file of clients.d holds one key, `clients`; one that is empty or all comments is fine. */
static bool load_tree(struct conf *conf, const struct tree *tree, struct conf_error *error)
{
	static const char *const known[] = {"clients"};
	const struct node *root = tree_root(tree), *key;

	if (root == NULL || node_is_null(root))
		return true;
	if (root->kind != NODE_MAP)
		return section_refuse(tree, root, "", "the section clients", error);
	key = tree_first(tree, root);
	if (key == NULL)
		return true;
	if (strcmp(key->text, known[0]) != 0)
		return section_unknown(tree, key, "", known, 1, error);
	if (tree_next_key(tree, key) != NULL)
		return section_unknown(tree, tree_next_key(tree, key), "", known, 1, error);
	return clients_load(conf, tree, tree_next(tree, key), tree->file, error);
}

/* `name` in the folder, as one of conf->files. */
static const char *add_file(struct conf *conf, const char *name, struct conf_error *error)
{
	char *path = file_join(conf->clients_folder, name);
	const char *file = path == NULL ? NULL : conf_add_file(conf, path);

	free(path);
	if (file == NULL)
		conf_fail(error, "%s: not enough memory to read it", name);
	return file;
}

/* `tree` is used for one file after the other. */
static bool load_file(struct conf *conf, struct tree *tree, const struct file_folder *folder,
    const char *name, struct conf_error *error)
{
	const char *path = add_file(conf, name, error);
	struct file file;
	bool ok;

	if (path == NULL)
		return false;
	if (index_take_file(conf, folder, name, path))
		return true;
	if (!file_open_in(&file, folder, name, path, error))
		return false;
	ok = tree_parse(tree, &(struct tree_source){path, NULL, file.fd, (size_t)file.st.st_size},
	         NULL, error) &&
	     load_tree(conf, tree, error);
	ok = file_unchanged(&file, error) && ok;
	if (ok)
		index_keep_file(conf->index, name, &file.st);
	file_close(&file);
	return ok;
}

static bool load_overlay(struct conf *conf, struct tree *tree, const struct conf_overlay *overlay,
    struct conf_error *error)
{
	const char *path = add_file(conf, overlay->name, error);

	return path != NULL &&
	       tree_parse(tree,
	           &(struct tree_source){path, overlay->text, -1, strlen(overlay->text)}, NULL,
	           error) &&
	       load_tree(conf, tree, error);
}

bool clients_load_folder(
    struct conf *conf, const struct conf_overlay *overlay, struct conf_error *error)
{
	struct tree tree = {.file = NULL};
	struct file_folder folder;
	bool ok = file_folder_open(&folder, conf->clients_folder, ".yaml", error);

	for (size_t i = 0; i < folder.count && ok; i++) {
		if (overlay == NULL || strcmp(overlay->name, folder.names[i]) != 0)
			ok = load_file(conf, &tree, &folder, folder.names[i], error);
	}
	file_folder_close(&folder);
	ok = ok && (overlay == NULL || load_overlay(conf, &tree, overlay, error));
	tree_free(&tree);
	return ok;
}
