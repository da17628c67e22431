/* Clients, wherever they stand. */
#include <stdlib.h>
#include <string.h>

#include "conf/error.h"
#include "conf/index_use.h"
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
		if (index_knows_key(conf->index, client->ed25519_pubkey.bytes) ||
		    openme_client_public_usable(client->ed25519_pubkey.bytes))
			return true;
		return tree_fail(tree, value != NULL ? value->place : key->place, full, error,
		    "found 32 bytes that are not a usable Ed25519 public key; expected the key "
		    "that `postern add` or the client printed");
	}
	return true; /* to be found elsewhere, or the client is skipped */
}

/* It is taken for UTC, as by openme. */
static void warn_of_zone(
    struct conf *conf, const struct tree *tree, const struct node *map, const char *path)
{
	const struct node *value = map->kind == NODE_MAP ? tree_find(tree, map, "expires") : NULL;
	char zoned[64], found[80];

	if (value != NULL && value->kind == NODE_SCALAR &&
	    value_lacks_zone(value->text, sizeof zoned, zoned))
		conf_warn(conf,
		    "%s:%u:%u: %s.expires: found %s without its time zone, taken for UTC; "
		    "expected %s",
		    tree->file, value->place.line, value->place.column, path,
		    value_quoted(found, sizeof found, value->text, 64), zoned);
}

/* One odd name is no reason to shut out the others, or to leave the client's ports unguarded. */
static bool take_name(struct conf *conf, struct conf_client *client, const char *text)
{
	char label[CLIENT_NAME_BYTES], quoted[96];
	const char *expected = NULL;

	if (!value_name(text, &expected)) {
		client->skipped = true;
		conf_warn(conf, "%s:%u:%u: clients: found %s; expected %s; the client is skipped",
		    client->file, client->place.line, client->place.column,
		    value_quoted(quoted, sizeof quoted, text, 64), expected);
	}
	value_label(label, text);
	client->name = strdup(strlen(text) < CONF_TEXT_BYTES ? text : label);
	return client->name != NULL;
}

void client_free(struct conf_client *client)
{
	section_free(&conf_client_section, client);
	free(client->name);
	memset(client, 0, sizeof *client);
}

bool clients_load_one(struct conf *conf, const struct tree *tree, const struct node *key,
    const char *file, struct conf_error *error)
{
	const struct node *map = tree_next(tree, key);
	struct conf_client *client = add_client(conf);
	char path[96];

	if (client == NULL)
		return section_refuse(tree, key, "clients", "fewer clients", error);
	client->file = file;
	client->place = key->place;
	if (!take_name(conf, client, key->text))
		return section_refuse(tree, key, "clients", "more memory", error);
	snprintf(path, sizeof path, "clients.%s", client->name);
	if (!section_defaults(&conf_client_section, client))
		return section_refuse(tree, key, path, "more memory", error);
	if (!section_load(&conf_client_section, client, tree, map, path, error) ||
	    !check_key(conf, client, tree, key, map, path, error))
		return false;
	warn_of_zone(conf, tree, map, path);
	index_keep_client(conf->index, tree, key);
	return true;
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
