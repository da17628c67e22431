/* RSA keys of OpenSPA as the tool gets them: PEM text from OSPA files and key files. `what` and
 * `where` are for complaints: "the private key of client.ospa". Failures are reported, with
 * cli->status set. */
#ifndef CMD_SPA_KEY_H
#define CMD_SPA_KEY_H

#include "cmd/cli.h"
#include "cmd/passphrase.h"
#include "conf/file.h"
#include "proto/rsa_pem.h"

/* Asks for a passphrase where the text is encrypted; p->text stays NULL where it is not. Wipe *out
 * with secret_wipe. */
bool spa_key_secret(struct cli *cli, struct rsa_secret *out, const char *pem, struct passphrase *p,
    const char *where);
bool spa_key_public(
    struct cli *cli, struct rsa_public *out, const char *pem, const char *what, const char *where);
/* The public half that came along must be that of the private key. */
bool spa_key_belongs(struct cli *cli, const struct rsa_secret *key, const struct rsa_public *half,
    const char *where);

/* A file with one PEM text; a private one must be its owner's alone. */
bool spa_key_file(
    struct cli *cli, struct file_text *out, const char *path, enum file_secrecy secrecy);

#endif
