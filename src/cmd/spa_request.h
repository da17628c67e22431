/* What `postern request` was asked for, and what becomes of it: command line and OSPA file put
 * together, keys opened, the server's address found. */
#ifndef CMD_SPA_REQUEST_H
#define CMD_SPA_REQUEST_H

#include "cmd/exchange.h"
#include "cmd/own_address.h"
#include "cmd/passphrase.h"
#include "files/ospa.h"

/* The command line. NULL and 0: not given; then the OSPA file decides. */
struct spa_words {
	const char *ospa_file;
	const char *device;
	const char *server; /* an address, or a name */
	uint16_t server_port;
	const char *private_key; /* files, as the next two */
	const char *public_key;
	const char *server_public_key;
	char echo_ipv4[OSPA_URL_BYTES]; /* "" as well */
	char echo_ipv6[OSPA_URL_BYTES];
	struct addr client; /* all zeros: the one that the server sees */
	bool client_given;
	bool behind_nat; /* with client_given */
	int family;      /* AF_INET, AF_INET6, or AF_UNSPEC */
	struct passphrase passphrase;
};

/* Keeps what an exchange points to. */
struct spa_request {
	struct exchange
	    exchange; /* `ask` lacks protocol and ports so far, and the client's address */
	struct rsa_key *key;
	struct rsa_public server_key;
	char echo_ip[OSPA_URL_BYTES];
	bool echo_named;
};

/* False with cli->status set; spa_request_free either way. */
bool spa_request_prepare(struct cli *cli, struct spa_request *out, struct spa_words *words);
/* The client's address, which may have changed since the last round. False with cli->status set. */
bool spa_request_locate(struct cli *cli, struct spa_request *r, const struct spa_words *words);
void spa_request_free(struct spa_request *r);

#endif
