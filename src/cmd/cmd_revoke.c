#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/json.h"
#include "cmd/server_conf.h"
#include "conf/values.h"

enum { OPTION_NO_RELOAD = 1 };

static const struct option options[] = {{"no-reload", no_argument, NULL, OPTION_NO_RELOAD}, {0}};

static const struct cli_syntax syntax = {
    .usage = "revoke [OPTION...] NAME",
    .help = "Revokes a client: writes an override beside the server configuration, which wins\n"
            "wherever the client stands, and has the running daemon take it over. What the client\n"
            "holds open is shut at once.\n"
            "\n"
            "  --no-reload  leave the running daemon as it is\n"
            "\n"
            "Example:\n"
            "  postern revoke alice\n",
    .shorts = "",
    .options = options,
    .operands = 1,
};

static enum cli_exit unknown_client(
    const struct cli *cli, const struct conf *conf, const char *name)
{
	size_t count = conf_client_count(conf);
	const char **names = reallocarray(NULL, count + 1, sizeof *names);
	const char *nearest = NULL;
	char quoted[128];

	for (size_t i = 0; names != NULL && i < count; i++)
		names[i] = conf_client(conf, i)->name;
	if (names != NULL)
		nearest = value_nearest(name, names, count);
	value_quoted(quoted, sizeof quoted, name, 64);
	if (nearest != NULL)
		cli_warn(cli, "no client %s; did you mean \"%s\"?", quoted, nearest);
	else
		cli_warn(cli, "no client %s; see 'postern list'", quoted);
	free(names);
	return CLI_FAILED;
}

static void print_revoked(const struct cli *cli, const char *name, bool before)
{
	struct json j = {.to = stdout};

	if (cli->json) {
		json_open(&j, NULL, '{');
		json_string(&j, "client", name);
		json_bool(&j, "revoked", true);
		json_bool(&j, "was_revoked", before);
		json_close(&j, '}');
		json_end(&j);
	} else if (!cli->quiet) {
		printf(before ? "Client \"%s\" was revoked before.\n" : "Client \"%s\" revoked.\n",
		    name);
	}
}

static enum cli_exit revoke(struct cli *cli, const char *name, bool reload)
{
	struct conf *conf = server_conf_load(cli);
	const struct conf_client *client;
	struct conf_error error = {0};
	bool before;

	if (conf == NULL)
		return cli->status;
	client = conf_client_named(conf, name);
	if (client == NULL) {
		cli->status = unknown_client(cli, conf, name);
		conf_free(conf);
		return cli->status;
	}
	before = client->revoked.yes;
	conf_free(conf);
	if (!conf_revoke_client(cli->config, name, clock_real_ns(), &error))
		return server_conf_report(cli, &error);
	print_revoked(cli, name, before);
	return reload ? daemon_take_over(cli) : CLI_DONE;
}

enum cli_exit cmd_revoke(struct cli *cli, int argc, char **argv)
{
	bool reload = true;
	int option;

	while ((option = cli_next(cli, &syntax, argc, argv)) != CLI_END) {
		if (option == CLI_STOP)
			return cli->status;
		reload = false;
	}
	if (optind == argc)
		return cli_misuse(cli, "say which client to revoke");
	return revoke(cli, argv[optind], reload);
}
