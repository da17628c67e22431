/* The main file of the server, and the life of what is loaded from it. */
#include "conf/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "conf/error.h"
#include "conf/file.h"
#include "conf/index_use.h"
#include "conf/kinds.h"
#include "conf/old_schema.h"
#include "conf/original.h"
#include "conf/section.h"
#include "conf/values.h"

#define MAIN_MOST (512U << 20) /* bytes of the main file */

/* What a group's specs are made of: ports alone. */
static const struct conf_field specs_field = {.key = "ports", .kind = CONF_KIND_PORTS};

static bool load_server(
    struct conf *conf, const struct tree *tree, const struct node *map, struct conf_error *error)
{
	return section_load(&conf_server_section, &conf->server, tree, map, "server", error);
}

static bool load_group(struct conf *conf, const struct tree *tree, const struct node *key,
    const struct node *value, struct conf_error *error)
{
	struct conf_group *group = &conf->groups[conf->group_count++];
	const char *expected = NULL;
	struct port_spec spec;
	char path[96];

	group->name = strdup(key->text);
	group->place = key->place;
	if (value_port_spec(&spec, key->text, &expected))
		conf_warn(conf,
		    "%s:%u:%u: ports: found the group \"%s\", which reads as a port: its ports are "
		    "guarded, but no client can name it; expected another name",
		    tree->file, key->place.line, key->place.column, key->text);
	snprintf(path, sizeof path, "ports.%s", key->text);
	if (group->name == NULL)
		return section_refuse(tree, key, path, "more memory", error);
	if (node_is_null(value))
		return true;
	if (!section_load_list(&group->specs, &specs_field, tree, value, path, error))
		return false;
	for (size_t i = 0; i < group->specs.count; i++) {
		const struct conf_item *item = &group->specs.items[i];
		char quoted[96];

		if (!value_port_spec(&spec, item->text, &expected))
			return tree_fail(tree, item->place, path, error, "found %s; expected %s",
			    value_quoted(quoted, sizeof quoted, item->text, 64), expected);
	}
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct conf_group *)a)->name, ((const struct conf_group *)b)->name);
}

static void sort_groups(struct conf *conf)
{
	if (conf->group_count > 0)
		qsort(conf->groups, conf->group_count, sizeof *conf->groups, by_name);
}

static bool load_groups(
    struct conf *conf, const struct tree *tree, const struct node *map, struct conf_error *error)
{
	if (node_is_null(map))
		return true;
	if (map->kind != NODE_MAP)
		return section_refuse(tree, map, "ports", "group names with their ports", error);
	conf->groups = calloc(map->count / 2 + 1, sizeof *conf->groups);
	if (conf->groups == NULL)
		return section_refuse(tree, map, "ports", "more memory", error);
	for (const struct node *key = tree_first(tree, map); key != NULL;
	     key = tree_next_key(tree, key)) {
		if (!load_group(conf, tree, key, tree_next(tree, key), error))
			return false;
	}
	sort_groups(conf);
	return true;
}

/* As openme: `default` is preset, and the file's groups are merged into the preset; a `ports` with
 * nothing behind it takes it away. Where openme is not served, no port is taken for managed that
 * the file does not name. */
static bool preset_group(
    struct conf *conf, const struct tree *tree, const struct node *root, struct conf_error *error)
{
	const struct node *ports = tree_find(tree, root, "ports");
	struct conf_group *more;
	bool taken_away = ports != NULL && node_is_null(ports);

	if (!conf_has_openme(conf) || conf_group_named(conf, "default") != NULL)
		return true;
	more = reallocarray(conf->groups, conf->group_count + 1, sizeof *more);
	if (more == NULL)
		return section_refuse(tree, root, "ports", "more memory", error);
	conf->groups = more;
	more = &more[conf->group_count++];
	*more = (struct conf_group){.name = strdup("default")};
	if (more->name == NULL ||
	    (!taken_away && !list_add(&more->specs, "22/tcp", (struct conf_place){0, 0})))
		return section_refuse(tree, root, "ports", "more memory", error);
	sort_groups(conf);
	if (taken_away)
		conf_warn(conf,
		    "%s:%u:%u: ports: found nothing, which takes away the preset default: "
		    "[22/tcp]; expected groups, or no `ports`",
		    tree->file, ports->place.line, ports->place.column);
	return true;
}

static bool load_clients(
    struct conf *conf, const struct tree *tree, const struct node *map, struct conf_error *error)
{
	return clients_load(conf, tree, map, conf->files[0], error);
}

static bool load_original(struct conf *conf, const struct tree *tree, const struct node *map,
    const char *path, struct conf_error *error)
{
#ifdef HAVE_OPENSPA
	return openspa_load(conf, tree, map, path, error);
#else
	(void)conf;
	return tree_fail(tree, map->place, path, error,
	    "found OpenSPA's settings, but this program was built without OpenSPA");
#endif
}

static bool load_openspa(
    struct conf *conf, const struct tree *tree, const struct node *map, struct conf_error *error)
{
	return load_original(conf, tree, map, "openspa", error);
}

/* The main file's own keys. */
static const struct {
	const char *key;
	bool (*load)(struct conf *conf, const struct tree *tree, const struct node *map,
	    struct conf_error *error);
} sections[] = {{"server", load_server}, {"ports", load_groups}, {"clients", load_clients},
    {"openspa", load_openspa}, {"defaults", old_defaults_load}};

#define SECTION_COUNT (sizeof sections / sizeof *sections)

static bool load_section(
    struct conf *conf, const struct tree *tree, const struct node *key, struct conf_error *error)
{
	const char *known[SECTION_COUNT];

	for (size_t i = 0; i < SECTION_COUNT; i++) {
		if (strcmp(sections[i].key, key->text) == 0)
			return sections[i].load(conf, tree, tree_next(tree, key), error);
		known[i] = sections[i].key;
	}
	return section_unknown(tree, key, "", known, SECTION_COUNT, error);
}

bool conf_is_original(const struct tree *tree, const struct node *root)
{
	static const char *const keys[] = {"public_key", "private_key", "extension_scripts", "bind",
	    "port", "server_ip", "echo_ipv4_server", "echo_ipv6_server"};

	if (tree_find(tree, root, "server") != NULL || tree_find(tree, root, "openspa") != NULL)
		return false;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (section_find(&conf_openspa_section, tree, root, keys[i]) != NULL)
			return true;
	}
	return false;
}

static bool load_tree(struct conf *conf, struct tree *tree, struct conf_error *error)
{
	const struct node *root = tree_root(tree);

	if (root == NULL || node_is_null(root))
		return conf_fail(error,
		    "%s: empty; expected the section \"server\" at least: "
		    "`postern init` writes one",
		    tree->file);
	if (root->kind != NODE_MAP)
		return section_refuse(
		    tree, root, "", "the sections server, ports, clients and openspa", error);
	if (conf_is_original(tree, root))
		return original_prepare(conf, tree, error) &&
		       load_original(conf, tree, tree_root(tree), "", error) &&
		       check_server(conf, tree, tree_root(tree), error);
	for (const struct node *key = tree_first(tree, root); key != NULL;
	     key = tree_next_key(tree, key)) {
		if (!load_section(conf, tree, key, error))
			return false;
	}
	return preset_group(conf, tree, root, error) && check_server(conf, tree, root, error);
}

/* Whether a key of `clients` at the top may be a device of an original file. As long as neither
 * `server` nor `openspa` was seen, that is one by its look, or by the keys before it. */
static bool may_be_original(const struct tree *tree, const struct node *key)
{
	const struct node *root = tree_root(tree);
	uint8_t uuid[DEVICE_UUID_BYTES];
	const char *ignored = NULL;

	return tree_find(tree, root, "server") == NULL &&
	       tree_find(tree, root, "openspa") == NULL &&
	       (value_uuid(uuid, key->text, &ignored) || conf_is_original(tree, root));
}

/* Clients and devices leave the tree at once, so that any number of them needs little of it. */
static enum tree_use take_entry(void *context, const struct tree *tree, const struct node *section,
    const struct node *key, struct conf_error *error)
{
	struct conf *conf = context;
	bool ok;

	if (section == NULL && !may_be_original(tree, key))
		ok = clients_load_one(conf, tree, key, conf->files[0], error);
#ifdef HAVE_OPENSPA
	else if (section != NULL && strcmp(section->text, "openspa") == 0)
		ok = devices_load_one(conf, tree, key, error);
#endif
	else
		return TREE_KEPT;
	return ok ? TREE_TAKEN : TREE_FAILED;
}

static bool load_main(struct conf *conf, const struct tree_source *from, struct conf_error *error)
{
	const struct tree_taker taker = {take_entry, conf};
	struct tree_source head = *from;
	struct tree tree = {.file = NULL};
	bool ok, kept;

	head.size = index_match_main(conf->index, from);
	kept = head.size < from->size;
	ok = tree_parse(&tree, &head, &taker, error) && load_tree(conf, &tree, error) &&
	     (!kept || index_take_main(conf, error));
	if (ok && !kept)
		index_keep_main(conf->index, &tree, from);
	else if (!ok && kept)
		conf->index->damaged = true; /* all of the text was right once */
	tree_free(&tree);
	return ok;
}

/* OpenSPA's key stands in a file of its own. */
static bool holds_secret(const struct conf *conf)
{
	return conf->server.private_key.bytes != NULL || conf->server.shield_key.bytes != NULL ||
	       conf->server.shield_key_old.bytes != NULL;
}

static bool load_main_file(struct conf *conf, struct conf_error *error)
{
	struct file file;
	bool ok;

	if (!file_open(&file, conf->path, FILE_PUBLIC, MAIN_MOST, error))
		return error->missing
		           ? conf_fail(error, "%s: there is no such file; `postern init` makes one",
		                 conf->path)
		           : false;
	ok =
	    load_main(conf,
	        &(struct tree_source){conf->path, NULL, file.fd, (size_t)file.st.st_size}, error) &&
	    (!holds_secret(conf) || file_kept_secret(&file, error));
	ok = file_unchanged(&file, error) && ok;
	if (*file.note != '\0')
		conf_warn(conf, "%s: %s", conf->path, file.note);
	file_close(&file);
	return ok;
}

static struct conf *conf_new(const char *path, struct index_use *index, struct conf_error *error)
{
	struct conf *conf = calloc(1, sizeof *conf);
	char *folder = file_folder(path);

	if (conf != NULL && folder != NULL) {
		conf->index = index;
		conf->path = strdup(path);
		conf->clients_folder = file_join(folder, "clients.d");
		conf->folder = folder;
	} else {
		free(folder);
	}
	if (conf != NULL && conf->path != NULL && conf->clients_folder != NULL &&
	    conf_add_file(conf, path) != NULL &&
	    section_defaults(&conf_server_section, &conf->server) &&
	    section_defaults(&conf_openspa_section, &conf->openspa))
		return conf;
	conf_fail(error, "%s: not enough memory to read it", path);
	conf_free(conf);
	return NULL;
}

/* What is loaded keeps nothing of the index. */
static struct conf *finish(struct conf *conf, bool ok)
{
	if (conf != NULL)
		conf->index = NULL;
	if (ok)
		return conf;
	conf_free(conf);
	return NULL;
}

struct conf *conf_load_text_using(const char *path, const char *text, size_t size,
    struct index_use *index, struct conf_error *error)
{
	struct conf *conf = conf_new(path, index, error);

	return finish(conf,
	    conf != NULL && load_main(conf, &(struct tree_source){path, text, -1, size}, error) &&
	        check_clients(conf, error));
}

struct conf *conf_load_text(
    const char *path, const char *text, size_t size, struct conf_error *error)
{
	return conf_load_text_using(path, text, size, NULL, error);
}

struct conf *conf_load_using(const char *path, const struct conf_overlay *overlay,
    struct index_use *index, struct conf_error *error)
{
	struct conf *conf = conf_new(path, index, error);

	return finish(conf, conf != NULL && load_main_file(conf, error) &&
	                        clients_load_folder(conf, overlay, error) &&
	                        check_clients(conf, error));
}

struct conf *conf_load(const char *path, struct conf_error *error)
{
	return conf_load_using(path, NULL, NULL, error);
}

void conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	section_free(&conf_server_section, &conf->server);
	for (size_t i = 0; i < conf->group_count; i++) {
		free(conf->groups[i].name);
		list_free(&conf->groups[i].specs);
	}
	for (size_t i = 0; i < conf->client_count; i++)
		client_free(&conf->clients[i]);
	section_free(&conf_openspa_section, &conf->openspa);
	for (size_t i = 0; i < conf->device_count; i++)
		section_free(&conf_device_section, &conf->devices[i]);
	secret_free(conf->openspa_secret);
	file_names_free(conf->files, conf->file_count);
	file_names_free(conf->warnings, conf->warning_count);
	free(conf->groups);
	free(conf->clients);
	free(conf->devices);
	free(conf->folder);
	free(conf->clients_folder);
	free(conf->path);
	free(conf);
}
