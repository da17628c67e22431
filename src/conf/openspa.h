/* How the section `openspa` is read. Inside src/conf only. */
#ifndef CONF_OPENSPA_H
#define CONF_OPENSPA_H

#include "conf/private.h"

#define OPENSPA_PATH_BYTES 160

/* In the folder of devices: UUID.pub is a key, UUID.revoked shuts that device out. */
#define DEVICE_KEY_SUFFIX     ".pub"
#define DEVICE_REVOKED_SUFFIX ".revoked"

/* Where the section is read from. */
struct openspa_source {
	struct conf *conf;
	const struct tree *tree;
	const struct node *map;
	const char *path; /* "openspa", or "" when it is the whole file */
};

/* Names a key in complaints: what is there of path, nested section and key, with dots between. */
void openspa_path(char out[static OPENSPA_PATH_BYTES], const struct openspa_source *s,
    const char *nested, const char *key);
/* A complaint about `key`, at its value's place if it is given. Always false. */
bool openspa_fail(
    const struct openspa_source *s, const char *key, struct conf_error *error, const char *problem);
/* `path`, relative ones from the folder of the main file; allocated, NULL when memory is short. */
char *openspa_file(const struct conf *conf, const char *path);

/* The section's clients. */
bool devices_load(const struct openspa_source *s, struct conf_error *error);
/* The folder of devices: revocations, and public keys unless a program is asked for them; then
 * sorts. */
bool devices_load_folder(struct conf *conf, struct conf_error *error);
/* Every device that needs a key has one, and every rule a duration; names differ. */
bool check_devices(const struct openspa_source *s, struct conf_error *error);

/* Programs fit together; whom they run as, and what they may write to (conf->writable). */
bool check_programs(const struct openspa_source *s, struct conf_error *error);

/* The server's private key, and its public one to compare. */
bool openspa_read_secret(const struct openspa_source *s, struct conf_error *error);
/* A device's public key from its PEM file, `name` in the folder of devices. */
struct file_folder;
bool openspa_read_public(struct conf_device *device, const struct file_folder *folder,
    const char *name, const char *path, struct conf_error *error);

#endif
