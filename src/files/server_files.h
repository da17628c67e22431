/* Server files that the tool writes: whole, synced, then put in place; mode 0600; links are not
 * followed. False with *error filled, and nothing changed. */
#ifndef FILES_SERVER_FILES_H
#define FILES_SERVER_FILES_H

#include "conf/conf.h"

struct new_file;

struct conf_initial {
	const char *host;      /* what clients are told; NULL or "" for none */
	const char *firewall;  /* "nft", "iptables" or "none"; NULL: nft */
	const char *interface; /* NULL or "": every one */
	uint16_t udp_port;     /* 0: 54154 */
	bool force;            /* replace what is there */
};

/* A configuration with fresh keys and safe defaults. Makes the folder (0700) when there is none.
 * Refuses to replace a file unless `force`. */
bool conf_write_initial(
    const char *path, const struct conf_initial *initial, struct conf_error *error);

struct conf_new_client {
	const char *name;
	uint8_t public_key[CLIENT_KEY_BYTES];
	const char *const *ports;   /* specs and group names, as for allowed_ports */
	size_t port_count;          /* 0: the group `default` */
	const char *const *targets; /* `source`, `any` or networks */
	size_t target_count;        /* 0: as the server says */
	int64_t expires_ns;         /* NEVER_NS */
};

/* Writes what is to be clients.d/LABEL.yaml beside `path`; the configuration with it has been
 * checked as a whole before. A name or key that is taken, revoked ones included, is refused. The
 * client is there once *file is put in place (new_file_commit): not before somebody has its private
 * key. With NULL for `file` it is checked only, and nothing is written. */
bool conf_add_client(const char *path, const struct conf_new_client *client, struct new_file *file,
    struct conf_error *error);
/* Writes clients.d/LABEL+revoked.yaml, an override that wins wherever the client stands; the files
 * that hold it stay as they are. True and no change when it was revoked before. */
bool conf_revoke_client(
    const char *path, const char *name, int64_t now_ns, struct conf_error *error);

/* Writes UUID.revoked into the folder of devices, which wins wherever the device stands. True and
 * no change when it was revoked before. A device that stands nowhere is refused, unless a program
 * is asked for keys and may know it. */
bool conf_revoke_device(const char *path, const uint8_t uuid[static DEVICE_UUID_BYTES],
    int64_t now_ns, struct conf_error *error);

#endif
