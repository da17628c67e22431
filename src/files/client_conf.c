#include "files/client_conf.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "conf/error.h"
#include "conf/file.h"
#include "conf/section.h"
#include "conf/tree.h"
#include "conf/values.h"
#include "files/client_qr.h"
#include "files/given_file.h"
#include "files/post_knock.h"
#include "proto/openme.h"

_Static_assert(CLIENT_SECRET_BYTES == OPENME_SIGN_BYTES, "seed and public half");

#define PROFILES_MOST 10000

static const struct conf_field profile_fields[] = {
#define X(...) CONF_FIELD(client_profile, __VA_ARGS__)
    CONF_PROFILE_KEYS(X)
#undef X
};

const struct conf_section client_profile_section = {.name = "profiles",
    .fields = profile_fields,
    .count = sizeof profile_fields / sizeof *profile_fields};

/* A profile that cannot be used, and why. */
struct broken {
	char *name;
	char *problem;
};

struct client_conf {
	char *path;
	char *warning; /* NULL: none */
	struct client_profile *profiles;
	size_t count;
	struct broken *broken;
	size_t broken_count;
};

static const char *home_folder(void)
{
	const char *home = getenv("HOME");
	const struct passwd *user;

	if (home != NULL && *home == '/')
		return home;
	user = getpwuid(getuid());
	return user == NULL ? NULL : user->pw_dir;
}

static bool fits(int length, size_t size)
{
	return length > 0 && (size_t)length < size;
}

static bool own_path(char *out, size_t size)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = home_folder();

	if (xdg != NULL && *xdg == '/')
		return fits(snprintf(out, size, "%s/postern/config.yaml", xdg), size);
	return home != NULL &&
	       fits(snprintf(out, size, "%s/.config/postern/config.yaml", home), size);
}

static bool openme_path(char *out, size_t size)
{
	const char *home = home_folder();

	return home != NULL && fits(snprintf(out, size, "%s/.openme/config.yaml", home), size);
}

bool client_conf_default_path(char *out, size_t size)
{
	if (own_path(out, size) && access(out, F_OK) == 0)
		return true;
	if (openme_path(out, size) && access(out, F_OK) == 0)
		return true;
	return own_path(out, size) || openme_path(out, size);
}

/* A profile while it is read: where to point a complaint. */
struct reading {
	const struct tree *tree;
	const struct node *map;
	struct client_profile *profile;
	struct conf_error *error;
};

static bool fail_at(const struct reading *r, const char *key, const char *problem)
{
	const struct node *value =
	    r->map->kind == NODE_MAP ? tree_find(r->tree, r->map, key) : NULL;
	char path[160];

	snprintf(path, sizeof path, "profiles.%s.%s", r->profile->name, key);
	return tree_fail(r->tree, value == NULL ? r->profile->place : value->place, path, r->error,
	    "%s", problem);
}

/* A seed becomes seed and public half; a whole key must fit together. */
static bool complete_secret(const struct reading *r)
{
	static const uint8_t none[CLIENT_SECRET_BYTES / 2]; /* as apps take it for a seed */
	struct conf_secret *secret = &r->profile->private_key;
	uint8_t *whole = secret_alloc(CLIENT_SECRET_BYTES);
	bool ok = true;

	if (whole == NULL)
		return fail_at(r, "private_key", "not enough memory to keep it in");
	openme_client_expand(whole, secret->bytes);
	if (secret->size == CLIENT_SECRET_BYTES)
		ok = secret_equal(whole, secret->bytes, CLIENT_SECRET_BYTES) ||
		     secret_equal(secret->bytes + sizeof none, none, sizeof none) ||
		     fail_at(r, "private_key",
		         "found 64 bytes whose second half is not the public key of the first; "
		         "expected an Ed25519 key as `postern add` printed it");
	secret_free(secret->bytes);
	*secret = (struct conf_secret){whole, CLIENT_SECRET_BYTES};
	return ok;
}

static bool check_public(const struct reading *r)
{
	struct conf_key *key = &r->profile->public_key;
	const uint8_t *derived = r->profile->private_key.bytes + CLIENT_SECRET_BYTES / 2;

	if (key->given && memcmp(key->bytes, derived, CONF_KEY_BYTES) != 0)
		return fail_at(r, "public_key",
		    "does not belong to private_key; correct one of them, or leave public_key "
		    "out");
	memcpy(key->bytes, derived, CONF_KEY_BYTES);
	key->given = true;
	return true;
}

static bool check_profile(const struct reading *r)
{
	static const uint8_t none[CONF_KEY_BYTES];
	const struct client_profile *p = r->profile;

	if (p->server_host.text[0] == '\0')
		return fail_at(
		    r, "server_host", "not given; expected the server's name or address");
	if (!p->server_pubkey.given)
		return fail_at(r, "server_pubkey",
		    "not given; expected the server's public key, 32 bytes in base64");
	if (!openme_server_public_usable(p->server_pubkey.bytes))
		return fail_at(r, "server_pubkey",
		    "found 32 bytes that are not a usable X25519 public key; expected the key that "
		    "the server printed");
	if (p->private_key.bytes == NULL)
		return fail_at(r, "private_key",
		    "not given; expected an Ed25519 key, 64 or 32 bytes in base64");
	if (p->shield_key.bytes != NULL && secret_equal(p->shield_key.bytes, none, sizeof none))
		return fail_at(r, "shield_key",
		    "found 32 zero bytes; expected the shield_key of the server's file");
	return complete_secret(r) && check_public(r);
}

static bool load_profile(struct client_profile *profile, const struct tree *tree,
    const struct node *key, const struct node *map, struct conf_error *error)
{
	struct reading r = {tree, map, profile, error};
	char path[96];

	profile->name = strdup(key->text);
	profile->place = key->place;
	snprintf(path, sizeof path, "profiles.%s", key->text);
	return ((profile->name != NULL && section_defaults(&client_profile_section, profile)) ||
	           section_refuse(tree, key, path, "more memory", error)) &&
	       section_load(&client_profile_section, profile, tree, map, path, error) &&
	       check_profile(&r);
}

/* As with openme, a profile that makes no sense does not matter to who uses another one. */
static bool set_aside(struct client_conf *conf, const char *name, struct conf_error *error)
{
	struct broken *b = &conf->broken[conf->broken_count];

	section_free(&client_profile_section, &conf->profiles[conf->count]);
	free(conf->profiles[conf->count].name);
	memset(&conf->profiles[conf->count], 0, sizeof *conf->profiles);
	*b = (struct broken){strdup(name), strdup(error->text)};
	conf->broken_count++;
	*error = (struct conf_error){.text = ""};
	return (b->name != NULL && b->problem != NULL) ||
	       conf_fail(error, "%s: not enough memory to read it", conf->path);
}

static int by_profile_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct client_profile *)a)->name, ((const struct client_profile *)b)->name);
}

static bool load_profiles(struct client_conf *conf, const struct tree *tree, const struct node *map,
    struct conf_error *error)
{
	if (node_is_null(map))
		return true;
	if (map->kind != NODE_MAP || map->count / 2 > PROFILES_MOST)
		return section_refuse(
		    tree, map, "profiles", "profile names with their servers and keys", error);
	conf->profiles = calloc(map->count / 2 + 1, sizeof *conf->profiles);
	conf->broken = calloc(map->count / 2 + 1, sizeof *conf->broken);
	if (conf->profiles == NULL || conf->broken == NULL)
		return section_refuse(tree, map, "profiles", "more memory", error);
	for (const struct node *key = tree_first(tree, map); key != NULL;
	     key = tree_next_key(tree, key)) {
		if (load_profile(
		        &conf->profiles[conf->count], tree, key, tree_next(tree, key), error))
			conf->count++;
		else if (!set_aside(conf, key->text, error))
			return false;
	}
	if (conf->count == 0 && conf->broken_count > 0)
		return conf_fail(error, "%s", conf->broken[0].problem);
	qsort(conf->profiles, conf->count, sizeof *conf->profiles, by_profile_name);
	return true;
}

static bool load_tree(struct client_conf *conf, const struct tree *tree, struct conf_error *error)
{
	static const char *const known[] = {"profiles"};
	const struct node *root = tree_root(tree), *key;

	if (root == NULL || root->kind != NODE_MAP || root->count == 0)
		return conf_fail(error, "%s: expected the section \"profiles\"", tree->file);
	key = tree_first(tree, root);
	for (const struct node *k = key; k != NULL; k = tree_next_key(tree, k)) {
		if (strcmp(k->text, known[0]) != 0)
			return section_unknown(tree, k, "", known, 1, error);
	}
	return load_profiles(conf, tree, tree_next(tree, key), error);
}

static bool load_file(struct client_conf *conf, const char *path, struct conf_error *error)
{
	struct file_text text = {.data = NULL};
	struct tree tree = {.file = NULL};
	bool ok = given_read(&text, path, FILE_SECRET, error) &&
	          tree_parse(&tree, &(struct tree_source){conf->path, text.data, -1, text.size},
	              NULL, error) &&
	          client_qr_unfold(&tree, error) && load_tree(conf, &tree, error);

	if (*text.note != '\0' && asprintf(&conf->warning, "%s: %s", conf->path, text.note) < 0)
		conf->warning = NULL;
	if (!ok && text.data != NULL)
		post_knock_advise(conf->path, text.data, text.size, error);
	file_text_free(&text);
	tree_free(&tree);
	return ok;
}

static bool fail_none(struct conf_error *error)
{
	char own[512] = "", other[512] = "";

	own_path(own, sizeof own);
	openme_path(other, sizeof other);
	return conf_fail(error,
	    "no client configuration: neither %s nor %s is there; `postern add` on the server "
	    "prints what belongs in it",
	    own, other);
}

struct client_conf *client_conf_load(const char *path, struct conf_error *error)
{
	struct client_conf *conf = NULL;
	char found[1024];

	if (path == NULL) {
		if (!client_conf_default_path(found, sizeof found) ||
		    (access(found, F_OK) != 0 && errno == ENOENT)) {
			fail_none(error);
			return NULL;
		}
		path = found;
	}
	conf = calloc(1, sizeof *conf);
	if (conf != NULL)
		conf->path = strdup(given_name(path));
	if (conf == NULL || conf->path == NULL)
		conf_fail(error, "%s: not enough memory to read it", path);
	else if (load_file(conf, path, error))
		return conf;
	client_conf_free(conf);
	return NULL;
}

void client_conf_free(struct client_conf *conf)
{
	if (conf == NULL)
		return;
	for (size_t i = 0; i < conf->count; i++) {
		section_free(&client_profile_section, &conf->profiles[i]);
		free(conf->profiles[i].name);
	}
	for (size_t i = 0; i < conf->broken_count; i++) {
		free(conf->broken[i].name);
		free(conf->broken[i].problem);
	}
	free(conf->broken);
	free(conf->profiles);
	free(conf->warning);
	free(conf->path);
	free(conf);
}

const char *client_conf_warning(const struct client_conf *conf)
{
	return conf->warning;
}

size_t client_conf_count(const struct client_conf *conf)
{
	return conf->count;
}

const struct client_profile *client_conf_profile(const struct client_conf *conf, size_t index)
{
	return &conf->profiles[index];
}

size_t client_conf_broken_count(const struct client_conf *conf)
{
	return conf->broken_count;
}

const char *client_conf_broken(const struct client_conf *conf, size_t index)
{
	return conf->broken[index].problem;
}

static void fail_profile(const struct client_conf *conf, const char *name, struct conf_error *error)
{
	struct value_guess guess = {.text = name};
	char quoted[160];

	for (size_t i = 0; i < conf->count; i++)
		value_consider(&guess, conf->profiles[i].name);
	value_quoted(quoted, sizeof quoted, name, 64);
	if (guess.best != NULL)
		conf_fail(error, "%s: no profile %s; did you mean \"%s\"?", conf->path, quoted,
		    guess.best);
	else
		conf_fail(error, "%s: no profile %s; `postern profiles` shows which there are",
		    conf->path, quoted);
}

const struct client_profile *client_conf_named(
    const struct client_conf *conf, const char *name, struct conf_error *error)
{
	const char *wanted = name == NULL ? "default" : name;

	for (size_t i = 0; i < conf->count; i++) {
		if (strcmp(conf->profiles[i].name, wanted) == 0)
			return &conf->profiles[i];
	}
	for (size_t i = 0; i < conf->broken_count; i++) {
		if (strcmp(conf->broken[i].name, wanted) == 0) {
			conf_fail(error, "%s", conf->broken[i].problem);
			return NULL;
		}
	}
	if (name == NULL && conf->count == 1 && conf->broken_count == 0)
		return &conf->profiles[0];
	fail_profile(conf, wanted, error);
	return NULL;
}
