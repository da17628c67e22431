#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/json.h"
#include "cmd/server_conf.h"
#include "cmd/text.h"

static const struct option options[] = {{0}};

static const struct cli_syntax syntax = {
    .usage = "list [OPTION...]",
    .help =
        "Lists the clients of the server configuration: name, fingerprint of the key, ports as\n"
        "configured, expiry, whether a knock would be accepted, and, when the daemon answers,\n"
        "when the client last was let in.\n"
        "\n"
        "Examples:\n"
        "  postern list\n"
        "  postern list --json | jq '.clients[] | select(.status == \"expired\").name'\n",
    .shorts = "",
    .options = options,
};

static const char *status_of(const struct conf_client *client, int64_t now_ns)
{
	if (client->revoked.yes)
		return "revoked";
	return client->expires <= now_ns ? "expired" : "active";
}

static const char *join_ports(char *out, size_t size, const struct conf_list *ports)
{
	size_t used = 0;

	if (ports->count == 0) {
		snprintf(out, size, "default");
		return out;
	}
	out[0] = '\0';
	for (size_t i = 0; i < ports->count && used < size; i++)
		used += (size_t)snprintf(
		    out + used, size - used, "%s%s", i > 0 ? "," : "", ports->items[i].text);
	return out;
}

static void print_row(
    const struct conf_client *client, const struct control_last_seen *seen, int64_t now_ns)
{
	const char *status = status_of(client, now_ns);
	bool active = strcmp(status, "active") == 0;
	char fingerprint[TEXT_FINGERPRINT_BYTES], ports[128], expires[CLOCK_TEXT_BYTES];
	char when[CLOCK_TEXT_BYTES];

	printf("%-20s %-17s %s%-8s%s %-21s %-21s %s\n", client->name,
	    text_fingerprint(client->ed25519_pubkey.bytes, fingerprint),
	    cli_colour(active ? CLI_GREEN : CLI_RED), status, cli_colour(CLI_PLAIN),
	    client->expires == NEVER_NS ? "never" : clock_text(client->expires, expires),
	    seen != NULL ? clock_text(seen->when_ns, when) : "-",
	    join_ports(ports, sizeof ports, &client->allowed_ports));
}

static void json_row(struct json *j, const struct conf_client *client,
    const struct control_last_seen *seen, int64_t now_ns)
{
	char fingerprint[TEXT_FINGERPRINT_BYTES], address[ADDR_TEXT_BYTES];

	json_open(j, NULL, '{');
	json_string(j, "name", client->name);
	json_string(j, "fingerprint", text_fingerprint(client->ed25519_pubkey.bytes, fingerprint));
	json_open(j, "ports", '[');
	for (size_t i = 0; i < client->allowed_ports.count; i++)
		json_string(j, NULL, client->allowed_ports.items[i].text);
	if (client->allowed_ports.count == 0)
		json_string(j, NULL, "default");
	json_close(j, ']');
	json_time(j, "expires", client->expires);
	json_string(j, "status", status_of(client, now_ns));
	json_time(j, "last_seen", seen != NULL ? seen->when_ns : INT64_MAX);
	json_string(j, "last_address", seen != NULL ? addr_text(&seen->address, address) : NULL);
	json_string(j, "file", client->file);
	json_close(j, '}');
}

static void print_all(
    const struct cli *cli, const struct conf *conf, const struct daemon_state *state)
{
	size_t count = conf_client_count(conf);
	struct json j = {.to = stdout};
	int64_t now_ns = clock_real_ns();

	if (cli->json) {
		json_open(&j, NULL, '{');
		json_open(&j, "clients", '[');
	} else if (count == 0) {
		puts("No clients registered.");
	} else {
		printf("%s%-20s %-17s %-8s %-21s %-21s %s%s\n", cli_colour(CLI_BOLD), "NAME",
		    "FINGERPRINT", "STATUS", "EXPIRES", "LAST SEEN", "PORTS",
		    cli_colour(CLI_PLAIN));
	}
	for (size_t i = 0; i < count; i++) {
		const struct conf_client *client = conf_client(conf, i);
		const struct control_last_seen *seen = daemon_seen(state, client->name);

		if (cli->json)
			json_row(&j, client, seen, now_ns);
		else
			print_row(client, seen, now_ns);
	}
	if (cli->json) {
		json_close(&j, ']');
		json_close(&j, '}');
		json_end(&j);
	}
}

enum cli_exit cmd_list(struct cli *cli, int argc, char **argv)
{
	struct control_error error = {0};
	struct daemon_state state;
	struct conf *conf = NULL;

	while (cli_next(cli, &syntax, argc, argv) != CLI_END)
		return cli->status;
	conf = server_conf_load(cli);
	if (conf == NULL)
		return cli->status;
	if (daemon_state_ask(cli, &state, &error) != CTL_DONE)
		cli_detail(cli, "posternd does not answer at %s: not known when clients were seen",
		    cli->control);
	print_all(cli, conf, &state);
	daemon_state_free(&state);
	conf_free(conf);
	return CLI_DONE;
}
