/* The command line of postern-web, parsed once into typed fields. */
#ifndef WEB_OPTIONS_H
#define WEB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"

#define PLACES_MAX       4
#define PLACE_PATH_BYTES 108 /* of a UNIX socket's path, with the closing zero */

/* Where to listen: a UNIX socket, or a port of a loopback address. */
struct place {
	char path[PLACE_PATH_BYTES]; /* "": TCP */
	struct addr address;
	uint16_t port;
};

struct options {
	struct place places[PLACES_MAX];
	size_t place_count; /* 0: the default ones */
	const char *control;
	const char *user; /* NULL: the default one */
	enum log_level log_level;
	bool best; /* of the sandbox, and no more */
};

enum options_result { OPTIONS_RUN, OPTIONS_ANSWERED, OPTIONS_WRONG };

/* OPTIONS_ANSWERED: --help or --version has been printed. OPTIONS_WRONG: standard error says why.
 * Texts point into argv. */
enum options_result options_parse(struct options *o, int argc, char **argv);

/* 127.0.0.0/8 or ::1. */
bool place_is_loopback(const struct addr *a);
/* "127.0.0.1:9765", "[::1]:9765" or "unix:/PATH". False for anything else, and for an address that
 * others than this host can reach. */
bool place_parse(struct place *out, const char *text);

#endif
