/* The command line of postern-echoip, parsed once into typed fields. */
#ifndef ECHOIP_OPTIONS_H
#define ECHOIP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"
#include "echoip/forwarded.h"

#define BINDS_MAX 8

struct options {
	struct addr binds[BINDS_MAX];
	size_t bind_count; /* 0: every address of both families */
	uint16_t port, https_port;
	bool no_http;
	const char *cert, *key; /* both or neither */
	struct proxies trusted;
	const char *user; /* NULL: the default one */
	uint32_t max_connections, per_address;
	enum log_level log_level;
	bool best; /* of the sandbox, and no more */
};

enum options_result { OPTIONS_RUN, OPTIONS_ANSWERED, OPTIONS_WRONG };

/* OPTIONS_ANSWERED: --help or --version has been printed. OPTIONS_WRONG: standard error says why.
 * Texts point into argv. */
enum options_result options_parse(struct options *o, int argc, char **argv);

#endif
