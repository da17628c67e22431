/* An OSPA file: all that a client of OpenSPA needs to reach one server, in the original's format
 * (YAML, version 0.1.x). Its keys stay PEM text here. */
#ifndef FILES_OSPA_H
#define FILES_OSPA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "conf/secret_readers.h"
#include "conf/tree.h"

#define OSPA_PORT         22211
#define OSPA_NAME_BYTES   128
#define OSPA_URL_BYTES    256 /* value_url takes no longer one */
#define OSPA_DEVICE_BYTES 16

struct ospa {
	char name[OSPA_NAME_BYTES]; /* cut where the file's is longer */
	uint8_t device[OSPA_DEVICE_BYTES];
	struct addr server;           /* all zeros: the file names none */
	uint16_t port;                /* OSPA_PORT where the file names none */
	char echo_ip[OSPA_URL_BYTES]; /* "": the file names none */
	const char *private_key;      /* PEM, as are the next two */
	const char *public_key;
	const char *server_public_key;
	char unknown[OSPA_NAME_BYTES]; /* in quotes, a key that means nothing to us; "" for none */
	char note[READERS_TEXT_BYTES]; /* as in struct file_text */
	struct tree tree;              /* locked memory with the keys */
};

/* The file, or what given_descriptor means, must be its owner's alone. Keys that we do not know are
 * passed over, as the original does. False with *error filled; nothing is to be freed then. */
bool ospa_load(struct ospa *out, const char *path, struct conf_error *error);
/* Wipes. Safe on a zeroed one. */
void ospa_free(struct ospa *ospa);
/* Writes the file as the original would, mode 0600. The PEM texts end with their last line; `tree`
 * is not looked at. An existing file is refused unless `replace`. */
bool ospa_write(const char *path, const struct ospa *ospa, bool replace, struct conf_error *error);

/* A name that the original, too, can put into a file and read again. */
bool ospa_name_fits(const char *text);
/* As value_uuid, with capitals allowed; the UUID of zeros, which is nobody's, is refused. */
bool ospa_device_parse(uint8_t device[static OSPA_DEVICE_BYTES], const char *text);

#endif
