/* The client's configuration: profiles, one a server, in openme's format. */
#ifndef FILES_CLIENT_CONF_H
#define FILES_CLIENT_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

#define CLIENT_SECRET_BYTES 64 /* Ed25519: seed, public half */

/* key               kind       default       least  most           words  what it is */
#define CONF_PROFILE_KEYS(X)                                                                       \
	X(server_host, HOST, NULL, 0, 0, NULL, "name or address to knock at")                      \
	X(server_udp_port, INTEGER, "54154", 1, 65535, NULL, "port to knock at")                   \
	X(server_pubkey, KEY, NULL, 0, 0, NULL, "the server's X25519 key, base64")                 \
	X(private_key, SECRET, NULL, 32, 64, NULL, "Ed25519 seed, or seed and public key, base64") \
	X(public_key, KEY, NULL, 0, 0, NULL, "Ed25519, base64; only compared with private_key")    \
	X(post_knock, COMMAND, NULL, 0, 0, NULL, "run by the shell after the knock")               \
	X(own_address, SWITCH, "no", 0, 0, NULL, "name this host's own address in the knock")      \
	X(shield_key, SECRET, NULL, 32, 32, NULL, "base64; as in the server's file")

/* One of `profiles`, as in CONF_PROFILE_KEYS. private_key is always CLIENT_SECRET_BYTES long: a
 * bare seed has been expanded. public_key is always filled. */
struct client_profile {
	char *name; /* as written, whatever it is: show it escaped */
	struct conf_place place;
#define X(key, kind, ...) CONF_TYPE_##kind key;
	CONF_PROFILE_KEYS(X)
#undef X
};

extern const struct conf_section client_profile_section;

struct client_conf;

/* The file to read when none is named: $XDG_CONFIG_HOME/postern/config.yaml (with ~/.config when
 * that is not set), else ~/.openme/config.yaml; of two that are missing, the first. False when
 * there is no home, or the path does not fit. */
bool client_conf_default_path(char *out, size_t size);
/* `path` NULL: the default one; it may be a descriptor (given_file.h). The JSON of a QR code is a
 * profile, too. NULL with *error filled. secret_init must have been called. */
struct client_conf *client_conf_load(const char *path, struct conf_error *error);
/* Wipes the secrets. Safe on NULL. */
void client_conf_free(struct client_conf *conf);

/* "PATH: " and who else can read the keys; NULL when nobody can. */
const char *client_conf_warning(const struct client_conf *conf);

/* Everything below is read-only and lives until client_conf_free. */
/* What can be used, in the order of their names. */
size_t client_conf_count(const struct client_conf *conf);
const struct client_profile *client_conf_profile(const struct client_conf *conf, size_t index);
/* Why others cannot: a profile that makes no sense is in nobody's way who uses another one. */
size_t client_conf_broken_count(const struct client_conf *conf);
const char *client_conf_broken(const struct client_conf *conf, size_t index);
/* `name` NULL: "default", or the only one there is. NULL with *error filled (the nearest name is
 * suggested). */
const struct client_profile *client_conf_named(
    const struct client_conf *conf, const char *name, struct conf_error *error);

#endif
