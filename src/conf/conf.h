/* The server's configuration: one YAML file, and one file a client in clients.d/ beside it. It is
 * loaded whole or not at all; the roles get it as a snapshot, the private key apart. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/schema.h"
#include "snapshot/snapshot.h"

#define CONF_DEFAULT_PATH POSTERN_SYSCONFDIR "/postern/config.yaml"
#define CONF_MAX_CLIENTS  (1U << 20)
#define CONF_SERVICE_USER "postern" /* that the daemon's own processes run as */

/* One sentence, ready for the log or the terminal: printable, and without any secret. */
struct conf_error {
	char text[1024];
	bool permission; /* a file could not be reached for want of rights (exit code 77, not 78) */
	bool missing;    /* a file is not there */
};

/* The section `server`, as in CONF_SERVER_KEYS; durations and times in nanoseconds. */
struct conf_server {
#define X(key, kind, ...) CONF_TYPE_##kind key;
	CONF_SERVER_KEYS(X)
#undef X
};

/* One of `clients`, as in CONF_CLIENT_KEYS. `targets` is empty, `wildcard` and `legacy` are
 * CONF_NOT_GIVEN where the server's apply; `expires` is NEVER_NS when not given; `allowed_ports` is
 * as written. */
struct conf_client {
	char *name;       /* as written; its label where it is too long for a name */
	const char *file; /* where it stands */
	struct conf_place place;
	bool skipped; /* for its name, its key or its ports: opens nothing, see conf_warning */
	bool aside;   /* skipped, and has no key of its own: does not stand in the snapshot */
#define X(key, kind, ...) CONF_TYPE_##kind key;
	CONF_CLIENT_KEYS(X)
#undef X
};

/* One of `ports`. */
struct conf_group {
	char *name;
	struct conf_place place;
	struct conf_list specs;
};

/* The section `openspa`, as in CONF_OPENSPA_KEYS, or all of an original OpenSPA file. Durations in
 * nanoseconds, 0 when not given; paths as written. */
struct conf_openspa {
#define X(key, kind, ...) CONF_TYPE_##kind key;
	CONF_OPENSPA_KEYS(X)
#undef X
};

/* One OpenSPA client: of `openspa.clients`, of the folder of public keys, or of both. `targets` is
 * empty and `duration` 0 where the section's apply; `rules` is as written. */
struct conf_device {
	uint8_t uuid[DEVICE_UUID_BYTES];
	bool has_key; /* its public key stood in the folder */
	uint8_t modulus[256];
	uint8_t exponent[8];
	struct conf_place place; /* in the main file, or nowhere */
#define X(key, kind, ...) CONF_TYPE_##kind key;
	CONF_DEVICE_KEYS(X)
#undef X
};

/* What is done by a program of the administrator's. */
enum conf_task {
	CONF_TASK_PUBLIC_KEY,
	CONF_TASK_AUTHORIZE,
	CONF_TASK_RULE_ADD,
	CONF_TASK_RULE_REMOVE,
	CONF_TASK_SERVER_START,
	CONF_TASK_SERVER_STOP,
	CONF_TASK_COUNT,
};

#define CONF_PROGRAM_BYTES 512 /* of a path, closing zero included */

/* A helper for the firewall stands for both RULE_ADD and RULE_REMOVE. The path is absolute, free of
 * links, and was checked: nobody but root and the caller can put something else there. */
struct conf_program {
	uint8_t asked; /* enum conf_asked; NATIVE: there is none */
	char path[CONF_PROGRAM_BYTES];
};

struct conf;

/* Reads, checks and cross-checks everything. NULL with *error filled; nothing is half loaded.
 * secret_init must have been called. */
struct conf *conf_load(const char *path, struct conf_error *error);
/* Wipes the secrets. Safe on NULL. */
void conf_free(struct conf *conf);

/* Whether to ask Echo-IP services for this server's own addresses: there is no server_ip, and at
 * least one service is named. */
bool conf_wants_public(const struct conf *conf);
/* What they told, IPv4 and IPv6, all zeros for what is not known. Where conf_wants_public, these
 * are ours from now on, and so are this host's own and, of a family that nothing is known of, all;
 * when nothing is known at all, every address. */
void conf_set_public(struct conf *conf, const struct addr found[static 2]);

/* Looks server.interface up among this host's devices, of which any name will do, and has the
 * device's own stand in the snapshot. False with *error filled when it is not there, or when
 * another device takes its packets, such as a bridge or a VRF: nothing would be heard there. For
 * those who only shut, the snapshot then has that other device, or the name as it was. */
bool conf_find_interface(struct conf *conf, struct conf_error *error);
/* The device's own name for the snapshot, without a look. One that is too long for that, so an
 * alternative one, becomes every interface: rather shut too much. */
void conf_keep_interface(struct conf *conf, const char *name);
const char *conf_interface(const struct conf *conf);

/* What roles may see, in a memory file that nobody can change (snapshot.h). The descriptor is the
 * caller's; -1 with errno. Clients stand in it in the order of conf_client,
 * without those that are set aside. */
int conf_write_snapshot(const struct conf *conf, uint64_t generation);

/* Everything below is read-only and lives until conf_free. */
const char *conf_path(const struct conf *conf);
/* What is in force and hardly meant: sentences as in a conf_error. */
size_t conf_warning_count(const struct conf *conf);
const char *conf_warning(const struct conf *conf, size_t index);
const struct conf_server *conf_server(const struct conf *conf);
/* Whom the shield keeps out, for those who check a configuration; NULL: nobody. */
const char *conf_shield_note(const struct conf *conf);
/* Whether knocks are served, and whether OpenSPA's requests are. At least one of them. */
bool conf_has_openme(const struct conf *conf);
bool conf_has_openspa(const struct conf *conf);
/* 32 bytes of locked memory; NULL without openme. */
const uint8_t *conf_server_secret(const struct conf *conf);
/* 32 bytes, derived from the secret. */
const uint8_t *conf_server_public(const struct conf *conf);
/* Clients in the order of their names, revoked ones too. */
size_t conf_client_count(const struct conf *conf);
const struct conf_client *conf_client(const struct conf *conf, size_t index);
/* NULL when there is none of that name. */
const struct conf_client *conf_client_named(const struct conf *conf, const char *name);

/* The next six are for conf_has_openspa. */
const struct conf_openspa *conf_openspa(const struct conf *conf);
/* In locked memory; has passed rsa_secret_check. */
struct rsa_secret;
const struct rsa_secret *conf_openspa_secret(const struct conf *conf);
const struct conf_program *conf_openspa_program(const struct conf *conf, enum conf_task task);
/* What programs may write to, absolute and free of links; "": nothing. */
const char *conf_openspa_writable(const struct conf *conf);
/* In the order of their uuids, revoked ones too. */
size_t conf_device_count(const struct conf *conf);
const struct conf_device *conf_device(const struct conf *conf, size_t index);
/* By name or UUID; NULL when there is none. */
const struct conf_device *conf_device_named(const struct conf *conf, const char *name);

#endif
