#include "cmd/spa_key.h"

#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "files/given_file.h"

#define GUESSES 3

static const char *name_of(const struct spa_key_place *from)
{
	return from->path != NULL ? from->path : from->where;
}

/* The text, in `file` where it stands in one of its own. NULL with cli->status set. */
static const char *text_of(struct cli *cli, struct file_text *file,
    const struct spa_key_place *from, enum file_secrecy secrecy)
{
	struct conf_error error = {0};

	*file = (struct file_text){.data = NULL};
	if (from->path == NULL)
		return from->pem;
	if (!given_read(file, from->path, secrecy, &error))
		cli_stop(cli, cli_fail_conf(cli, CLI_CONFIG, &error));
	if (*file->note != '\0')
		cli_warn(cli, "%s: %s", from->path, file->note);
	return file->data;
}

static bool read_secret(struct cli *cli, struct rsa_secret *out, const char *pem,
    struct passphrase *p, const char *where)
{
	enum rsa_error error = rsa_pem_read_secret(out, pem, strlen(pem), NULL);
	char question[256];

	if (error == RSA_LOCKED)
		snprintf(question, sizeof question, "Passphrase of %.200s", where);
	for (int guess = 1; error == RSA_LOCKED; guess++) {
		if (!passphrase_get(cli, p, question))
			return false;
		error = rsa_pem_read_secret(out, pem, strlen(pem), p->text);
		if (error == RSA_WRONG_PASSPHRASE && p->fd < 0 && guess < GUESSES) {
			cli_warn(cli, "that is not the passphrase");
			error = RSA_LOCKED;
		}
	}
	return error == RSA_FINE ||
	       cli_refuse(cli, error == RSA_WRONG_PASSPHRASE ? CLI_FAILED : CLI_CONFIG,
	           "the private key of %s is %s", where, rsa_error_text(error));
}

bool spa_key_secret(
    struct cli *cli, struct rsa_secret *out, const struct spa_key_place *from, struct passphrase *p)
{
	struct file_text file;
	const char *pem = text_of(cli, &file, from, FILE_SECRET);
	bool ok = pem != NULL && read_secret(cli, out, pem, p, name_of(from));

	file_text_free(&file);
	return ok;
}

bool spa_key_public(
    struct cli *cli, struct rsa_public *out, const struct spa_key_place *from, const char *what)
{
	struct file_text file;
	const char *pem = text_of(cli, &file, from, FILE_PUBLIC);
	enum rsa_error error;

	if (pem == NULL)
		return false;
	error = rsa_pem_read_public(out, pem, strlen(pem));
	file_text_free(&file);
	if (error == RSA_FINE)
		error = rsa_public_check(out);
	return error == RSA_FINE || cli_refuse(cli, CLI_CONFIG, "the %s of %s is %s", what,
	                                name_of(from), rsa_error_text(error));
}

bool spa_key_belongs(
    struct cli *cli, const struct rsa_secret *key, const struct spa_key_place *half)
{
	struct rsa_public public;

	return spa_key_public(cli, &public, half, "public key") &&
	       (memcmp(&key->public_key, &public, sizeof public) == 0 ||
	           cli_refuse(cli, CLI_CONFIG,
	               "the public key of %s is not that of the private key", name_of(half)));
}
