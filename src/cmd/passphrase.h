/* The passphrase of an encrypted private key: from a descriptor, from a helper program that asks
 * in a window ($POSTERN_ASKPASS, $SSH_ASKPASS), or from the terminal, where it is not shown. Never
 * from the command line or the environment. */
#ifndef CMD_PASSPHRASE_H
#define CMD_PASSPHRASE_H

#include "cmd/option.h"

#define PASSPHRASE_BYTES 1024 /* zero included */

struct passphrase {
	int fd;     /* -1: ask */
	char *text; /* PASSPHRASE_BYTES of locked memory; NULL: none was wanted so far */
};

/* The value of --passphrase-fd. Place: int. */
option_fn passphrase_take_fd;
/* Fills p->text; `question` is for the person, without colon. Failures are reported, with
 * cli->status set. */
bool passphrase_get(struct cli *cli, struct passphrase *p, const char *question);
/* A new one: a person is asked twice. */
bool passphrase_choose(struct cli *cli, struct passphrase *p, const char *question);
/* Wipes. Safe on a zeroed one. */
void passphrase_free(struct passphrase *p);

#endif
