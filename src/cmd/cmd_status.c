#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/knocking.h"
#include "cmd/option.h"

enum { OPTION_KNOCK = 1, OPTION_BOTH, OPTION_TIMEOUT };

static const struct option options[] = {
    {"knock", no_argument, NULL, OPTION_KNOCK},
    {"ipv4", no_argument, NULL, '4'},
    {"ipv6", no_argument, NULL, '6'},
    {"both", no_argument, NULL, OPTION_BOTH},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {0},
};

static const struct cli_syntax syntax = {
    .usage = "status [OPTION...] [PROFILE]",
    .help =
        "Tells whether the server's health port is open for this host: TCP, with the number of\n"
        "the knock port. It opens with every grant and is shut otherwise. Exit code 0 when it is\n"
        "open, 3 when it is shut.\n"
        "\n"
        "      --knock      knock first (post_knock is not run)\n"
        "      --timeout D  how long to wait for an answer (3s)\n"
        "  -4, -6, --both   by IPv4 only, by IPv6 only, by whichever answers (default)\n"
        "\n"
        "Examples:\n"
        "  postern status --knock\n"
        "  postern status home --json\n",
    .shorts = "46",
    .options = options,
    .operands = 1,
};

struct status {
	struct knocking how;
	bool knock;
};

static bool take_status_option(struct cli *cli, struct status *status, int option)
{
	switch (option) {
	case OPTION_KNOCK:
		status->knock = true;
		return true;
	case '4':
		status->how.families = POSTERN_IPV4;
		return true;
	case '6':
		status->how.families = POSTERN_IPV6;
		return true;
	case OPTION_BOTH:
		status->how.families = 0;
		return true;
	case OPTION_TIMEOUT:
		return option_timeout(cli, &status->how.timeout_ns, optarg, INT64_MAX);
	default: /* CLI_STOP */
		return false;
	}
}

static void print_verdict(const struct cli *cli, const struct status *status,
    const struct postern_report *report, bool is_open, const struct addr *open)
{
	char address[ADDR_TEXT_BYTES];
	struct json j = {.to = stdout};

	if (cli->json) {
		json_open(&j, NULL, '{');
		knocking_json(&j, &status->how, report);
		json_bool(&j, "open", is_open);
		json_string(&j, "address", is_open ? addr_text(open, address) : NULL);
		json_close(&j, '}');
		json_end(&j);
		return;
	}
	if (is_open)
		printf("%sHealth port is open.%s\n", cli_colour(CLI_GREEN), cli_colour(CLI_PLAIN));
	else
		printf("%sHealth port is closed%s.%s\n", cli_colour(CLI_RED),
		    status->knock ? " in spite of the knock" : "", cli_colour(CLI_PLAIN));
	if (!is_open && status->knock)
		cli_say(
		    cli, "The server's log tells whether the knock came, and why it was refused.");
	else if (!is_open)
		cli_say(cli, "It is open only after a knock. Try: postern status --knock");
}

static enum cli_exit look(const struct cli *cli, const struct status *status)
{
	const struct client_profile *profile = status->how.profile;
	struct probe probe = {.patient = status->knock};
	struct postern_report report;
	struct addr open;
	enum cli_exit result;
	bool talk = !cli->json && !cli->quiet;

	if (status->knock && talk)
		puts("Knocking first...");
	if (status->knock) {
		result = knocking_send(cli, &status->how, &report);
		knocking_addresses(&probe, &report);
	} else {
		result = knocking_resolve(cli, &status->how, &probe);
	}
	if (result != CLI_DONE)
		return result;
	if (talk) {
		printf("Checking health port %s:%d (TCP)...\n", profile->server_host.text,
		    (int)profile->server_udp_port);
		fflush(stdout);
	}
	result = knocking_look(cli, &status->how, &probe, &open);
	if ((result == CLI_DONE || result == CLI_CLOSED) && !cli->quiet)
		print_verdict(
		    cli, status, status->knock ? &report : NULL, result == CLI_DONE, &open);
	return result;
}

enum cli_exit cmd_status(struct cli *cli, int argc, char **argv)
{
	struct status status = {.how.timeout_ns = KNOCKING_TIMEOUT_NS};
	struct client_conf *conf = NULL;
	int option;

	while ((option = cli_next(cli, &syntax, argc, argv)) != CLI_END) {
		if (!take_status_option(cli, &status, option))
			return cli->status;
	}
	status.how.profile = knocking_profile(cli, optind < argc ? argv[optind] : NULL, &conf);
	if (status.how.profile != NULL)
		cli->status = look(cli, &status);
	client_conf_free(conf);
	return cli->status;
}
