/* The command that a profile wants run once the knock is out. */
#ifndef CMD_POST_KNOCK_H
#define CMD_POST_KNOCK_H

#include "cmd/knocking.h"

/* Room for what the command needs to know; it holds no key. */
struct post_knock {
	char *command; /* NULL: none */
	char profile[CLIENT_NAME_BYTES];
	char host[CONF_TEXT_BYTES];
	char port[8];
	char ipv4[ADDR_TEXT_BYTES]; /* knocked at; "" when not */
	char ipv6[ADDR_TEXT_BYTES];
};

/* Copies what is needed, so that the profile can be freed. False when memory is short. */
bool post_knock_take(
    struct post_knock *p, const struct knocking *k, const struct postern_report *report);
void post_knock_free(struct post_knock *p);

/* Becomes the shell that runs the command, as openme does: it has our streams, and its status is
 * ours. Returns only when that failed. */
enum cli_exit post_knock_become(const struct cli *cli, const struct post_knock *p);
/* Starts it beside us; nobody waits for it. */
enum cli_exit post_knock_start(const struct cli *cli, const struct post_knock *p);

#endif
