#include "cmd/spa_key.h"

#include <stdio.h>
#include <string.h>

#include "conf/conf.h"

#define GUESSES 3

bool spa_key_secret(struct cli *cli, struct rsa_secret *out, const char *pem, struct passphrase *p,
    const char *where)
{
	enum rsa_error error = rsa_pem_read_secret(out, pem, strlen(pem), NULL);
	char question[256];

	if (error == RSA_LOCKED)
		snprintf(question, sizeof question, "Passphrase of %.200s", where);
	for (int guess = 1; error == RSA_LOCKED; guess++) {
		if (!passphrase_get(cli, p, question))
			return false;
		error = rsa_pem_read_secret(out, pem, strlen(pem), p->text);
		if (error == RSA_WRONG_PASSPHRASE && passphrase_can_ask(p) && guess < GUESSES) {
			cli_warn(cli, "that is not the passphrase");
			error = RSA_LOCKED;
		}
	}
	return error == RSA_FINE ||
	       cli_refuse(cli, error == RSA_WRONG_PASSPHRASE ? CLI_FAILED : CLI_CONFIG,
	           "the private key of %s is %s", where, rsa_error_text(error));
}

bool spa_key_public(
    struct cli *cli, struct rsa_public *out, const char *pem, const char *what, const char *where)
{
	enum rsa_error error = rsa_pem_read_public(out, pem, strlen(pem));

	if (error == RSA_FINE)
		error = rsa_public_check(out);
	return error == RSA_FINE || cli_refuse(cli, CLI_CONFIG, "the %s of %s is %s", what, where,
	                                rsa_error_text(error));
}

bool spa_key_belongs(
    struct cli *cli, const struct rsa_secret *key, const struct rsa_public *half, const char *where)
{
	return memcmp(&key->public_key, half, sizeof *half) == 0 ||
	       cli_refuse(
	           cli, CLI_CONFIG, "the public key of %s is not that of the private key", where);
}

bool spa_key_file(
    struct cli *cli, struct file_text *out, const char *path, enum file_secrecy secrecy)
{
	struct conf_error error = {0};

	return file_read(out, path, secrecy, &error) ||
	       cli_stop(cli, cli_fail_conf(cli, CLI_CONFIG, &error));
}
