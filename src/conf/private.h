/* The inside of a server configuration, for the files that build it. */
#ifndef CONF_PRIVATE_H
#define CONF_PRIVATE_H

#include "base/trusted_file.h"
#include "conf/conf.h"
#include "conf/tree.h"

struct index_use;

struct conf {
	struct index_use *index; /* while it is loaded; NULL: without */
	char *path;
	char *folder;         /* it stands in */
	char *clients_folder; /* clients.d beside it */
	char **files;         /* every file that a client stands in; they live as long as we */
	size_t file_count;
	size_t file_room;
	char **warnings;
	size_t warning_count;
	struct conf_server server;
	struct conf_place interface_place;
	char interface[INTERFACE_NAME_BYTES]; /* the device's own name; "": every one */
	uint8_t public_key[CONF_KEY_BYTES];
	bool has_openspa;
	struct conf_openspa openspa;
	struct addr public[2]; /* as conf_set_public was told */
	struct conf_program programs[CONF_TASK_COUNT];
	char writable[CONF_PROGRAM_BYTES]; /* by programs: absolute, without links; "": nothing */
	struct rsa_secret *openspa_secret; /* locked memory */
	struct conf_device *devices;
	size_t device_count;
	size_t device_room;
	struct conf_group *groups;
	size_t group_count;
	struct conf_client *clients;
	size_t client_count;
	size_t client_room;
};

/* The sections `openspa.extension_scripts` and `openspa.helpers`, while they are read. */
struct conf_scripts {
#define X(key, kind, ...) CONF_TYPE_##kind key;
	CONF_SCRIPT_KEYS(X)
#undef X
};
struct conf_helpers {
#define X(key, kind, ...) CONF_TYPE_##kind key;
	CONF_HELPER_KEYS(X)
#undef X
};

/* A file of clients.d that is not written yet, or not to be read from there. */
struct conf_overlay {
	const char *name;
	const char *text;
};

/* As conf_load_indexed; `overlay` (or NULL) stands for the file of its name. */
struct conf *conf_load_with(const char *path, const struct conf_overlay *overlay,
    const char *index_path, struct conf_error *error);
/* The same, with an index that was opened (or NULL), which must outlive the call. */
struct conf *conf_load_using(const char *path, const struct conf_overlay *overlay,
    struct index_use *index, struct conf_error *error);
/* As conf_load, but the main file's text is given and clients.d is not read. */
struct conf *conf_load_text(
    const char *path, const char *text, size_t size, struct conf_error *error);
/* The same, with an index (or NULL). */
struct conf *conf_load_text_using(const char *path, const char *text, size_t size,
    struct index_use *index, struct conf_error *error);

/* Whether it is an original OpenSPA server's file, whose keys stand at the top. */
bool conf_is_original(const struct tree *tree, const struct node *root);

/* Keeps a sentence for conf_warning, CONF_WARNINGS_MOST of them. */
#define CONF_WARNINGS_MOST 64
void conf_warn(struct conf *conf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One entry of a map `clients`. */
bool clients_load_one(struct conf *conf, const struct tree *tree, const struct node *key,
    const char *file, struct conf_error *error);
/* The entries of a map `clients`. `file` is one of conf->files. */
bool clients_load(struct conf *conf, const struct tree *tree, const struct node *map,
    const char *file, struct conf_error *error);
/* Everything in clients.d. */
bool clients_load_folder(
    struct conf *conf, const struct conf_overlay *overlay, struct conf_error *error);
void client_free(struct conf_client *client);
/* Remembers a file's name as one of conf->files; NULL when memory is short. */
const char *conf_add_file(struct conf *conf, const char *path);

/* The section `openspa`, and everything it names: programs, keys, devices. `path` is how complaints
 * name it: "openspa", or "" for an original OpenSPA file, where it is the whole. */
bool openspa_load(struct conf *conf, const struct tree *tree, const struct node *map,
    const char *path, struct conf_error *error);
/* One entry of `openspa.clients`. */
bool devices_load_one(
    struct conf *conf, const struct tree *tree, const struct node *key, struct conf_error *error);

/* An absolute path without links, when nobody but root and the caller can put another file there.
 * False with errno 0 or the reason, and `problem` filled. */
bool program_resolve(
    char out[static CONF_PROGRAM_BYTES], const char *path, char problem[static TRUSTED_TEXT_BYTES]);

/* Rules between the keys of `server`, while the tree is there to point into. */
bool check_server(
    struct conf *conf, const struct tree *tree, const struct node *root, struct conf_error *error);
/* Sorts the clients, applies revocations, and sees that names and keys fit together. A client that
 * names ports which do not exist is skipped, with a warning. */
bool check_clients(struct conf *conf, struct conf_error *error);

/* Each key stands for one client: of several that have it, the others are set aside, and so is one
 * without a key. */
bool check_client_keys(struct conf *conf, struct conf_error *error);

/* True for port specs, names of groups, and `default`, which may be missing. */
bool conf_knows_ports(const struct conf *conf, const char *text);
/* What to say about one that is not: "found ...; expected ...". */
void conf_unknown_ports(const struct conf *conf, const char *text, char *out, size_t size);

const struct conf_group *conf_group_named(const struct conf *conf, const char *name);
/* What `allowed_ports` means: its own items, or the group `default`. */
const struct conf_list *conf_client_ports(const struct conf_client *client);

#endif
