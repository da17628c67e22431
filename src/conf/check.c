/* Rules that no key can be checked against alone. */
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "base/secret.h"
#include "conf/error.h"
#include "conf/old_schema.h"
#include "conf/private.h"
#include "conf/section.h"
#include "conf/values.h"
#include "proto/openme.h"

/* Where a key of `server` stands, or would. */
static struct conf_place server_place(
    const struct tree *tree, const struct node *root, const char *key)
{
	const struct node *section = tree_find(tree, root, "server");
	const struct node *node =
	    section == NULL ? NULL : section_find(&conf_server_section, tree, section, key);

	return node == NULL ? root->place : node->place;
}

/* A complaint about a key of `server`, at its value's place if it is given. Always false. */
static bool fail_server(const struct tree *tree, const struct node *root, const char *key,
    struct conf_error *error, const char *problem)
{
	char full[32];

	snprintf(full, sizeof full, "server.%s", key);
	return tree_fail(tree, server_place(tree, root, key), full, error, "%s", problem);
}

static bool check_server_keys(
    struct conf *conf, const struct tree *tree, const struct node *root, struct conf_error *error)
{
	static const uint8_t zero[CONF_KEY_BYTES];
	const struct node *section = tree_find(tree, root, "server");
	const struct conf_server *s = &conf->server;

	if (s->private_key.bytes == NULL && conf->has_openspa && !s->public_key.given)
		return true; /* OpenSPA alone */
	if (s->private_key.bytes == NULL)
		return tree_fail(tree, section == NULL ? root->place : section->place,
		    "server.private_key", error,
		    "not given; expected the server's X25519 key, 32 bytes in base64: "
		    "`postern init` makes one");
	if (secret_equal(s->private_key.bytes, zero, sizeof zero))
		return fail_server(tree, root, "private_key", error,
		    "found 32 zero bytes; expected a key: `postern init` makes one");
	openme_server_public(conf->public_key, s->private_key.bytes);
	if (s->public_key.given &&
	    memcmp(s->public_key.bytes, conf->public_key, sizeof conf->public_key) != 0)
		return fail_server(tree, root, "public_key", error,
		    "does not belong to server.private_key; correct one of them, or leave "
		    "public_key out");
	return true;
}

static bool check_shield_key(const struct tree *tree, const struct node *root, const char *key,
    const struct conf_secret *secret, struct conf_error *error)
{
	static const uint8_t zero[CONF_KEY_BYTES];

	return secret->bytes == NULL || !secret_equal(secret->bytes, zero, sizeof zero) ||
	       fail_server(tree, root, key, error, "found 32 zero bytes; expected 32 random ones");
}

static bool check_shield(const struct conf *conf, const struct tree *tree, const struct node *root,
    struct conf_error *error)
{
	const struct conf_secret *key = &conf->server.shield_key,
	                         *old = &conf->server.shield_key_old;

	if (!check_shield_key(tree, root, "shield_key", key, error) ||
	    !check_shield_key(tree, root, "shield_key_old", old, error))
		return false;
	if (conf->server.shield == CONF_SHIELD_REQUIRE && key->bytes == NULL)
		return fail_server(tree, root, "shield", error,
		    "found require without server.shield_key, so no knock could arrive; expected "
		    "that key as well: 32 random bytes in base64");
	if (old->bytes != NULL && key->bytes == NULL)
		return fail_server(tree, root, "shield_key_old", error,
		    "found without server.shield_key; expected the key in force there");
	return old->bytes == NULL || !secret_equal(old->bytes, key->bytes, CONF_KEY_BYTES) ||
	       fail_server(tree, root, "shield_key_old", error,
	           "found server.shield_key once more; expected the key before it, or none");
}

const char *conf_shield_note(const struct conf *conf)
{
	return conf_has_openme(conf) && conf->server.shield == CONF_SHIELD_REQUIRE
	           ? "server.shield: require lets in no client without the shield key in its "
	             "profile, and none of openme's own programs, which know no such key"
	           : NULL;
}

/* As openme takes any duration, one that we cannot have becomes the nearest that we can. With 0 it
 * shuts at once what it opens, which nobody can want. */
static bool bound_duration(struct conf *conf, const struct conf_field *field,
    const struct tree *tree, const struct node *root, struct conf_error *error)
{
	int64_t *value = (int64_t *)(void *)((char *)&conf->server + field->offset);
	struct conf_place place = server_place(tree, root, field->key);
	int64_t found = *value;
	char taken[64];

	if (found == 0)
		return fail_server(tree, root, field->key, error,
		    "found 0, which opens nothing; expected a duration such as 30s");
	*value = MIN(MAX(found, field->least), field->most);
	if (*value == found)
		return true;
	duration_text(*value, taken, sizeof taken);
	conf_warn(conf, "%s:%u:%u: server.%s: taken for %s, the %s that there is", tree->file,
	    place.line, place.column, field->key, taken, found < *value ? "least" : "most");
	return true;
}

static bool bound_durations(
    struct conf *conf, const struct tree *tree, const struct node *root, struct conf_error *error)
{
	for (size_t i = 0; i < conf_server_section.count; i++) {
		const struct conf_field *field = &conf_server_section.fields[i];

		if (field->kind == CONF_KIND_BOUNDED &&
		    !bound_duration(conf, field, tree, root, error))
			return false;
	}
	return true;
}

bool check_server(
    struct conf *conf, const struct tree *tree, const struct node *root, struct conf_error *error)
{
	struct conf_server *s = &conf->server;

	conf->interface_place = server_place(tree, root, "interface");
	conf_keep_interface(conf, s->interface.text);
	if (s->health_port == CONF_NOT_GIVEN)
		s->health_port = s->udp_port;
	if ((s->mark & (s->mark - 1)) != 0)
		return fail_server(tree, root, "mark", error,
		    "found more than one bit; expected one, such as 0x40000000");
	if (s->guard == CONF_GUARD_ALL && s->open_knock_port == 0 &&
	    s->intake == CONF_INTAKE_SOCKET)
		return fail_server(tree, root, "open_knock_port", error,
		    "found false together with guard: all, so no knock could arrive; expected "
		    "open_knock_port: true, or guard: ports");
	if (s->hook == CONF_HOOK_FORWARD && s->interface.text[0] == '\0')
		return fail_server(tree, root, "hook", error,
		    "found forward without an interface, so this host's own clients would be shut "
		    "in; expected interface: and the device that strangers come in by");
	if (conf->has_openspa && s->private_key.bytes != NULL && conf->openspa.port == s->udp_port)
		return fail_server(
		    tree, root, "udp_port", error, "found the port of openspa; expected another");
	return bound_durations(conf, tree, root, error) && check_shield(conf, tree, root, error) &&
	       check_server_keys(conf, tree, root, error);
}

static bool fail_client(const struct conf_client *client, const char *key, struct conf_error *error,
    const char *problem)
{
	return conf_fail(error, "%s:%u:%u: clients.%s%s: %s", client->file, client->place.line,
	    client->place.column, client->name, key, problem);
}

static bool fail_twin(const struct conf_client *client, const struct conf_client *other,
    const char *key, const char *what, struct conf_error *error)
{
	char problem[600];

	snprintf(problem, sizeof problem, "found %s \"%s\" (%s:%u:%u); expected one of its own",
	    what, other->name, other->file, other->place.line, other->place.column);
	return fail_client(client, key, error, problem);
}

static int by_client_name(const void *a, const void *b)
{
	const struct conf_client *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order == 0 && x->file != y->file)
		order = strcmp(x->file, y->file);
	if (order == 0)
		order = (x->place.line > y->place.line) - (x->place.line < y->place.line);
	if (order == 0)
		order = (x->place.column > y->place.column) - (x->place.column < y->place.column);
	return order;
}

/* An entry of clients.d that takes away what another entry gives. */
static bool is_override(const struct conf *conf, const struct conf_client *client)
{
	return client->revoked.yes && client->file != conf->files[0];
}

/* The entry of `count` with one name that the others speak about: the first with a key, best one
 * that is no override. Without a key none but that can be one. */
static struct conf_client *standing_entry(
    const struct conf *conf, struct conf_client *entries, size_t count)
{
	struct conf_client *best = NULL;

	for (size_t i = 0; i < count; i++) {
		bool given = entries[i].ed25519_pubkey.given;

		if (given && !is_override(conf, &entries[i]))
			return &entries[i];
		if (best == NULL && (given || !is_override(conf, &entries[i])))
			best = &entries[i];
	}
	return best;
}

static bool apply_override(const struct conf *conf, struct conf_client *standing,
    const struct conf_client *other, struct conf_error *error)
{
	if (other->file == standing->file)
		return conf_fail_second(
		    error, other->file, other->place, other->name, standing->place.line);
	if (!is_override(conf, other) ||
	    (other->ed25519_pubkey.given &&
	        memcmp(other->ed25519_pubkey.bytes, standing->ed25519_pubkey.bytes,
	            CONF_KEY_BYTES) != 0))
		return fail_twin(other, standing, "", "the name of another client,", error);
	if (!standing->revoked.yes)
		standing->revoked = other->revoked;
	return true;
}

/* Makes one entry of the `count` that share a name and puts it at *to. */
static bool merge_name(struct conf *conf, struct conf_client *entries, size_t count,
    struct conf_client *to, struct conf_error *error)
{
	struct conf_client *standing = standing_entry(conf, entries, count), kept;

	if (standing == NULL)
		return fail_client(&entries[0], "", error,
		    "revoked here, but stands nowhere with its key; put the client back or "
		    "remove this file");
	for (size_t i = 0; i < count; i++) {
		if (&entries[i] != standing && !apply_override(conf, standing, &entries[i], error))
			return false;
	}
	kept = *standing;
	memset(standing, 0, sizeof *standing);
	for (size_t i = 0; i < count; i++)
		client_free(&entries[i]);
	*to = kept;
	return true;
}

static bool merge_names(struct conf *conf, struct conf_error *error)
{
	size_t kept = 0, next;

	if (conf->client_count > 0)
		qsort(conf->clients, conf->client_count, sizeof *conf->clients, by_client_name);
	for (size_t i = 0; i < conf->client_count; i = next) {
		next = i + 1;
		while (next < conf->client_count &&
		       strcmp(conf->clients[i].name, conf->clients[next].name) == 0)
			next++;
		if (!merge_name(conf, &conf->clients[i], next - i, &conf->clients[kept], error))
			return false;
		kept++;
	}
	conf->client_count = kept;
	return true;
}

static bool means_group(const char *text)
{
	return strchr(text, '/') == NULL && strspn(text, "0123456789") == 0;
}

void conf_unknown_ports(const struct conf *conf, const char *text, char *out, size_t size)
{
	struct value_guess guess = {.text = text};
	const char *expected = NULL;
	struct port_spec spec;
	char quoted[96], meant[CONF_TEXT_BYTES + 20] = "";

	for (size_t i = 0; i < conf->group_count; i++)
		value_consider(&guess, conf->groups[i].name);
	if (guess.best != NULL)
		snprintf(meant, sizeof meant, "; did you mean \"%s\"?", guess.best);
	value_port_spec(&spec, text, &expected);
	if (means_group(text))
		expected = "ports such as 22/tcp, or a group that `ports` names";
	snprintf(out, size, "found %s; expected %s%s",
	    value_quoted(quoted, sizeof quoted, text, 64), expected, meant);
}

bool conf_knows_ports(const struct conf *conf, const char *text)
{
	const char *ignored = NULL;
	struct port_spec spec;

	return conf_group_named(conf, text) != NULL || value_port_spec(&spec, text, &ignored) ||
	       strcmp(text, "default") == 0 || strcmp(text, OLD_NO_PORTS) == 0;
}

/* As openme does, a client that names a group which does not exist is skipped and the others are
 * served. Ports with a slip of the pen are refused all the same: nothing would guard those that
 * were meant. */
static bool groups_known(struct conf *conf, struct conf_client *client, struct conf_error *error)
{
	for (size_t i = 0; i < client->allowed_ports.count; i++) {
		const struct conf_item *item = &client->allowed_ports.items[i];
		char problem[400];

		if (conf_knows_ports(conf, item->text))
			continue;
		client->skipped = true;
		if (means_group(item->text) && conf->warning_count > CONF_WARNINGS_MOST)
			continue; /* to guess what was meant takes long */
		conf_unknown_ports(conf, item->text, problem, sizeof problem);
		if (!means_group(item->text))
			return conf_fail(error, "%s:%u:%u: clients.%s.allowed_ports: %s",
			    client->file, item->place.line, item->place.column, client->name,
			    problem);
		conf_warn(conf, "%s:%u:%u: clients.%s.allowed_ports: %s; the client is skipped",
		    client->file, item->place.line, item->place.column, client->name, problem);
	}
	return true;
}

/* That is not to be the warning that is left out. */
static void mind_all_skipped(struct conf *conf)
{
	bool full = conf->warning_count >= CONF_WARNINGS_MOST;
	size_t skipped = 0;

	while (skipped < conf->client_count && conf->clients[skipped].skipped)
		skipped++;
	if (conf->client_count == 0 || skipped < conf->client_count)
		return;
	while (full && conf->warning_count >= CONF_WARNINGS_MOST)
		free(conf->warnings[--conf->warning_count]);
	conf_warn(conf, "%s: every client is skipped: no knock opens anything", conf->path);
	if (full)
		conf_warn(conf, "and more"); /* becomes the word that some are left out */
}

bool check_clients(struct conf *conf, struct conf_error *error)
{
	if (!merge_names(conf, error))
		return false;
	if (conf->client_count > 0 && !conf_has_openme(conf))
		return fail_client(&conf->clients[0], "", error,
		    "a client of openme, but server.private_key is not given; expected the key, or "
		    "this one's rules under openspa.clients");
	for (size_t i = 0; i < conf->client_count; i++) {
		if (!groups_known(conf, &conf->clients[i], error))
			return false;
	}
	if (!check_client_keys(conf, error))
		return false;
	mind_all_skipped(conf);
	return true;
}
