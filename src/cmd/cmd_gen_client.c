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
#include "cmd/text.h"
#include "conf/values.h"
#include "proto/rsa_key.h"

#define NAME_DEFAULT "SPA server"

enum {
	OPTION_NAME = 1,
	OPTION_DEVICE,
	OPTION_SERVER_IP,
	OPTION_SERVER_PORT,
	OPTION_ECHO_IP,
	OPTION_PRIVATE_KEY,
	OPTION_PUBLIC_KEY,
	OPTION_SERVER_KEY,
	OPTION_OUT,
	OPTION_DEVICES,
	OPTION_ENCRYPT,
	OPTION_PASSPHRASE_FD,
};

static const struct option options[] = {
    {"name", required_argument, NULL, OPTION_NAME},
    {"client-device-id", required_argument, NULL, OPTION_DEVICE},
    {"server-ip", required_argument, NULL, OPTION_SERVER_IP},
    {"server-port", required_argument, NULL, OPTION_SERVER_PORT},
    {"echo-ip", required_argument, NULL, OPTION_ECHO_IP},
    {"private-key", required_argument, NULL, OPTION_PRIVATE_KEY},
    {"public-key", required_argument, NULL, OPTION_PUBLIC_KEY},
    {"server-public-key", required_argument, NULL, OPTION_SERVER_KEY},
    {"output-dir", required_argument, NULL, 'o'},
    {"out", required_argument, NULL, OPTION_OUT},
    {"devices", required_argument, NULL, OPTION_DEVICES},
    {"encrypt", no_argument, NULL, OPTION_ENCRYPT},
    {"passphrase-fd", required_argument, NULL, OPTION_PASSPHRASE_FD},
    {0},
};

static const struct cli_syntax syntax = {
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
    .shorts = "o:",
    .options = options,
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

static bool take_field(struct cli *cli, struct gen *gen, enum field field, const char *text)
{
	const char *expected = questions[field].take(gen, text);
	char option[32];

	gen->given |= 1U << field;
	snprintf(option, sizeof option, "--%s", questions[field].option);
	return expected == NULL || option_refuse(cli, option, text, expected);
}

static bool take_gen_client_option(struct cli *cli, struct gen *gen, int option)
{
	struct spa_client *client = &gen->client;

	switch (option) {
	case OPTION_NAME:
	case OPTION_DEVICE:
	case OPTION_SERVER_IP:
	case OPTION_SERVER_PORT:
	case OPTION_ECHO_IP:
	case OPTION_PRIVATE_KEY:
	case OPTION_PUBLIC_KEY:
		return take_field(cli, gen, (enum field)(option - OPTION_NAME), optarg);
	case OPTION_SERVER_KEY:
		client->server_public_key = optarg;
		return true;
	case 'o':
		client->folder = optarg;
		return true;
	case OPTION_OUT:
		client->out = optarg;
		return true;
	case OPTION_DEVICES:
		client->devices = optarg;
		return true;
	case OPTION_ENCRYPT:
		client->encrypt = true;
		return true;
	case OPTION_PASSPHRASE_FD:
		return passphrase_take_fd(cli, &client->passphrase, optarg);
	default: /* CLI_STOP */
		return false;
	}
}

_Static_assert(OPTION_PUBLIC_KEY - OPTION_NAME == (int)FIELD_PUBLIC_KEY, "options by field");

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
			return take_field(cli, gen, field, answer);
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
		json_end(&j);
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
	if (!ask_rest(cli, gen))
		return cli->status;
	if (!rsa_init())
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
	enum cli_exit status = CLI_DONE;
	int option;

	while ((option = cli_next(cli, &syntax, argc, argv)) != CLI_END) {
		if (!take_gen_client_option(cli, &gen, option)) {
			status = cli->status;
			goto out;
		}
	}
	if (optind < argc)
		gen.client.server_public_key = argv[optind];
	status = generate(cli, &gen);
out:
	for (size_t i = 0; i < FIELDS; i++)
		free(gen.answers[i]);
	spa_client_free(&gen.client);
	return status;
}
