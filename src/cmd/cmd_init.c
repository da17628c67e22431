#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "cmd/cmd.h"
#include "cmd/host_port.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/service.h"
#include "conf/conf.h"
#include "conf/values.h"
#include "files/server_files.h"

static const struct option_syntax syntax = {
    .usage = "init --server HOST [OPTION...]",
    .help = "Writes a new server configuration with fresh keys and safe defaults.\n"
            "\n"
            "  --server HOST     name or address at which clients reach this server; with a port\n"
            "                    behind it, host:4433 or [2001:db8::1]:4433, as --port\n"
            "  --port N          UDP port for knocks, and TCP health port (54154)\n"
            "  --firewall NAME   nft (default), iptables, or none to only log what would be done\n"
            "  --interface NAME  guard this network interface only\n"
            "  --force           replace a configuration, and with it the server's keys\n"
            "\n"
            "Examples:\n"
            "  postern init --server server.example.com\n"
            "  postern init --server 192.0.2.7 --port 4433 --config ./config.yaml\n",
};

static bool take_server(struct cli *cli, const struct option_row *row, char *text)
{
	struct host_port *server = row->place;
	const char *expected = NULL;

	if (strstr(text, "://") != NULL)
		return option_refuse(cli, row, text, "the host alone, no URL: --server HOST");
	if (!host_port_cut(server, text))
		return option_refuse(cli, row, text, "a port from 1 to 65535 behind the host");
	return value_host(server->host, &expected) ||
	       option_refuse(cli, row, server->host, expected);
}

static bool is_firewall(const char *text, const char **expected)
{
	int word;

	*expected = "nft, iptables or none";
	return value_word(&word, conf_firewall_words, text);
}

static void print_init_json(const struct conf *conf, const char *public_key)
{
	struct json j = {.to = stdout};

	json_open(&j, NULL, '{');
	json_string(&j, "config", conf_path(conf));
	json_string(&j, "host", conf_server(conf)->host.text);
	json_number(&j, "udp_port", conf_server(conf)->udp_port);
	json_string(&j, "public_key", public_key);
	json_close(&j, '}');
}

static void print_text(const struct cli *cli, const struct conf *conf,
    const struct conf_initial *initial, const char *public_key)
{
	bool usual = strcmp(cli->config, CONF_DEFAULT_PATH) == 0;
	const char *flag = usual ? "" : " --config ", *path = usual ? "" : cli->config;

	printf("Server configuration written.\n"
	       "\n"
	       "  Config:    %s\n"
	       "  Server:    %s\n"
	       "  UDP port:  %d\n"
	       "  Firewall:  %s\n"
	       "\n"
	       "  Public key (share with clients):\n"
	       "    %s\n"
	       "\n"
	       "Next steps:\n"
	       "  1. Register a client; what this prints goes to ~/.openme/config.yaml there:\n"
	       "       postern%s%s add NAME\n",
	    cli->config, conf_server(conf)->host.text, (int)conf_server(conf)->udp_port,
	    initial->firewall != NULL ? initial->firewall : "nft", public_key, flag, path);
	if (usual && service_is_installed())
		puts(
		    "  2. See what would be shut; then shut it on trial, until 'postern confirm':\n"
		    "       postern activate --dry-run\n"
		    "       postern activate");
	else
		printf("  2. Start the daemon, in the foreground:\n"
		       "       posternd%s%s\n",
		    usual ? "" : " -c ", path);
}

/* Read back what was written: what is shown is what the daemon will see. */
static enum cli_exit show(struct cli *cli, const struct conf_initial *initial)
{
	struct conf *conf = cli_load_conf(cli);
	struct conf_error error = {0};
	char public_key[SECRET_BASE64_BYTES(CONF_KEY_BYTES)];

	if (conf == NULL)
		return cli->status;
	if (!conf_find_interface(conf, &error))
		cli_warn(cli, "%s", error.text);
	secret_to_base64(public_key, sizeof public_key, conf_server_public(conf), CONF_KEY_BYTES);
	if (cli->json)
		print_init_json(conf, public_key);
	else if (!cli->quiet)
		print_text(cli, conf, initial, public_key);
	conf_free(conf);
	return CLI_DONE;
}

enum cli_exit cmd_init(struct cli *cli, int argc, char **argv)
{
	struct conf_initial initial = {0};
	struct host_port server = {NULL, 0};
	struct conf_error error = {0};
	const struct option_row options[] = {
	    {"server", .take = take_server, .place = &server},
	    {"port", .take = option_port, .place = &initial.udp_port, .least = 1},
	    {"firewall", .take = option_text, .place = &initial.firewall, .check = is_firewall},
	    {"interface", .take = option_text, .place = &initial.interface,
	        .check = value_interface},
	    {"force", .flag = &initial.force},
	    {0},
	};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	if (server.port != 0 && initial.udp_port != 0 && server.port != initial.udp_port)
		return cli_misuse(cli, "--server says port %d, and --port %d: say one of them",
		    (int)server.port, (int)initial.udp_port);
	if (server.port != 0)
		initial.udp_port = server.port;
	initial.host = server.host;
	if (initial.host == NULL)
		return cli_misuse(cli, "--server HOST is needed: where clients reach this server");
	if (!initial.force && access(cli->config, F_OK) == 0)
		return cli_fail(cli, CLI_FAILED,
		    "%s exists; use --force to replace it and its keys, or 'postern add' to "
		    "register clients",
		    cli->config);
	if (!conf_write_initial(cli->config, &initial, &error))
		return cli_fail_conf(cli, CLI_FAILED, &error);
	return show(cli, &initial);
}
