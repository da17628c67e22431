#include "cmd/spa_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "cmd/outfile.h"
#include "cmd/spa_key.h"
#include "cmd/spa_left.h"
#include "conf/values.h"
#include "proto/rsa_key.h"

/* PEM texts of the three keys. */
struct texts {
	char own[RSA_PEM_BYTES];
	char public[RSA_PEM_BYTES];
	char server[RSA_PEM_BYTES];
};

static bool fail_memory(struct cli *cli)
{
	return cli_refuse(cli, CLI_FAILED, "not enough memory");
}

/* The pair that the user has, or a new one. Where its key is encrypted, the passphrase is kept for
 * the file. */
static bool make_pair(struct cli *cli, struct rsa_secret *secret, struct spa_client *client)
{
	const struct spa_key_place own = {.path = client->private_key};
	const struct spa_key_place half = {.path = client->public_key};

	if (own.path == NULL)
		return rsa_secret_generate(secret) == RSA_FINE ||
		       cli_refuse(cli, CLI_FAILED, "libcrypto cannot make keys");
	return spa_key_secret(cli, secret, &own, &client->passphrase) &&
	       (half.path == NULL || spa_key_belongs(cli, secret, &half));
}

static bool make_texts(struct cli *cli, struct texts *texts, struct spa_client *client)
{
	struct rsa_secret secret = {0};
	struct rsa_public server;
	const char *passphrase = NULL;
	bool ok = spa_key_public(cli, &server,
	              &(struct spa_key_place){.path = client->server_public_key}, "public key") &&
	          make_pair(cli, &secret, client);

	if (ok && client->encrypt && client->passphrase.text == NULL)
		ok = passphrase_choose(cli, &client->passphrase, "Passphrase for the new file");
	passphrase = client->passphrase.text;
	if (ok && !(rsa_pem_write_secret(texts->own, &secret, passphrase) &&
	              rsa_pem_write_public(texts->public, &secret.public_key) &&
	              rsa_pem_write_public(texts->server, &server)))
		ok = cli_refuse(cli, CLI_FAILED, "libcrypto cannot write the keys");
	passphrase_free(&client->passphrase);
	secret_wipe(&secret, sizeof secret);
	return ok;
}

/* Names of the files; FOLDER/UUID is made. *made is that folder then, to be taken away again when
 * something fails, and to be freed. */
static bool choose_paths(struct cli *cli, struct spa_client *client, char **made)
{
	char device[UUID_TEXT_BYTES];
	char *beside = NULL;

	uuid_text(device, client->ospa.device);
	if (client->out != NULL) {
		client->ospa_path = strdup(client->out);
	} else {
		*made = file_join(client->folder, device);
		if (*made == NULL)
			return fail_memory(cli);
		if (mkdir(*made, SPA_LEFT_MODE) != 0) {
			cli->status = cli_fail_errno(cli, "cannot make the folder %s", *made);
			free(*made);
			*made = NULL;
			return false;
		}
		client->ospa_path = file_join(*made, "client.ospa");
	}
	if (client->ospa_path != NULL)
		beside = file_folder(client->ospa_path);
	if (beside == NULL || asprintf(&client->public_path, "%s/%s.pub",
	                          client->devices != NULL ? client->devices : beside, device) < 0)
		client->public_path = NULL;
	free(beside);
	return client->public_path != NULL || fail_memory(cli);
}

static bool fail_public(struct cli *cli, const struct spa_client *client)
{
	if (errno == EEXIST)
		return cli_refuse(cli, CLI_FAILED, "%s exists already and was left as it is",
		    client->public_path);
	return cli_stop(cli, cli_fail_errno(cli, "cannot write %s", client->public_path));
}

/* The public key goes into its place last: from then on the server takes requests. */
static bool write_files(struct cli *cli, struct spa_client *client, const char *public_text)
{
	struct conf_error error = {0};
	struct outfile out = {0};
	bool ok = false;

	if (!outfile_open(&out, client->public_path))
		return fail_public(cli, client);
	out.fresh = true;
	if (fputs(public_text, out.file) < 0 || fchmod(fileno(out.file), 0644) != 0) {
		fail_public(cli, client);
	} else if (!ospa_write(client->ospa_path, &client->ospa, false, &error)) {
		cli->status = cli_fail_conf(cli, CLI_FAILED, &error);
	} else if (!outfile_commit(&out)) {
		fail_public(cli, client);
		unlink(client->ospa_path);
	} else {
		ok = true;
	}
	outfile_close(&out);
	return ok;
}

bool spa_client_make(struct cli *cli, struct spa_client *client)
{
	struct texts *texts = secret_alloc(sizeof *texts);
	char *made = NULL;
	bool ok;

	if (texts == NULL)
		return fail_memory(cli);
	ok = make_texts(cli, texts, client) && choose_paths(cli, client, &made);
	if (ok) {
		client->ospa.private_key = texts->own;
		client->ospa.public_key = texts->public;
		client->ospa.server_public_key = texts->server;
		ok = write_files(cli, client, texts->public);
	}
	if (made != NULL && ok)
		chmod(made, SPA_DONE_MODE);
	else if (made != NULL)
		rmdir(made);
	free(made);
	secret_free(texts);
	return ok;
}

void spa_client_free(struct spa_client *client)
{
	passphrase_free(&client->passphrase);
	free(client->ospa_path);
	free(client->public_path);
	client->ospa_path = NULL;
	client->public_path = NULL;
}
