/* Clients, from the main file and from clients.d. */
#include <stdlib.h>
#include <string.h>

#include "conf/error.h"
#include "conf/file.h"
#include "conf/private.h"
#include "conf/section.h"
#include "conf/values.h"
#include "proto/openme.h"

static struct conf_client *add_client(struct conf *conf)
{
	if (conf->client_count == CONF_MAX_CLIENTS)
		return NULL;
	if (conf->client_count == conf->client_room) {
		size_t room = conf->client_room == 0 ? 16 : conf->client_room * 2;
		struct conf_client *more = reallocarray(conf->clients, room, sizeof *more);

		if (more == NULL)
			return NULL;
		conf->clients = more;
		conf->client_room = room;
	}
	memset(&conf->clients[conf->client_count], 0, sizeof *conf->clients);
	return &conf->clients[conf->client_count++];
}

static bool check_key(const struct conf *conf, const struct conf_client *client,
    const struct tree *tree, const struct node *key, const struct node *map, const char *path,
    struct conf_error *error)
{
	const struct node *value =
	    map->kind == NODE_MAP ? tree_find(tree, map, "ed25519_pubkey") : NULL;
	char full[128];

	snprintf(full, sizeof full, "%s.ed25519_pubkey", path);
	if (client->ed25519_pubkey.given) {
		if (openme_client_public_usable(client->ed25519_pubkey.bytes))
			return true;
		return tree_fail(tree, value != NULL ? value->place : key->place, full, error,
		    "found 32 bytes that are not a usable Ed25519 public key; expected the key "
		    "that `postern add` or the client printed");
	}
	if (client->revoked.yes && client->file != conf->files[0])
		return true; /* takes its key from where the client stands otherwise */
	return tree_fail(tree, key->place, full, error,
	    "not given; expected the client's public key, 32 bytes in base64");
}

bool clients_load_one(struct conf *conf, const struct tree *tree, const struct node *key,
    const char *file, struct conf_error *error)
{
	const struct node *map = tree_next(tree, key);
	const char *expected = NULL;
	struct conf_client *client;
	char path[96];

	if (!value_name(key->text, &expected))
		return section_refuse(tree, key, "clients", expected, error);
	client = add_client(conf);
	if (client == NULL)
		return section_refuse(tree, key, "clients", "fewer clients", error);
	snprintf(client->name, sizeof client->name, "%s", key->text);
	client->file = file;
	client->place = key->place;
	snprintf(path, sizeof path, "clients.%s", key->text);
	return (section_defaults(&conf_client_section, client) ||
	           section_refuse(tree, key, path, "more memory", error)) &&
	       section_load(&conf_client_section, client, tree, map, path, error) &&
	       check_key(conf, client, tree, key, map, path, error);
}

bool clients_load(struct conf *conf, const struct tree *tree, const struct node *map,
    const char *file, struct conf_error *error)
{
	if (node_is_null(map))
		return true;
	if (map->kind != NODE_MAP)
		return section_refuse(
		    tree, map, "clients", "client names with their keys and ports", error);
	for (const struct node *key = tree_first(tree, map); key != NULL;
	     key = tree_next_key(tree, key)) {
		if (!clients_load_one(conf, tree, key, file, error))
			return false;
	}
	return true;
}

const char *conf_add_file(struct conf *conf, const char *path)
{
	if (conf->file_count == conf->file_room) {
		size_t room = conf->file_room == 0 ? 16 : conf->file_room * 2;
		char **more = reallocarray(conf->files, room, sizeof *more);

		if (more == NULL)
			return NULL;
		conf->files = more;
		conf->file_room = room;
	}
	conf->files[conf->file_count] = strdup(path);
	return conf->files[conf->file_count] == NULL ? NULL : conf->files[conf->file_count++];
}

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

	if (path == NULL || !file_open_in(&file, folder, name, path, error))
		return false;
	ok = tree_parse(tree, &(struct tree_source){path, NULL, file.fd, (size_t)file.st.st_size},
	         NULL, error) &&
	     load_tree(conf, tree, error);
	ok = file_unchanged(&file, error) && ok;
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
