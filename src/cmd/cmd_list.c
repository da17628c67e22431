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

static const struct option_syntax syntax = {
    .usage = "list [OPTION...]",
    .help =
        "Lists the clients of the server configuration: name, fingerprint of the key, ports as\n"
        "configured, expiry, whether a knock would be accepted, and, when the daemon answers,\n"
        "when the client last was let in. Then the OpenSPA devices: UUID, name, whether a request\n"
        "would be heard, expiry, when it last was, and what it may ask for.\n"
        "\n"
        "Examples:\n"
        "  postern list\n"
        "  postern list --json | jq '.clients[] | select(.status == \"expired\").name'\n",
};

static const char *status_of(bool revoked, int64_t expires_ns, int64_t now_ns)
{
	if (revoked)
		return "revoked";
	return expires_ns <= now_ns ? "expired" : "active";
}

static const char *join(char *out, size_t size, const struct conf_list *list, const char *none)
{
	size_t used = 0;

	if (list->count == 0) {
		snprintf(out, size, "%s", none);
		return out;
	}
	out[0] = '\0';
	for (size_t i = 0; i < list->count && used < size; i++)
		used += (size_t)snprintf(
		    out + used, size - used, "%s%s", i > 0 ? "," : "", list->items[i].text);
	return out;
}

/* The columns that clients and devices have in common. */
static void print_common(
    const char *status, int64_t expires_ns, const struct control_last_seen *seen)
{
	bool active = strcmp(status, "active") == 0;
	char expires[CLOCK_TEXT_BYTES], when[CLOCK_TEXT_BYTES];

	printf("%s%-8s%s %-21s %-21s ", cli_colour(active ? CLI_GREEN : CLI_RED), status,
	    cli_colour(CLI_PLAIN),
	    expires_ns == NEVER_NS ? "never" : clock_text(expires_ns, expires),
	    seen != NULL ? clock_text(seen->when_ns, when) : "-");
}

static void json_common(
    struct json *j, const char *status, int64_t expires_ns, const struct control_last_seen *seen)
{
	char address[ADDR_TEXT_BYTES];

	json_time(j, "expires", expires_ns);
	json_string(j, "status", status);
	json_time(j, "last_seen", seen != NULL ? seen->when_ns : INT64_MAX);
	json_string(j, "last_address", seen != NULL ? addr_text(&seen->address, address) : NULL);
}

static void print_client(
    const struct conf_client *client, const struct control_last_seen *seen, int64_t now_ns)
{
	char fingerprint[TEXT_FINGERPRINT_BYTES], ports[128];

	printf("%-20s %-17s ", client->name,
	    text_fingerprint(client->ed25519_pubkey.bytes, fingerprint));
	print_common(
	    client->skipped ? "skipped" : status_of(client->revoked.yes, client->expires, now_ns),
	    client->expires, seen);
	puts(join(ports, sizeof ports, &client->allowed_ports, "default"));
}

static void json_client(struct json *j, const struct conf_client *client,
    const struct control_last_seen *seen, int64_t now_ns)
{
	char fingerprint[TEXT_FINGERPRINT_BYTES];

	json_open(j, NULL, '{');
	json_string(j, "name", client->name);
	json_string(j, "fingerprint", text_fingerprint(client->ed25519_pubkey.bytes, fingerprint));
	json_open(j, "ports", '[');
	for (size_t i = 0; i < client->allowed_ports.count; i++)
		json_string(j, NULL, client->allowed_ports.items[i].text);
	if (client->allowed_ports.count == 0)
		json_string(j, NULL, "default");
	json_close(j, ']');
	json_common(j,
	    client->skipped ? "skipped" : status_of(client->revoked.yes, client->expires, now_ns),
	    client->expires, seen);
	json_string(j, "file", client->file);
	json_close(j, '}');
}

static void print_device(
    const struct conf_device *device, const struct control_last_seen *seen, int64_t now_ns)
{
	char uuid[UUID_TEXT_BYTES], rules[128];

	uuid_text(uuid, device->uuid);
	printf(
	    "%-36s %-20s ", uuid, strcmp(device->name.text, uuid) == 0 ? "-" : device->name.text);
	print_common(
	    status_of(device->revoked.yes, device->expires, now_ns), device->expires, seen);
	puts(join(rules, sizeof rules, &device->rules, "any"));
}

static void json_device(struct json *j, const struct conf_device *device,
    const struct control_last_seen *seen, int64_t now_ns)
{
	char uuid[UUID_TEXT_BYTES];

	json_open(j, NULL, '{');
	json_string(j, "uuid", uuid_text(uuid, device->uuid));
	json_string(j, "name", device->name.text);
	json_open(j, "rules", '[');
	for (size_t i = 0; i < device->rules.count; i++)
		json_string(j, NULL, device->rules.items[i].text);
	json_close(j, ']');
	json_common(
	    j, status_of(device->revoked.yes, device->expires, now_ns), device->expires, seen);
	json_close(j, '}');
}

static void print_all(const struct conf *conf, const struct daemon_state *state, int64_t now_ns)
{
	size_t clients = conf_client_count(conf), devices = conf_device_count(conf);

	if (clients + devices == 0)
		puts("No clients registered.");
	if (clients > 0)
		printf("%s%-20s %-17s %-8s %-21s %-21s %s%s\n", cli_colour(CLI_BOLD), "NAME",
		    "FINGERPRINT", "STATUS", "EXPIRES", "LAST SEEN", "PORTS",
		    cli_colour(CLI_PLAIN));
	for (size_t i = 0; i < clients; i++) {
		const struct conf_client *client = conf_client(conf, i);

		print_client(client, daemon_seen(state, client->name), now_ns);
	}
	if (devices > 0)
		printf("%s%s%-36s %-20s %-8s %-21s %-21s %s%s\n", clients > 0 ? "\n" : "",
		    cli_colour(CLI_BOLD), "DEVICE", "NAME", "STATUS", "EXPIRES", "LAST SEEN",
		    "RULES", cli_colour(CLI_PLAIN));
	for (size_t i = 0; i < devices; i++) {
		const struct conf_device *device = conf_device(conf, i);

		print_device(device, daemon_seen(state, device->name.text), now_ns);
	}
}

static void json_all(const struct conf *conf, const struct daemon_state *state, int64_t now_ns)
{
	struct json j = {.to = stdout};

	json_open(&j, NULL, '{');
	json_open(&j, "clients", '[');
	for (size_t i = 0; i < conf_client_count(conf); i++) {
		const struct conf_client *client = conf_client(conf, i);

		json_client(&j, client, daemon_seen(state, client->name), now_ns);
	}
	json_close(&j, ']');
	json_open(&j, "devices", '[');
	for (size_t i = 0; i < conf_device_count(conf); i++) {
		const struct conf_device *device = conf_device(conf, i);

		json_device(&j, device, daemon_seen(state, device->name.text), now_ns);
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

enum cli_exit cmd_list(struct cli *cli, int argc, char **argv)
{
	struct control_error error = {0};
	struct daemon_state state;
	struct conf *conf = NULL;

	if (!option_read(cli, &syntax, NULL, argc, argv))
		return cli->status;
	conf = cli_load_conf(cli);
	if (conf == NULL)
		return cli->status;
	if (daemon_state_ask(cli, &state, &error) != CTL_DONE)
		cli_detail(cli, "posternd does not answer at %s: not known when clients were seen",
		    cli->control);
	(cli->json ? json_all : print_all)(conf, &state, clock_real_ns());
	daemon_state_free(&state);
	conf_free(conf);
	return CLI_DONE;
}
