#include "files/convert.h"

#include <string.h>

#include "conf/error.h"
#include "conf/kinds.h"
#include "conf/old_schema.h"
#include "conf/private.h"
#include "conf/section.h"
#include "files/client_conf.h"
#include "files/client_qr.h"
#include "files/convert_print.h"
#include "files/resolve.h"
#include "files/show.h"

#define PATH_BYTES 192

/* A server's file, and what was found in it. */
struct server {
	struct converted c;
	const struct node *root;
	const struct node *defaults; /* NULL: none, or not meant */
	struct conf_error *error;
	bool old;      /* the schema until 0.4.0 */
	bool foreign;  /* Postern never served it */
	bool no_ports; /* a client opens none */
};

static const struct node *find(const struct server *s, const struct node *map, const char *key)
{
	const struct node *value =
	    map == NULL || map->kind != NODE_MAP ? NULL : tree_find(s->c.tree, map, key);

	return value == NULL || node_is_null(value) ? NULL : value;
}

static bool opens_none(const struct server *s, const struct node *ports)
{
	const struct node *mode = find(s, ports, "mode"), *listed = find(s, ports, "ports");

	return mode != NULL && mode->kind == NODE_SCALAR && strcmp(mode->text, "only") == 0 &&
	       (listed == NULL || listed->count == 0);
}

/* A file with a map for a client's `allowed_ports` is old. Without one, `defaults` alone says so,
 * where nothing else is as it is today. */
static void look(struct server *s)
{
	const struct node *clients = find(s, s->root, "clients");
	const struct node *defaults = find(s, s->root, "defaults");
	bool lists = find(s, s->root, "ports") != NULL, maps = false;

	if (clients != NULL && clients->kind == NODE_MAP) {
		for (const struct node *key = tree_first(s->c.tree, clients); key != NULL;
		     key = tree_next_key(s->c.tree, key)) {
			const struct node *ports =
			    find(s, tree_next(s->c.tree, key), "allowed_ports");

			maps = maps || (ports != NULL && ports->kind == NODE_MAP);
			s->no_ports = s->no_ports || opens_none(s, ports);
			lists = lists || (ports != NULL && ports->kind == NODE_LIST);
		}
	}
	s->old = maps || (defaults != NULL && !lists);
	s->defaults = s->old ? defaults : NULL;
	s->foreign = s->foreign || s->old;
}

/* openme has 54154 for its health port wherever that is not given; Postern's is udp_port. */
static void put_server(struct server *s, const struct node *map)
{
	const struct node *host = find(s, s->defaults, "server");
	const struct node *port = find(s, map, "udp_port");

	fputs("server:\n", s->c.to);
	convert_section(&s->c, 2, &conf_server_section, map, "server", NULL);
	if (host != NULL && host->kind == NODE_SCALAR && find(s, map, "host") == NULL) {
		fputs("  host: ", s->c.to);
		convert_scalar(&s->c, host);
		fputc('\n', s->c.to);
	}
	if (s->foreign && port != NULL && tree_find(s->c.tree, map, "health_port") == NULL) {
		fputs("  health_port: 54154\n", s->c.to);
		convert_note(&s->c, port, "server",
		    "added health_port: 54154, which openme takes where none is given");
	}
}

static bool put_old_default(struct server *s)
{
	const struct node *ports = s->defaults == NULL || s->defaults->kind != NODE_MAP
	                               ? NULL
	                               : tree_find(s->c.tree, s->defaults, "ports");
	const struct old_source from = {s->c.tree, "defaults.ports", true, s->error};
	struct conf_list list = {NULL, 0};
	bool ok = ports == NULL ? list_add(&list, "22/tcp", (struct conf_place){0, 0}) ||
	                              conf_fail(s->error, "%s: not enough memory", s->c.tree->file)
	                        : old_ports(&from, &list, ports);

	if (ok) {
		fputs("  default:", s->c.to);
		convert_list(&s->c, 4, &list);
	}
	list_free(&list);
	return ok;
}

static const struct node *find_key(const struct server *s, const char *key)
{
	const struct node *k = tree_first(s->c.tree, s->root);

	while (k != NULL && strcmp(k->text, key) != 0)
		k = tree_next_key(s->c.tree, k);
	return k;
}

/* The old schema has one group, which `defaults` lists, and knows nothing of `ports`. */
static bool put_ports(struct server *s)
{
	const struct node *key = find_key(s, "ports");
	const struct node *ports = find(s, s->root, "ports");
	bool today = ports != NULL && ports->kind == NODE_MAP && ports->count > 0;

	if (!s->old && key != NULL)
		convert_entry(&s->c, 0, key);
	if (!s->old)
		return true;
	if (today && s->defaults == NULL) {
		convert_entry(&s->c, 0, key);
	} else {
		if (today)
			convert_note(&s->c, ports, "ports",
			    "left out: `defaults`, of the schema until 0.4.0, stands for it");
		fputs("ports:\n", s->c.to);
		if (!put_old_default(s))
			return false;
	}
	if (s->no_ports)
		fputs("  " OLD_NO_PORTS ": []\n", s->c.to);
	return true;
}

static void note_unknown(
    const struct server *s, const struct node *map, const char *path, const char *const *known)
{
	for (const struct node *key = tree_first(s->c.tree, map); key != NULL;
	     key = tree_next_key(s->c.tree, key)) {
		if (!old_knows(known, key->text))
			convert_unknown(&s->c, key, path, known, OLD_KEYS);
	}
}

static bool put_old_ports(struct server *s, const struct node *ports, const char *path)
{
	const struct old_source from = {s->c.tree, path, true, s->error};
	const struct node *mode = find(s, ports, "mode"), *listed = find(s, ports, "ports");
	struct conf_list list = {NULL, 0};
	bool ok = old_allowed_ports(&from, &list, ports);

	note_unknown(s, ports, path, old_client_keys);
	if (ok && listed != NULL && listed->count > 0 &&
	    (mode == NULL || strcmp(mode->text, "default") == 0))
		convert_note(&s->c, listed, path,
		    "left out the ports, which the mode default does not open");
	if (ok) {
		fputs("    allowed_ports:", s->c.to);
		convert_list(&s->c, 6, &list);
	}
	list_free(&list);
	return ok;
}

static bool put_client(struct server *s, const struct node *key)
{
	const struct node *map = tree_next(s->c.tree, key);
	const struct node *ports = find(s, map, "allowed_ports");
	bool old = ports != NULL && ports->kind == NODE_MAP;
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "clients.%s", key->text);
	if (map->kind != NODE_MAP && !node_is_null(map))
		return section_refuse(s->c.tree, map, path, "keys with their values", s->error);
	fputs("  ", s->c.to);
	convert_key(&s->c, key);
	fputs(":\n", s->c.to);
	convert_section(&s->c, 4, &conf_client_section, map, path, old ? "allowed_ports" : NULL);
	return !old || put_old_ports(s, ports, path);
}

static bool put_clients(struct server *s, const struct node *map)
{
	if (map == NULL || map->kind != NODE_MAP || map->count == 0) {
		fputs("clients: {}\n", s->c.to);
		return true;
	}
	fputs("clients:\n", s->c.to);
	for (const struct node *key = tree_first(s->c.tree, map); key != NULL;
	     key = tree_next_key(s->c.tree, key)) {
		if (!put_client(s, key))
			return false;
	}
	return true;
}

static void note_unknown_sections(
    const struct server *s, const char *const *known, size_t count, bool skip_defaults)
{
	for (const struct node *key = tree_first(s->c.tree, s->root); key != NULL;
	     key = tree_next_key(s->c.tree, key)) {
		size_t i = 0;

		while (i < count && strcmp(key->text, known[i]) != 0)
			i++;
		if (i == count && !(skip_defaults && strcmp(key->text, "defaults") == 0))
			convert_unknown(&s->c, key, "", known, count);
	}
}

static bool is_map(const struct server *s, const struct node *section, const char *name)
{
	return section == NULL || section->kind == NODE_MAP || node_is_null(section) ||
	       section_refuse(s->c.tree, section, name, "keys with their values", s->error);
}

/* Clients last, as an index of them wants it. */
static bool put_server_file(struct server *s)
{
	static const char *const known[] = {"server", "ports", "clients", "openspa"};
	const struct node *server = find(s, s->root, "server");
	const struct node *clients = tree_find(s->c.tree, s->root, "clients");
	const struct node *openspa = find(s, s->root, "openspa");

	if (!is_map(s, server, "server") || !is_map(s, openspa, "openspa") ||
	    !is_map(s, clients, "clients"))
		return false;
	look(s);
	note_unknown_sections(s, known, sizeof known / sizeof *known, s->defaults != NULL);
	if (s->old)
		convert_note(&s->c, s->root, "", "the schema of openme until 0.4.0");
	if (server != NULL)
		put_server(s, server);
	if (server != NULL && !put_ports(s))
		return false;
	if (openspa != NULL) {
		fputs("openspa:\n", s->c.to);
		convert_section(&s->c, 2, &conf_openspa_section, openspa, "openspa", NULL);
	}
	return clients == NULL || put_clients(s, clients);
}

static bool put_profiles(struct server *s, const struct node *profiles, bool openme)
{
	static const char *const known[] = {"profiles"};

	note_unknown_sections(s, known, 1, false);
	fputs(profiles->count == 0 ? "profiles: {}\n" : "profiles:\n", s->c.to);
	for (const struct node *key = tree_first(s->c.tree, profiles); key != NULL;
	     key = tree_next_key(s->c.tree, key)) {
		const struct node *map = tree_next(s->c.tree, key);
		const struct node *shield = find(s, map, "shield_key");
		char path[PATH_BYTES];

		snprintf(path, sizeof path, "profiles.%s", key->text);
		if (map->kind != NODE_MAP && !node_is_null(map))
			return section_refuse(
			    s->c.tree, map, path, "keys with their values", s->error);
		fputs("  ", s->c.to);
		convert_key(&s->c, key);
		fputs(":\n", s->c.to);
		convert_section(
		    &s->c, 4, &client_profile_section, map, path, openme ? "shield_key" : NULL);
		if (openme && shield != NULL)
			convert_note(&s->c, shield, path,
			    "left out shield_key: openme knows none; a server with shield: require "
			    "does not take its knocks");
	}
	return true;
}

static bool put_file(struct server *s, bool openme)
{
	const struct node *profiles = find(s, s->root, "profiles");

	if (s->root->kind != NODE_MAP)
		return section_refuse(s->c.tree, s->root, "", "a configuration", s->error);
	if (profiles != NULL && profiles->kind == NODE_MAP)
		return put_profiles(s, profiles, openme);
	if (conf_is_original(s->c.tree, s->root)) {
		convert_section(&s->c, 0, &conf_openspa_section, s->root, "", NULL);
		return true;
	}
	if (find(s, s->root, "server") != NULL || find(s, s->root, "clients") != NULL ||
	    find(s, s->root, "openspa") != NULL)
		return put_server_file(s);
	return section_refuse(
	    s->c.tree, s->root, "", "the section server, clients, openspa or profiles", s->error);
}

/* Its places are those of the converted text: the file has other lines. */
static const char *as_converted(struct conf_error *out, const char *text, const char *path)
{
	size_t length = strlen(path);
	bool has_line = strncmp(text, path, length) == 0 && text[length] == ':' &&
	                text[length + 1] >= '0' && text[length + 1] <= '9';

	conf_fail(out, "as converted: %s%s", has_line ? "line " : "",
	    has_line ? text + length + 1 : text);
	return out->text;
}

/* It must be in order as it is now: a client's file, and one of clients.d, as YAML. */
static bool check(struct server *s, const struct secret_text *out, const char *path, bool openme)
{
	const struct tree_source from = {path, out->data, -1, out->size};
	struct tree tree = {.file = NULL};
	struct conf_error error = {0};
	struct conf *conf;

	if (find(s, s->root, "server") == NULL && !conf_is_original(s->c.tree, s->root) &&
	    find(s, s->root, "openspa") == NULL) {
		if (!tree_parse(&tree, &from, NULL, &error))
			return as_converted(s->error, error.text, path) == NULL;
		tree_free(&tree);
		return true;
	}
	conf = conf_load_text(path, out->data, out->size, &error);
	if (conf == NULL)
		return as_converted(s->error, error.text, path) == NULL;
	for (size_t i = 0; !openme && i < conf_warning_count(conf); i++)
		fprintf(s->c.notes, "%s\n", as_converted(&error, conf_warning(conf, i), path));
	conf_free(conf);
	return true;
}

/* What the daemon would serve, with the clients of clients.d. */
static bool put_openme(const struct server *s, const struct tree_source *from, const char *path)
{
	struct conf *conf = path == NULL
	                        ? conf_load_text(from->file, from->data, from->size, s->error)
	                        : conf_load(path, s->error);

	if (conf == NULL)
		return false;
	if (!conf_has_openme(conf)) {
		conf_free(conf);
		return conf_fail(
		    s->error, "%s: serves OpenSPA alone, which openme does not", from->file);
	}
	for (size_t i = 0; i < conf_warning_count(conf); i++)
		fprintf(s->c.notes, "as Postern serves it: %s\n", conf_warning(conf, i));
	convert_to_openme(conf, s->c.to, s->c.notes);
	conf_free(conf);
	return true;
}

static bool put(struct server *s, const struct tree_source *from, const char *path, bool openme)
{
	const struct node *profiles = find(s, s->root, "profiles");

	if (s->root == NULL)
		return conf_fail(s->error, "%s: empty", from->file);
	if (openme && profiles == NULL)
		return put_openme(s, from, path);
	return put_file(s, openme);
}

bool convert_file(struct secret_text *out, const struct tree_source *from, const char *path,
    bool openme, FILE *notes, struct conf_error *error)
{
	struct server s = {.error = error, .c = {.notes = notes}};
	struct resolved r;
	bool ok, full;

	*out = (struct secret_text){NULL, 0, 0};
	if (!resolve_parse(&r, from, error))
		return false;
	if (!client_qr_unfold(&r.tree, error)) {
		tree_free(&r.tree);
		return false;
	}
	s.c.tree = &r.tree;
	s.c.to = secret_text_open(out);
	s.root = tree_root(&r.tree);
	s.foreign = r.aliases;
	ok = s.c.to != NULL && put(&s, from, path, openme);
	full = s.c.to == NULL || ferror(s.c.to) != 0 || s.c.too_deep;
	if (s.c.to != NULL)
		fclose(s.c.to);
	if (full)
		ok = conf_fail(error,
		    "%s: too large or nested too deeply, with what its aliases name", from->file);
	if (ok && r.more)
		convert_note(&s.c, s.root, "", "left out what stands behind the first document");
	ok = ok && check(&s, out, path == NULL ? from->file : path, openme);
	tree_free(&r.tree);
	if (!ok)
		secret_text_free(out);
	return ok;
}
