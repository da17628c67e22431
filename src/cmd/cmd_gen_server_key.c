#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "cmd/cmd.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/outfile.h"
#include "cmd/text.h"
#include "conf/file.h"
#include "proto/rsa_pem.h"
#include "proto/rsa_wipe.h"

static const struct option_syntax syntax = {
    .usage = "openspa gen-server-key [OPTION...] [DIR]",
    .help = "Makes the two keys of an OpenSPA server: server.key, which nobody else may read, and\n"
            "server.pub, which every client needs. DIR is where they go, the current folder by\n"
            "default.\n"
            "\n"
            "  -k, --key-file FILE  the private key goes there instead\n"
            "  -p, --pub-file FILE  the public key goes there instead\n"
            "      --force          replace files that are there: clients need new files then\n"
            "\n"
            "Examples:\n"
            "  postern openspa gen-server-key /etc/postern\n",
    .operands = 1,
};

struct pair {
	const char *key_path;
	const char *pub_path;
	bool force;
	struct outfile key;
	struct outfile pub;
};

static bool open_file(struct cli *cli, struct outfile *out, const char *path, bool force)
{
	if (!outfile_open(out, path))
		return cli_stop(cli, cli_fail_errno(cli, "cannot write %s", path));
	out->fresh = !force;
	setvbuf(out->file, NULL, _IONBF, 0); /* no copy of a key elsewhere */
	return true;
}

static bool refuse_existing(struct cli *cli, const char *path)
{
	return cli_refuse(cli, CLI_FAILED, "%s exists already; --force replaces it", path);
}

static bool commit(struct cli *cli, struct outfile *out, const char *path)
{
	return outfile_commit(out) ||
	       (errno == EEXIST ? refuse_existing(cli, path)
	                        : cli_stop(cli, cli_fail_errno(cli, "cannot write %s", path)));
}

static bool put_keys(struct cli *cli, struct pair *pair)
{
	char text[RSA_PEM_BYTES];
	struct rsa_secret secret;
	bool ok;

	ok = rsa_wipe_init() && rsa_secret_generate(&secret) == RSA_FINE &&
	     rsa_pem_write_secret(text, &secret, NULL) && fputs(text, pair->key.file) >= 0 &&
	     rsa_pem_write_public(text, &secret.public_key) && fputs(text, pair->pub.file) >= 0 &&
	     fchmod(fileno(pair->pub.file), 0644) == 0;
	secret_wipe(text, sizeof text);
	secret_wipe(&secret, sizeof secret);
	return ok || cli_refuse(cli, CLI_FAILED, "cannot make keys or write them");
}

/* Both or none. */
static bool commit_both(struct cli *cli, struct pair *pair)
{
	if (!commit(cli, &pair->key, pair->key_path))
		return false;
	if (commit(cli, &pair->pub, pair->pub_path))
		return true;
	if (!pair->force)
		unlink(pair->key_path);
	return false;
}

static void print_pair(const struct cli *cli, const struct pair *pair)
{
	char key[1024], pub[1024];
	struct json j = {.to = stdout};

	if (cli->json) {
		json_open(&j, NULL, '{');
		json_string(&j, "private_key", pair->key_path);
		json_string(&j, "public_key", pair->pub_path);
		json_close(&j, '}');
	} else if (!cli->quiet) {
		printf("Private key: %s\nPublic key:  %s\n",
		    text_escaped(key, sizeof key, pair->key_path),
		    text_escaped(pub, sizeof pub, pair->pub_path));
	}
}

static void generate(struct cli *cli, struct pair *pair)
{
	cli->status = CLI_DONE;
	/* Said before the work is done, and made sure of when the files are put in place. */
	if (!pair->force && access(pair->key_path, F_OK) == 0)
		refuse_existing(cli, pair->key_path);
	else if (open_file(cli, &pair->key, pair->key_path, pair->force) &&
	         open_file(cli, &pair->pub, pair->pub_path, pair->force) && put_keys(cli, pair) &&
	         commit_both(cli, pair))
		print_pair(cli, pair);
	outfile_close(&pair->key);
	outfile_close(&pair->pub);
}

enum cli_exit cmd_gen_server_key(struct cli *cli, int argc, char **argv)
{
	const char *key = NULL, *pub = NULL, *folder;
	char *key_path, *pub_path;
	bool force = false;
	const struct option_row options[] = {
	    {"key-file", 'k', .take = option_text, .place = &key},
	    {"pub-file", 'p', .take = option_text, .place = &pub},
	    {"force", .flag = &force},
	    {0},
	};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	folder = cli->operand != NULL ? cli->operand : ".";
	key_path = key != NULL ? strdup(key) : file_join(folder, "server.key");
	pub_path = pub != NULL ? strdup(pub) : file_join(folder, "server.pub");
	if (key_path == NULL || pub_path == NULL)
		cli_refuse(cli, CLI_FAILED, "not enough memory");
	else
		generate(cli, &(struct pair){key_path, pub_path, .force = force});
	free(key_path);
	free(pub_path);
	return cli->status;
}
