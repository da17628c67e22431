#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/line.h"
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
        "  --names  the names alone, one a line\n"
        "\n"
        "Examples:\n"
        "  postern list\n"
        "  postern list --json | jq '.clients[] | select(.status == \"expired\").name'\n",
};

/* What clients and devices have in common. */
struct row {
	bool skipped; /* for its name, or for groups that are not there */
	bool revoked;
	int64_t expires_ns;
	int64_t now_ns;
	const struct control_last_seen *seen; /* NULL: not known */
};

static const char *status_of(const struct row *row)
{
	if (row->skipped)
		return "skipped";
	if (row->revoked)
		return "revoked";
	return row->expires_ns <= row->now_ns ? "expired" : "active";
}

static const char *join(char *out, size_t size, const struct conf_list *list, const char *none)
{
	struct line l = {.text = out, .size = size};
	char item[128];

	if (list->count == 0)
		line_add(&l, "%s", none);
	for (size_t i = 0; i < list->count; i++)
		line_add(&l, "%s%s", i > 0 ? "," : "",
		    text_name(item, sizeof item, list->items[i].text));
	return out;
}

static void print_common(const struct row *row)
{
	const char *status = status_of(row);
	bool active = strcmp(status, "active") == 0;
	char expires[CLOCK_TEXT_BYTES], when[CLOCK_TEXT_BYTES];

	printf("%s%-8s%s %-21s %-21s ", cli_colour(active ? CLI_GREEN : CLI_RED), status,
	    cli_colour(CLI_PLAIN),
	    row->expires_ns == NEVER_NS ? "never" : clock_text(row->expires_ns, expires),
	    row->seen != NULL ? clock_text(row->seen->when_ns, when) : "-");
}

static void json_common(struct json *j, const struct row *row)
{
	const struct control_last_seen *seen = row->seen;
	char address[ADDR_TEXT_BYTES];

	json_time(j, "expires", row->expires_ns);
	json_string(j, "status", status_of(row));
	json_time(j, "last_seen", seen != NULL ? seen->when_ns : INT64_MAX);
	json_string(j, "last_address", seen != NULL ? addr_text(&seen->address, address) : NULL);
}

static void json_list(
    struct json *j, const char *key, const struct conf_list *list, const char *none)
{
	json_open(j, key, '[');
	for (size_t i = 0; i < list->count; i++)
		json_string(j, NULL, list->items[i].text);
	if (list->count == 0 && none != NULL)
		json_string(j, NULL, none);
	json_close(j, ']');
}

/* `j` NULL: as text. */
static void show_client(struct json *j, const struct conf_client *client, const struct row *row)
{
	char text[TEXT_FINGERPRINT_BYTES], name[4 * CONF_TEXT_BYTES], ports[128];
	const char *fingerprint = text_fingerprint(client->ed25519_pubkey.bytes, text);

	if (j == NULL) {
		text_column(text_name(name, sizeof name, client->name), 20);
		printf("%-17s ", fingerprint);
		print_common(row);
		puts(join(ports, sizeof ports, &client->allowed_ports, "default"));
		return;
	}
	json_open(j, NULL, '{');
	json_string(j, "name", client->name);
	json_string(j, "fingerprint", fingerprint);
	json_list(j, "ports", &client->allowed_ports, "default");
	json_common(j, row);
	json_string(j, "file", client->file);
	json_close(j, '}');
}

static void show_device(struct json *j, const struct conf_device *device, const struct row *row)
{
	char uuid[UUID_TEXT_BYTES], rules[128];

	uuid_text(uuid, device->uuid);
	if (j == NULL) {
		printf("%-36s ", uuid);
		text_column(strcmp(device->name.text, uuid) == 0 ? "-" : device->name.text, 20);
		print_common(row);
		puts(join(rules, sizeof rules, &device->rules, "any"));
		return;
	}
	json_open(j, NULL, '{');
	json_string(j, "uuid", uuid);
	json_string(j, "name", device->name.text);
	json_list(j, "rules", &device->rules, NULL);
	json_common(j, row);
	json_close(j, '}');
}

static void show_clients(
    struct json *j, const struct conf *conf, const struct daemon_state *state, int64_t now_ns)
{
	for (size_t i = 0; i < conf_client_count(conf); i++) {
		const struct conf_client *client = conf_client(conf, i);
		const struct row row = {client->skipped, client->revoked.yes, client->expires,
		    now_ns, daemon_seen(state, client->name)};

		show_client(j, client, &row);
	}
}

static void show_devices(
    struct json *j, const struct conf *conf, const struct daemon_state *state, int64_t now_ns)
{
	for (size_t i = 0; i < conf_device_count(conf); i++) {
		const struct conf_device *device = conf_device(conf, i);
		const struct row row = {false, device->revoked.yes, device->expires, now_ns,
		    daemon_seen(state, device->name.text)};

		show_device(j, device, &row);
	}
}

static void print_all(const struct conf *conf, const struct daemon_state *state, int64_t now_ns)
{
	bool clients = conf_client_count(conf) > 0, devices = conf_device_count(conf) > 0;

	if (!clients && !devices)
		puts("No clients registered.");
	if (clients)
		printf("%s%-20s %-17s %-8s %-21s %-21s %s%s\n", cli_colour(CLI_BOLD), "NAME",
		    "FINGERPRINT", "STATUS", "EXPIRES", "LAST SEEN", "PORTS",
		    cli_colour(CLI_PLAIN));
	show_clients(NULL, conf, state, now_ns);
	if (devices)
		printf("%s%s%-36s %-20s %-8s %-21s %-21s %s%s\n", clients ? "\n" : "",
		    cli_colour(CLI_BOLD), "DEVICE", "NAME", "STATUS", "EXPIRES", "LAST SEEN",
		    "RULES", cli_colour(CLI_PLAIN));
	show_devices(NULL, conf, state, now_ns);
}

static void json_all(const struct conf *conf, const struct daemon_state *state, int64_t now_ns)
{
	struct json j = {.to = stdout};

	json_open(&j, NULL, '{');
	json_open(&j, "clients", '[');
	show_clients(&j, conf, state, now_ns);
	json_close(&j, ']');
	json_open(&j, "devices", '[');
	show_devices(&j, conf, state, now_ns);
	json_close(&j, ']');
	json_close(&j, '}');
}

static void print_names(const struct conf *conf)
{
	char name[4 * CONF_TEXT_BYTES];

	for (size_t i = 0; i < conf_client_count(conf); i++)
		puts(text_name(name, sizeof name, conf_client(conf, i)->name));
	for (size_t i = 0; i < conf_device_count(conf); i++)
		puts(conf_device(conf, i)->name.text);
}

static void show_all(const struct cli *cli, const struct conf *conf)
{
	struct control_error error = {0};
	struct daemon_state state;

	if (daemon_state_ask(cli, &state, &error) != CTL_DONE)
		cli_detail(cli, "posternd does not answer at %s: not known when clients were seen",
		    cli->control);
	(cli->json ? json_all : print_all)(conf, &state, clock_real_ns());
	daemon_state_free(&state);
}

enum cli_exit cmd_list(struct cli *cli, int argc, char **argv)
{
	bool names = false;
	const struct option_row options[] = {{"names", .flag = &names}, {0}};
	struct conf *conf = NULL;

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	conf = cli_load_conf(cli);
	if (conf == NULL)
		return cli->status;
	if (names && !cli->json)
		print_names(conf);
	else
		show_all(cli, conf);
	conf_free(conf);
	return CLI_DONE;
}
