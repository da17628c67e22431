#include "conf/old_schema.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "conf/kinds.h"
#include "conf/private.h"
#include "conf/values.h"

/* Always false. */
static bool refuse(const struct old_source *s, const struct node *node, const char *expected)
{
	return tree_fail(s->tree, node->place, s->path, s->error,
	    "expected %s, as in the schema of openme until 0.4.0", expected);
}

const char *const old_port_keys[] = {"port", "proto"};
const char *const old_client_keys[] = {"mode", "ports"};
static const char *const default_keys[] = {"server", "ports"};

bool old_knows(const char *const keys[static OLD_KEYS], const char *key)
{
	return strcmp(key, keys[0]) == 0 || strcmp(key, keys[1]) == 0;
}

/* Whether `map` has no keys but these. */
static bool only_keys(
    const struct old_source *s, const struct node *map, const char *const known[static OLD_KEYS])
{
	const struct node *key = s->unknown_too ? NULL : tree_first(s->tree, map);
	char quoted[200];

	while (key != NULL && old_knows(known, key->text))
		key = tree_next_key(s->tree, key);
	return key == NULL ||
	       tree_fail(s->tree, key->place, s->path, s->error,
	           "unknown key %s; expected %s and %s, as in the schema of openme until 0.4.0 "
	           "(`postern config convert` leaves unknown keys out)",
	           value_quoted(quoted, sizeof quoted, key->text, 64), known[0], known[1]);
}

static bool add(
    const struct old_source *s, struct conf_list *out, const char *text, const struct node *at)
{
	return list_add(out, text, at->place) || refuse(s, at, "more memory");
}

static bool add_port(const struct old_source *s, struct conf_list *out, const struct node *item)
{
	const struct node *port, *proto;
	const char *ignored = NULL;
	struct port_spec spec;
	int64_t number;
	char text[40];

	if (item->kind != NODE_MAP)
		return refuse(s, item, "port: and proto:");
	if (!only_keys(s, item, old_port_keys))
		return false;
	port = tree_find(s->tree, item, "port");
	proto = tree_find(s->tree, item, "proto");
	if (port == NULL || port->kind != NODE_SCALAR || proto == NULL ||
	    proto->kind != NODE_SCALAR || *proto->text == '\0' ||
	    !value_integer(&number, port->text, &ignored) ||
	    (size_t)snprintf(text, sizeof text, "%" PRId64 "/%s", number, proto->text) >=
	        sizeof text ||
	    !value_port_spec(&spec, text, &ignored))
		return refuse(s, item, "a port from 1 to 65535 and the proto tcp or udp");
	return add(s, out, text, item);
}

bool old_ports(const struct old_source *s, struct conf_list *out, const struct node *ports)
{
	if (ports == NULL || node_is_null(ports))
		return true;
	if (ports->kind != NODE_LIST)
		return refuse(s, ports, "a list of ports");
	for (const struct node *item = tree_first(s->tree, ports); item != NULL;
	     item = tree_next(s->tree, item)) {
		if (!add_port(s, out, item))
			return false;
	}
	return true;
}

bool old_allowed_ports(const struct old_source *s, struct conf_list *out, const struct node *map)
{
	enum { DEFAULT, ONLY, DEFAULT_PLUS };
	static const struct conf_word modes[] = {{"default", DEFAULT}, {"only", ONLY},
	    {"default_plus", DEFAULT_PLUS}, {"", DEFAULT}, {NULL, 0}};
	const struct node *mode = tree_find(s->tree, map, "mode");
	int kind = DEFAULT;

	if (!only_keys(s, map, old_client_keys))
		return false;
	if (mode != NULL && !node_is_null(mode) &&
	    (mode->kind != NODE_SCALAR || !value_word(&kind, modes, mode->text)))
		return refuse(s, mode, "the mode default, default_plus or only");
	if (kind != ONLY && !add(s, out, "default", map))
		return false;
	if (kind != DEFAULT && !old_ports(s, out, tree_find(s->tree, map, "ports")))
		return false;
	return out->count > 0 || add(s, out, OLD_NO_PORTS, map);
}

/* One in `server` wins. */
static bool load_host(const struct old_source *s, struct conf *conf, const struct node *host)
{
	struct conf_text *to = &conf->server.host;
	const char *expected = "a host";

	if (host == NULL || node_is_null(host) || *to->text != '\0')
		return true;
	if (host->kind != NODE_SCALAR ||
	    (*host->text != '\0' && !value_host(host->text, &expected)))
		return refuse(s, host, expected);
	snprintf(to->text, sizeof to->text, "%s", host->text);
	return true;
}

static bool load_ports(const struct old_source *s, struct conf *conf, const struct node *ports)
{
	struct conf_group *group = calloc(1, sizeof *group);

	if (group != NULL)
		group->name = strdup("default");
	if (group == NULL || group->name == NULL) {
		free(group);
		return refuse(s, ports, "more memory");
	}
	group->place = ports->place;
	conf->groups = group;
	conf->group_count = 1;
	return old_ports(s, &group->specs, ports);
}

bool old_defaults_load(
    struct conf *conf, const struct tree *tree, const struct node *map, struct conf_error *error)
{
	const struct old_source s = {tree, "defaults", false, error};
	const struct node *ports;

	if (node_is_null(map))
		return true;
	if (map->kind != NODE_MAP)
		return refuse(&s, map, "server: and ports:");
	if (tree_find(tree, tree_root(tree), "ports") != NULL)
		return tree_fail(tree, map->place, s.path, error,
		    "the schema of openme until 0.4.0, but `ports`, which is today's, stands here, "
		    "too; expected one of them: `postern config convert` prints today's");
	conf_warn(conf,
	    "%s:%u:%u: defaults: the schema of openme until 0.4.0; it is served, and `postern "
	    "config convert` prints today's",
	    tree->file, map->place.line, map->place.column);
	if (!only_keys(&s, map, default_keys) ||
	    !load_host(&s, conf, tree_find(tree, map, "server")))
		return false;
	ports = tree_find(tree, map, "ports");
	return ports == NULL || load_ports(&s, conf, ports);
}
