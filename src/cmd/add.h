/* Registering a client: keys, profile, QR code, the client's file, the running daemon. */
#ifndef CMD_ADD_H
#define CMD_ADD_H

#include "cmd/cli.h"
#include "files/server_files.h"

#define ADD_WORDS_MOST 256

/* What an option took that may be given again, or with commas in it. */
struct add_words {
	const char *items[ADD_WORDS_MOST];
	size_t count;
};

/* What `postern add` was asked for. */
struct add {
	struct conf_new_client client; /* public_key is filled in by add_register */
	struct add_words ports;
	struct add_words targets;
	const char *profile; /* NULL: the server's default_profile */
	const char *qr_out;
	bool qr;
	bool no_privkey;
	bool public_key_given;
	bool no_reload;
	bool dry_run;
};

/* All of it or nothing: the client is registered when its profile was handed over. */
enum cli_exit add_register(struct cli *cli, struct add *add);

/* What a new client needs to knock, as the texts that carry it: openme's profile and QR payload. */
#define PROVISION_TEXT_BYTES 2048

struct provision {
	const char *profile;
	const char *host;
	uint16_t udp_port;
	const uint8_t *server_public; /* 32 bytes */
	const uint8_t *client_public; /* 32 bytes */
	const uint8_t *client_secret; /* 64 bytes; NULL: only the client has it */
	const uint8_t *shield_key;    /* 32 bytes; NULL: none */
	bool own_address;             /* for the server takes no knock that leaves it open */
};

/* Both write a text that holds the secrets, where there are any: wipe it. False when it does not
 * fit. */
bool provision_yaml(char *out, size_t size, const struct provision *p);
/* The members and their order are those of openme's apps, which pass over the last, ours; no line
 * end. */
bool provision_json(char *out, size_t size, const struct provision *p);

#endif
