/* RSA keys of OpenSPA as the tool gets them: PEM text from OSPA files and key files. Failures are
 * reported, with cli->status set. */
#ifndef CMD_SPA_KEY_H
#define CMD_SPA_KEY_H

#include "cmd/cli.h"
#include "cmd/passphrase.h"
#include "conf/file.h"
#include "proto/rsa_pem.h"

/* Where a key stands: alone in the file at `path`, where a private one must be its owner's alone;
 * or, when that is NULL, in `pem`, which is part of the file `where`. */
struct spa_key_place {
	const char *path;
	const char *pem;
	const char *where;
};

/* Asks for a passphrase where the text is encrypted; p->text stays NULL where it is not. Wipe *out
 * with secret_wipe. */
bool spa_key_secret(struct cli *cli, struct rsa_secret *out, const struct spa_key_place *from,
    struct passphrase *p);
/* `what` is for complaints: "the public key of client.ospa". */
bool spa_key_public(
    struct cli *cli, struct rsa_public *out, const struct spa_key_place *from, const char *what);
/* The public half that came along must be that of the private key. */
bool spa_key_belongs(
    struct cli *cli, const struct rsa_secret *key, const struct spa_key_place *half);

#endif
