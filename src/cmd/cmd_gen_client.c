#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "cmd/cmd.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/own_address.h"
#include "cmd/question.h"
#include "cmd/spa_client.h"
#include "cmd/spa_left.h"
#include "cmd/text.h"
#include "conf/values.h"
#include "proto/rsa_wipe.h"

#define NAME_DEFAULT "SPA server"

static const struct option_syntax syntax = {
    .usage = "openspa gen-client [OPTION...] SERVER-PUBLIC-KEY",
    .help =
        "Makes an OSPA file, with which a client can ask this server, and UUID.pub, from which\n"
        "the server knows the client. Asks for what no option gives, at the terminal; where\n"
        "standard input is none, only when no option gives anything (answers piped in).\n"
        "\n"
        "      --server-public-key FILE  the same as the operand\n"
        "      --name NAME               what the client calls it (\"" NAME_DEFAULT "\")\n"
        "      --client-device-id UUID   a new one by default\n"
        "      --server-ip ADDR          not needed by clients that are told otherwise\n"
        "      --server-port N           22211 by default\n"
        "      --echo-ip URL             Echo-IP service (" OWN_ADDRESS_ECHO_IPV4 ")\n"
        "      --private-key FILE, --public-key FILE\n"
        "                                the client's own keys, instead of new ones\n"
        "      --encrypt                 with a passphrase; the original client cannot read it\n"
        "      --passphrase-fd N         read that from descriptor N\n"
        "  -o, --output-dir DIR          write DIR/UUID/client.ospa and UUID.pub beside (.)\n"
        "      --out FILE                write the OSPA file there\n"
        "      --devices DIR             put UUID.pub there: the server's folder\n"
        "\n"
        "Examples:\n"
        "  postern openspa gen-client server.pub\n"
        "  postern openspa gen-client server.pub --server-ip 192.0.2.1 --out alice.ospa \\\n"
        "      --devices /etc/postern/devices.d --encrypt\n",
    .operands = 1,
};

/* What can be asked for; one bit each in `given`. */
enum field {
	FIELD_NAME,
	FIELD_DEVICE,
	FIELD_SERVER_IP,
	FIELD_SERVER_PORT,
	FIELD_ECHO_IP,
	FIELD_PRIVATE_KEY,
	FIELD_PUBLIC_KEY,
	FIELDS
};

struct gen {
	struct spa_client client;
	unsigned int given;
	char *answers[FIELDS]; /* paths; freed at the end */
};

/* Each takes a value or says what was expected. */

static const char *take_name(struct gen *gen, const char *text)
{
	if (!ospa_name_fits(text))
		return "up to 127 letters, digits, spaces and _ # -";
	snprintf(gen->client.ospa.name, sizeof gen->client.ospa.name, "%s", text);
	return NULL;
}

static const char *take_device(struct gen *gen, const char *text)
{
	if (!ospa_device_parse(gen->client.ospa.device, text))
		return "a UUID such as 8e29c98d-cb57-40a6-8e79-4e1a21bc54dd";
	return NULL;
}

static const char *take_server_ip(struct gen *gen, const char *text)
{
	if (!addr_parse(&gen->client.ospa.server, text))
		return "an IPv4 or IPv6 address";
	return NULL;
}

static const char *take_server_port(struct gen *gen, const char *text)
{
	const char *expected;
	int64_t port = 0;

	if (!value_integer(&port, text, &expected) || port < 1 || port > UINT16_MAX)
		return "a port, 1 to 65535";
	gen->client.ospa.port = (uint16_t)port;
	return NULL;
}

static const char *take_echo_ip(struct gen *gen, const char *text)
{
	const char *expected;

	if (!value_url(text, &expected))
		return expected;
	snprintf(gen->client.ospa.echo_ip, sizeof gen->client.ospa.echo_ip, "%s", text);
	return NULL;
}

static const char *keep(struct gen *gen, enum field field, const char **place, const char *text)
{
	free(gen->answers[field]);
	gen->answers[field] = strdup(text);
	*place = gen->answers[field];
	return *place == NULL ? "more memory" : NULL;
}

static const char *take_private_key(struct gen *gen, const char *text)
{
	return keep(gen, FIELD_PRIVATE_KEY, &gen->client.private_key, text);
}

static const char *take_public_key(struct gen *gen, const char *text)
{
	return keep(gen, FIELD_PUBLIC_KEY, &gen->client.public_key, text);
}

/* In the order in which the original asks. */
static const struct question {
	const char *option;
	const char *words;
	const char *(*take)(struct gen *gen, const char *text);
} questions[FIELDS] = {
    [FIELD_NAME] = {"name", "Name of the configuration [" NAME_DEFAULT "]: ", take_name},
    [FIELD_DEVICE] = {"client-device-id", "Client device ID, a UUID [a new one]: ", take_device},
    [FIELD_SERVER_IP] = {"server-ip", "Server's address [none]: ", take_server_ip},
    [FIELD_SERVER_PORT] = {"server-port", "Server's port [22211]: ", take_server_port},
    [FIELD_ECHO_IP] = {"echo-ip", "Echo-IP service [" OWN_ADDRESS_ECHO_IPV4 "]: ", take_echo_ip},
    [FIELD_PRIVATE_KEY] = {"private-key",
        "Client's private key file [a new key]: ", take_private_key},
    [FIELD_PUBLIC_KEY] = {"public-key",
        "Client's public key file [from the private key]: ", take_public_key},
};

static bool take_field(struct cli *cli, const struct option_row *row, char *text)
{
	struct gen *gen = row->place;
	const char *expected = questions[row->number].take(gen, text);

	gen->given |= 1U << row->number;
	return expected == NULL || option_refuse(cli, row, text, expected);
}

/* A person may try again; a pipe has nothing better to offer. */
static bool ask_field(struct cli *cli, struct gen *gen, enum field field)
{
	char answer[QUESTION_BYTES];

	for (;;) {
		const char *expected;

		if (!question_ask(cli, answer, questions[field].words))
			return false;
		if (*answer == '\0')
			return true;
		if (!question_to_person())
			return take_field(cli,
			    &(struct option_row){
			        questions[field].option, .place = gen, .number = (int)field},
			    answer);
		expected = questions[field].take(gen, answer);
		if (expected == NULL)
			return true;
		cli_warn(cli, "expected %s", expected);
	}
}

static bool ask_rest(struct cli *cli, struct gen *gen)
{
	if (cli->no_input || (!question_to_person() && gen->given != 0))
		return true;
	if (question_to_person())
		cli_say(cli, "Enter alone takes what stands in brackets.");
	for (enum field field = 0; field < FIELDS; field++) {
		if ((gen->given & 1U << field) != 0)
			continue;
		if (field == FIELD_PUBLIC_KEY && gen->client.private_key == NULL)
			continue;
		if (!ask_field(cli, gen, field))
			return false;
	}
	return true;
}

/* A random UUID, version 4 (RFC 9562 5.4). */
static void choose_device(uint8_t device[static OSPA_DEVICE_BYTES])
{
	static const uint8_t nobody[OSPA_DEVICE_BYTES];

	if (memcmp(device, nobody, sizeof nobody) != 0)
		return;
	secret_random(device, OSPA_DEVICE_BYTES);
	device[6] = (uint8_t)((device[6] & 0x0f) | 0x40);
	device[8] = (uint8_t)((device[8] & 0x3f) | 0x80);
}

static void print_client(const struct cli *cli, const struct spa_client *client)
{
	char ospa[1024], public[1024], device[UUID_TEXT_BYTES];
	struct json j = {.to = stdout};

	uuid_text(device, client->ospa.device);
	if (cli->json) {
		json_open(&j, NULL, '{');
		json_string(&j, "device", device);
		json_string(&j, "ospa", client->ospa_path);
		json_string(&j, "public_key", client->public_path);
		json_close(&j, '}');
	} else if (!cli->quiet) {
		printf("Device:     %s\nOSPA file:  %s\nPublic key: %s\n", device,
		    text_escaped(ospa, sizeof ospa, client->ospa_path),
		    text_escaped(public, sizeof public, client->public_path));
	}
}

static enum cli_exit generate(struct cli *cli, struct gen *gen)
{
	struct spa_client *client = &gen->client;

	if (client->server_public_key == NULL)
		return cli_misuse(cli, "name the file with the server's public key");
	if (client->public_key != NULL && client->private_key == NULL)
		return cli_misuse(cli, "--public-key goes with --private-key");
	if (client->out == NULL)
		spa_left_look(cli, client->folder);
	if (!ask_rest(cli, gen))
		return cli->status;
	if (!rsa_wipe_init())
		return cli_fail(cli, CLI_FAILED, "libcrypto cannot be set up");
	choose_device(client->ospa.device);
	if (!spa_client_make(cli, client))
		return cli->status;
	print_client(cli, client);
	return CLI_DONE;
}

enum cli_exit cmd_gen_client(struct cli *cli, int argc, char **argv)
{
	struct gen gen = {
	    .client = {.ospa = {.name = NAME_DEFAULT,
	                   .port = OSPA_PORT,
	                   .echo_ip = OWN_ADDRESS_ECHO_IPV4},
	        .folder = ".",
	        .passphrase = {.fd = -1}},
	};
	struct spa_client *client = &gen.client;
	const struct option_row options[] = {
	    {"name", .take = take_field, .place = &gen, .number = FIELD_NAME},
	    {"client-device-id", .take = take_field, .place = &gen, .number = FIELD_DEVICE},
	    {"server-ip", .take = take_field, .place = &gen, .number = FIELD_SERVER_IP},
	    {"server-port", .take = take_field, .place = &gen, .number = FIELD_SERVER_PORT},
	    {"echo-ip", .take = take_field, .place = &gen, .number = FIELD_ECHO_IP},
	    {"private-key", .take = take_field, .place = &gen, .number = FIELD_PRIVATE_KEY},
	    {"public-key", .take = take_field, .place = &gen, .number = FIELD_PUBLIC_KEY},
	    {"server-public-key", .take = option_text, .place = &client->server_public_key},
	    {"output-dir", 'o', .take = option_text, .place = &client->folder},
	    {"out", .take = option_text, .place = &client->out},
	    {"devices", .take = option_text, .place = &client->devices},
	    {"encrypt", .flag = &client->encrypt},
	    {"passphrase-fd", .take = passphrase_take_fd, .place = &client->passphrase.fd},
	    {0},
	};

	if (option_read(cli, &syntax, options, argc, argv)) {
		if (cli->operand != NULL)
			client->server_public_key = cli->operand;
		cli->status = generate(cli, &gen);
	}
	for (size_t i = 0; i < FIELDS; i++)
		free(gen.answers[i]);
	spa_client_free(client);
	return cli->status;
}
