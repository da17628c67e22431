/* One OpenSPA request, sent until its answer is there. A server that refuses is silent. */
#ifndef CMD_EXCHANGE_H
#define CMD_EXCHANGE_H

#include "cmd/cli.h"
#include "proto/openspa.h"

#define EXCHANGE_WITHOUT_END (-1)

struct exchange {
	struct addr server;
	uint16_t port;
	const struct rsa_key *key;
	const struct rsa_public *server_key;
	struct openspa_request ask; /* time and nonce are filled in for each request */
	int64_t timeout_ns;         /* for the answer to each */
	int tries;                  /* requests at most, or EXCHANGE_WITHOUT_END */
	/* From one round to the next; start zeroed. */
	struct openspa_response granted; /* the last answer that was taken */
	uint64_t sent;                   /* requests of this round */
};

/* CLI_DONE with x->granted: signed by the server, for the protocol and ports asked for, of these
 * minutes, and not the one taken before. CLI_NO_ANSWER or CLI_FAILED, reported, otherwise. */
enum cli_exit exchange_run(const struct cli *cli, struct exchange *x);

#endif
