#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/text.h"
#include "conf/conf.h"
#include "conf/values.h"
#include "files/server_files.h"

static const struct option_syntax syntax = {
    .usage = "revoke [OPTION...] NAME|UUID",
    .help =
        "Revokes a client, or an OpenSPA device by its name or UUID: writes an override beside\n"
        "the server configuration, which wins wherever the client or device stands, and has\n"
        "the running daemon take it over. What it holds open is shut at once.\n"
        "\n"
        "  --no-reload  leave the running daemon as it is\n"
        "  --dry-run    say what would be shut, and change nothing\n"
        "\n"
        "Example:\n"
        "  postern revoke alice\n",
    .operands = 1,
};

static enum cli_exit unknown_client(
    const struct cli *cli, const struct conf *conf, const char *name)
{
	struct value_guess guess = {.text = name};
	char quoted[128], meant[4 * CONF_TEXT_BYTES];

	for (size_t i = 0; i < conf_client_count(conf); i++)
		value_consider(&guess, conf_client(conf, i)->name);
	for (size_t i = 0; i < conf_device_count(conf); i++)
		value_consider(&guess, conf_device(conf, i)->name.text);
	value_quoted(quoted, sizeof quoted, name, 64);
	if (guess.best != NULL)
		return cli_fail(cli, CLI_FAILED, "no client or device %s; did you mean \"%s\"?",
		    quoted, text_name(meant, sizeof meant, guess.best));
	return cli_fail(cli, CLI_FAILED, "no client or device %s; see 'postern list'", quoted);
}

/* `kind` is client or device. */
static void print_revoked(const struct cli *cli, const char *kind, const char *name, bool before)
{
	struct json j = {.to = stdout};
	char text[4 * CONF_TEXT_BYTES];

	if (cli->json) {
		json_open(&j, NULL, '{');
		json_string(&j, kind, name);
		json_bool(&j, "revoked", true);
		json_bool(&j, "was_revoked", before);
		json_close(&j, '}');
	} else if (!cli->quiet) {
		printf("%c%s \"%s\" %s.\n", toupper((unsigned char)*kind), kind + 1,
		    text_name(text, sizeof text, name), before ? "was revoked before" : "revoked");
	}
}

static bool revoke_client(
    const struct cli *cli, const struct conf *conf, const char *name, struct conf_error *error)
{
	const struct conf_client *client = conf_client_named(conf, name);

	if (!conf_revoke_client(cli->config, name, clock_real_ns(), error))
		return false;
	if (conf_device_named(conf, name) != NULL)
		cli_warn(cli, "a device has that name, too; its UUID revokes that");
	print_revoked(cli, "client", name, client->revoked.yes);
	return true;
}

static bool revoke_device(const struct cli *cli, const struct conf *conf, const char *name,
    const uint8_t uuid[static DEVICE_UUID_BYTES], struct conf_error *error)
{
	const struct conf_device *device = conf_device_named(conf, name);

	if (!conf_revoke_device(cli->config, uuid, clock_real_ns(), error))
		return false;
	print_revoked(cli, "device", name, device != NULL && device->revoked.yes);
	return true;
}

/* A device that only a script knows stands in no list: its UUID will do. */
static bool find_device(
    const struct conf *conf, const char *name, uint8_t uuid[static DEVICE_UUID_BYTES])
{
	const struct conf_device *device = conf_device_named(conf, name);
	const char *ignored = NULL;

	if (device == NULL)
		return conf_has_openspa(conf) &&
		       conf_openspa_program(conf, CONF_TASK_PUBLIC_KEY)->asked !=
		           CONF_ASKED_NATIVE &&
		       value_uuid(uuid, name, &ignored);
	memcpy(uuid, device->uuid, sizeof device->uuid);
	return true;
}

/* `label`: as the daemon calls it. */
static enum cli_exit tell_only(
    const struct cli *cli, const char *kind, const char *name, const char *label)
{
	struct json j = {.to = stdout};
	struct daemon_state state;
	struct control_error ignored = {0};
	char text[4 * CONF_TEXT_BYTES], address[ADDR_TEXT_BYTES];

	(void)daemon_state_ask(cli, &state, &ignored); /* not running: nothing is open */
	if (cli->json) {
		json_open(&j, NULL, '{');
		json_bool(&j, "dry_run", true);
		json_string(&j, kind, name);
		json_open(&j, "would_end", '[');
	} else {
		printf("Would revoke %s \"%s\".\n", kind, text_name(text, sizeof text, name));
	}
	for (size_t i = 0; i < state.session_count; i++) {
		if (strcmp(state.sessions[i].client, label) != 0)
			continue;
		addr_text(&state.sessions[i].address, address);
		if (cli->json)
			json_string(&j, NULL, address);
		else
			printf("  would end its grant for %s\n", address);
	}
	if (cli->json) {
		json_close(&j, ']');
		json_close(&j, '}');
	} else {
		puts("Nothing was changed.");
	}
	daemon_state_free(&state);
	return CLI_DONE;
}

static enum cli_exit tell_client(const struct cli *cli, const char *name)
{
	char label[CLIENT_NAME_BYTES];

	value_label(label, name);
	return tell_only(cli, "client", name, label);
}

/* A device is shown by its name where it has one. */
static enum cli_exit tell_device(const struct cli *cli, const struct conf *conf, const char *name)
{
	const struct conf_device *device = conf_device_named(conf, name);

	return tell_only(cli, "device", name,
	    device != NULL && device->name.text[0] != '\0' ? device->name.text : name);
}

struct wanted {
	bool no_reload;
	bool dry_run;
};

static enum cli_exit revoke(struct cli *cli, const char *name, const struct wanted *wanted)
{
	struct conf *conf = cli_load_conf(cli);
	uint8_t uuid[DEVICE_UUID_BYTES];
	struct conf_error error = {0};

	if (conf == NULL)
		return cli->status;
	if (wanted->dry_run && conf_client_named(conf, name) != NULL)
		cli->status = tell_client(cli, name);
	else if (wanted->dry_run && find_device(conf, name, uuid))
		cli->status = tell_device(cli, conf, name);
	else if (conf_client_named(conf, name) != NULL)
		cli->status = revoke_client(cli, conf, name, &error) ? CLI_DONE
		                                                     : cli_report_conf(cli, &error);
	else if (find_device(conf, name, uuid))
		cli->status = revoke_device(cli, conf, name, uuid, &error)
		                  ? CLI_DONE
		                  : cli_report_conf(cli, &error);
	else
		cli->status = unknown_client(cli, conf, name);
	conf_free(conf);
	return cli->status == CLI_DONE && !wanted->no_reload && !wanted->dry_run
	           ? daemon_take_over(cli)
	           : cli->status;
}

enum cli_exit cmd_revoke(struct cli *cli, int argc, char **argv)
{
	struct wanted wanted = {.no_reload = false};
	const struct option_row options[] = {
	    {"no-reload", .flag = &wanted.no_reload}, {"dry-run", .flag = &wanted.dry_run}, {0}};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	if (cli->operand == NULL)
		return cli_misuse(cli, "say which client or device to revoke");
	return revoke(cli, cli->operand, &wanted);
}
