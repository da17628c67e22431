#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/add.h"
#include "cmd/cmd.h"
#include "cmd/option.h"
#include "conf/values.h"

enum {
	OPTION_PORTS = 1,
	OPTION_TARGETS,
	OPTION_EXPIRES,
	OPTION_PROFILE,
	OPTION_QR,
	OPTION_QR_OUT,
	OPTION_NO_PRIVKEY,
	OPTION_PUBLIC_KEY,
	OPTION_NO_RELOAD,
};

static const struct option options[] = {
    {"ports", required_argument, NULL, OPTION_PORTS},
    {"port", required_argument, NULL, OPTION_PORTS},
    {"targets", required_argument, NULL, OPTION_TARGETS},
    {"expires", required_argument, NULL, OPTION_EXPIRES},
    {"profile", required_argument, NULL, OPTION_PROFILE},
    {"qr", no_argument, NULL, OPTION_QR},
    {"qr-out", required_argument, NULL, OPTION_QR_OUT},
    {"no-privkey", no_argument, NULL, OPTION_NO_PRIVKEY},
    {"public-key", required_argument, NULL, OPTION_PUBLIC_KEY},
    {"no-reload", no_argument, NULL, OPTION_NO_RELOAD},
    {0},
};

static const struct cli_syntax syntax = {
    .usage = "add [OPTION...] NAME",
    .help =
        "Registers a client beside the server configuration and prints its profile, ready for\n"
        "~/.openme/config.yaml there, to standard output. The private key in it is stored nowhere\n"
        "else. A running daemon takes the client over at once.\n"
        "\n"
        "  --ports SPECS     what a knock opens: 22/tcp, 53/udp, 80, 8080-8090/tcp, or the name of a\n"
        "                    group; several with commas, or by saying it again (default: the group\n"
        "                    \"default\")\n"
        "  --targets WORDS   addresses its knocks may open for: source, any, or networks, several as\n"
        "                    above (default: as the server's configuration says)\n"
        "  --expires DATE    refuse it from then on: 2027-01-01 or 2027-01-01T12:00:00Z\n"
        "  --profile NAME    name of the profile (the server's default_profile)\n"
        "  --qr              draw the profile as a QR code, for a phone\n"
        "  --qr-out FILE     write that code as a PNG\n"
        "  --no-privkey      leave the private key out of the code\n"
        "  --public-key KEY  register this Ed25519 key (base64) instead of making one\n"
        "  --no-reload       leave the running daemon as it is\n"
        "\n"
        "Examples:\n"
        "  (umask 077; postern add alice > alice.yaml)\n"
        "  postern add bob --ports default,8080-8090/tcp --expires 2027-01-01 --qr\n",
    .shorts = "",
    .options = options,
    .operands = 1,
};

static bool check_port(const char *text, const char **expected)
{
	const char *unused = NULL;
	struct port_spec spec;

	/* What is no spec may be the name of a group; whether there is one, conf finds out. */
	return value_port_spec(&spec, text, expected) ||
	       (strspn(text, "0123456789") == 0 && value_name(text, &unused));
}

static bool take_words(struct cli *cli, struct add_words *words, const char *option,
    bool (*check)(const char *, const char **), const char *list)
{
	char *rest = words->text_count < ADD_WORDS_MOST ? strdup(list) : NULL, *one;
	const char *expected = NULL;

	if (rest == NULL) {
		cli->status = cli_fail(cli, CLI_FAILED, "no room for another %s", option);
		return false;
	}
	words->texts[words->text_count++] = rest;
	while ((one = strsep(&rest, ",")) != NULL) {
		one += strspn(one, " ");
		one[strcspn(one, " ")] = '\0';
		if (!check(one, &expected))
			return option_refuse(cli, option, one, expected);
		if (words->count == ADD_WORDS_MOST) {
			cli->status = cli_misuse(cli, "%s: more than %d", option, ADD_WORDS_MOST);
			return false;
		}
		words->items[words->count++] = one;
	}
	return true;
}

static void free_words(struct add_words *words)
{
	for (size_t i = 0; i < words->text_count; i++)
		free(words->texts[i]);
}

static bool take_expires(struct cli *cli, struct add *add, const char *text)
{
	const char *expected = NULL;

	if (!value_time(&add->client.expires_ns, text, &expected))
		return option_refuse(cli, "--expires", text, expected);
	if (add->client.expires_ns <= clock_real_ns())
		cli_warn(cli, "--expires %s is in the past: every knock will be refused", text);
	return true;
}

static bool take_public_key(struct cli *cli, struct add *add, const char *text)
{
	const char *expected = NULL;

	add->public_key_given = true;
	return value_key(add->client.public_key, CLIENT_KEY_BYTES, text, &expected) ||
	       option_refuse(cli, "--public-key", text, expected);
}

static bool take_profile(struct cli *cli, struct add *add, const char *text)
{
	const char *expected = NULL;

	add->profile = text;
	return value_name(text, &expected) || option_refuse(cli, "--profile", text, expected);
}

static bool take_add_option(struct cli *cli, struct add *add, int option)
{
	switch (option) {
	case OPTION_PORTS:
		return take_words(cli, &add->ports, "--ports", check_port, optarg);
	case OPTION_TARGETS:
		return take_words(cli, &add->targets, "--targets", value_target, optarg);
	case OPTION_EXPIRES:
		return take_expires(cli, add, optarg);
	case OPTION_PROFILE:
		return take_profile(cli, add, optarg);
	case OPTION_QR:
		add->qr = true;
		return true;
	case OPTION_QR_OUT:
		add->qr_out = optarg;
		return true;
	case OPTION_NO_PRIVKEY:
		add->no_privkey = true;
		return true;
	case OPTION_PUBLIC_KEY:
		return take_public_key(cli, add, optarg);
	case OPTION_NO_RELOAD:
		add->no_reload = true;
		return true;
	default: /* CLI_STOP */
		return false;
	}
}

static bool take_name(struct cli *cli, struct add *add, const char *name)
{
	const char *expected = NULL;

	add->client.name = name;
	if (name == NULL) {
		cli->status = cli_misuse(cli, "say what to call the client");
		return false;
	}
	return value_name(name, &expected) || option_refuse(cli, "name", name, expected);
}

enum cli_exit cmd_add(struct cli *cli, int argc, char **argv)
{
	struct add add = {.client.expires_ns = NEVER_NS};
	int option;

	cli->status = CLI_DONE;
	while ((option = cli_next(cli, &syntax, argc, argv)) != CLI_END) {
		if (!take_add_option(cli, &add, option))
			goto cleanup;
	}
	if (!take_name(cli, &add, argv[optind]))
		goto cleanup;
	add.client.ports = add.ports.items;
	add.client.port_count = add.ports.count;
	add.client.targets = add.targets.items;
	add.client.target_count = add.targets.count;
	cli->status = add_register(cli, &add);
cleanup:
	free_words(&add.ports);
	free_words(&add.targets);
	return cli->status;
}
