#include <stdio.h>

#include "base/secret.h"
#include "cmd/cmd.h"
#include "cmd/json.h"
#include "cmd/knocking.h"
#include "cmd/option.h"
#include "cmd/text.h"

static const struct option_syntax syntax = {
    .usage = "profiles [OPTION...] [NAME]",
    .help = "Lists the profiles of the client configuration, or shows one. Private keys and\n"
            "shield keys are never shown.\n"
            "\n"
            "  --names  the names alone, one a line\n"
            "\n"
            "Examples:\n"
            "  postern profiles\n"
            "  postern profiles home --json\n",
    .operands = 1,
};

#define KEY_TEXT_BYTES SECRET_BASE64_BYTES(CONF_KEY_BYTES)

static const char *key_text(const struct conf_key *key, char text[static KEY_TEXT_BYTES])
{
	secret_to_base64(text, KEY_TEXT_BYTES, key->bytes, sizeof key->bytes);
	return text;
}

static void json_profile(struct json *j, const struct client_profile *p)
{
	char key[KEY_TEXT_BYTES], fingerprint[TEXT_FINGERPRINT_BYTES];

	json_open(j, NULL, '{');
	json_string(j, "name", p->name);
	json_string(j, "server_host", p->server_host.text);
	json_number(j, "server_udp_port", p->server_udp_port);
	json_string(j, "server_pubkey", key_text(&p->server_pubkey, key));
	json_string(j, "public_key", key_text(&p->public_key, key));
	json_string(j, "fingerprint", text_fingerprint(p->public_key.bytes, fingerprint));
	json_bool(j, "own_address", p->own_address == 1);
	json_bool(j, "shield_key", p->shield_key.bytes != NULL);
	json_string(j, "post_knock", p->post_knock);
	json_close(j, '}');
}

static void print_profile(const struct client_profile *p)
{
	char server[KEY_TEXT_BYTES], own[KEY_TEXT_BYTES], fingerprint[TEXT_FINGERPRINT_BYTES];
	char command[512] = "(none)", name[4 * CONF_TEXT_BYTES];

	if (p->post_knock != NULL)
		text_escaped(command, sizeof command, p->post_knock);
	printf("Profile:       %s\n"
	       "Server:        %s\n"
	       "UDP port:      %d\n"
	       "Server pubkey: %s\n"
	       "Client pubkey: %s\n"
	       "Fingerprint:   %s\n"
	       "Private key:   (redacted)\n"
	       "Shield key:    %s\n"
	       "Post-knock:    %s\n",
	    text_name(name, sizeof name, p->name), p->server_host.text, (int)p->server_udp_port,
	    key_text(&p->server_pubkey, server), key_text(&p->public_key, own),
	    text_fingerprint(p->public_key.bytes, fingerprint),
	    p->shield_key.bytes != NULL ? "(redacted)" : "(none)", command);
}

static void print_row(const struct client_profile *p)
{
	char command[40] = "-", name[4 * CONF_TEXT_BYTES];

	if (p->post_knock != NULL)
		text_escaped(command, sizeof command, p->post_knock);
	text_column(text_name(name, sizeof name, p->name), 20);
	printf("%-30s %-6d %s\n", p->server_host.text, (int)p->server_udp_port, command);
}

static void print_list(const struct cli *cli, const struct client_conf *conf, bool names)
{
	size_t count = client_conf_count(conf);
	char name[4 * CONF_TEXT_BYTES];
	struct json j = {.to = stdout};

	if (names && !cli->json) {
		for (size_t i = 0; i < count; i++)
			puts(text_name(name, sizeof name, client_conf_profile(conf, i)->name));
		return;
	}
	if (cli->json) {
		json_open(&j, NULL, '{');
		json_open(&j, "profiles", '[');
		for (size_t i = 0; i < count; i++)
			json_profile(&j, client_conf_profile(conf, i));
		json_close(&j, ']');
		json_close(&j, '}');
		return;
	}
	if (count == 0) {
		puts("No profiles found.");
		return;
	}
	printf("%s%-20s %-30s %-6s %s%s\n", cli_colour(CLI_BOLD), "NAME", "SERVER", "PORT",
	    "POST-KNOCK", cli_colour(CLI_PLAIN));
	for (size_t i = 0; i < count; i++)
		print_row(client_conf_profile(conf, i));
}

enum cli_exit cmd_profiles(struct cli *cli, int argc, char **argv)
{
	const struct client_profile *profile = NULL;
	struct client_conf *conf = NULL;
	struct conf_error error = {0};
	struct json j = {.to = stdout};
	bool names = false;
	const struct option_row options[] = {{"names", .flag = &names}, {0}};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	cli->status = CLI_DONE;
	if (cli->operand != NULL) {
		profile = knocking_profile(cli, cli->operand, &conf);
		if (profile != NULL && cli->json) {
			json_profile(&j, profile);
		} else if (profile != NULL) {
			print_profile(profile);
		}
	} else if ((conf = client_conf_load(cli->client_config, &error)) == NULL) {
		cli->status = cli_fail_conf(cli, CLI_CONFIG, &error);
	} else {
		for (size_t i = 0; i < client_conf_broken_count(conf); i++)
			cli_warn(cli, "%s", client_conf_broken(conf, i));
		print_list(cli, conf, names);
	}
	if (cli->operand == NULL)
		knocking_warn(cli, conf);
	client_conf_free(conf);
	return cli->status;
}
