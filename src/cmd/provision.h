/* What a new client needs to knock, as the texts that carry it: openme's profile and QR payload. */
#ifndef CMD_PROVISION_H
#define CMD_PROVISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROVISION_TEXT_BYTES 2048

struct provision {
	const char *profile;
	const char *host;
	uint16_t udp_port;
	const uint8_t *server_public; /* 32 bytes */
	const uint8_t *client_public; /* 32 bytes */
	const uint8_t *client_secret; /* 64 bytes; NULL: only the client has it */
	const uint8_t *shield_key;    /* 32 bytes; NULL: none */
};

/* Both write a text that holds the secrets, where there are any: wipe it. False when it does not
 * fit. */
bool provision_yaml(char *out, size_t size, const struct provision *p);
/* The members and their order are those of openme's apps; no line end. */
bool provision_json(char *out, size_t size, const struct provision *p);

#endif
