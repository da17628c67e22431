/* The names of those whose labels the daemon tells. */
#ifndef CMD_NAMES_H
#define CMD_NAMES_H

#include "cmd/cli.h"
#include "conf/conf.h"

/* Zeroed but for `cli`. */
struct names {
	const struct cli *cli;
	struct conf *conf; /* loaded once, and only for a label that was cut */
	bool asked;
	char name[CONF_TEXT_BYTES];
	char escaped[4 * CONF_TEXT_BYTES];
};

/* Printable, and good until the next call; the label itself where it is not known whose it is. */
const char *names_of(struct names *names, const char *label);
void names_free(struct names *names);

#endif
