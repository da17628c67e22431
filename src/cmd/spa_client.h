/* A new client of an OpenSPA server: its keys, its OSPA file, its public key for the server. */
#ifndef CMD_SPA_CLIENT_H
#define CMD_SPA_CLIENT_H

#include "cmd/passphrase.h"
#include "files/ospa.h"

struct spa_client {
	struct ospa ospa;              /* all but the keys */
	const char *server_public_key; /* files, as the next two; these may be NULL: a new pair */
	const char *private_key;
	const char *public_key;
	const char *out;     /* the OSPA file; NULL: FOLDER/UUID/client.ospa */
	const char *folder;  /* for that */
	const char *devices; /* folder for UUID.pub; NULL: beside the OSPA file */
	bool encrypt;
	struct passphrase passphrase;
	char *ospa_path; /* where they went */
	char *public_path;
};

/* Both files or none; files that are there are never replaced. False with cli->status set;
 * spa_client_free either way. */
bool spa_client_make(struct cli *cli, struct spa_client *client);
void spa_client_free(struct spa_client *client);

#endif
