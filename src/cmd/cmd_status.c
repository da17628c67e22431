#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/knocking.h"
#include "cmd/option.h"
#include "cmd/server_status.h"

static const struct option_syntax syntax = {
    .usage = "status [OPTION...] [PROFILE]",
    .help =
        "Tells whether the server's health port is open for this host: TCP, with the number of\n"
        "the knock port. It opens with every grant and is shut otherwise. Exit code 0 when it is\n"
        "open, 3 when it is shut.\n"
        "\n"
        "      --knock      knock first (post_knock is not run)\n"
        "      --check=PORT look at this port in place of the health port, which an original openme\n"
        "                   server never has; HOST:PORT for another host\n"
        "      --timeout D  how long to wait for an answer (3s)\n"
        "  -4, -6, --both   by IPv4 only, by IPv6 only, by whichever answers (default)\n"
        "\n"
        "On a server, where its configuration and a daemon are and no profiles of a client, or\n"
        "with --server: tells whether the gate is healthy, since when it is up, what is in force,\n"
        "and how many knocks came. Exit code 0 when it is, 3 when it is not.\n"
        "\n"
        "      --server     this host as a server\n"
        "      --client     this host as a client\n"
        "\n"
        "Examples:\n"
        "  postern status --knock\n"
        "  sudo postern status --server || sudo postern doctor\n"
        "  postern status home --json\n",
    .operands = 1,
};

struct status {
	struct knocking how;
	bool knock;
};

/* There is nowhere to look. */
static enum cli_exit say_unknown(
    const struct cli *cli, const struct status *status, enum cli_exit result)
{
	struct json j = {.to = stdout};

	if (!cli->json || cli->quiet)
		return result;
	json_open(&j, NULL, '{');
	knocking_json(&j, &status->how, NULL);
	json_bool(&j, "open", false);
	json_string(&j, "address", NULL);
	json_string(&j, "answer", NULL);
	json_close(&j, '}');
	return result;
}

static void print_verdict(const struct cli *cli, const struct status *status,
    const struct postern_report *report, const struct probe *probe, const struct addr *open)
{
	const bool is_open = probe->result == PROBE_OPEN;

	char address[ADDR_TEXT_BYTES];
	struct json j = {.to = stdout};

	if (cli->json) {
		json_open(&j, NULL, '{');
		knocking_json(&j, &status->how, report);
		json_bool(&j, "open", is_open);
		json_string(&j, "address", is_open ? addr_text(open, address) : NULL);
		knocking_check_json(&j, &status->how, probe);
		json_close(&j, '}');
		return;
	}
	knocking_tell(cli, &status->how, probe);
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
		return say_unknown(cli, status, result);
	if (talk && status->how.check.port == 0)
		printf("Checking health port %s:%d (TCP)...\n", profile->server_host.text,
		    (int)profile->server_udp_port);
	fflush(stdout);
	result = knocking_look(cli, &status->how, &probe, &open);
	if ((result == CLI_DONE || result == CLI_CLOSED) && !cli->quiet)
		print_verdict(cli, status, status->knock ? &report : NULL, &probe, &open);
	return result;
}

/* Which of the two is meant. */
struct side {
	bool server, client;
};

/* False, having said so, when they do not go together. */
static bool side_fits(struct cli *cli, const struct side *side, bool about_client)
{
	if (side->server && (side->client || about_client))
		return cli_stop(cli,
		    cli_misuse(cli, "--server is about this host; a profile, --client, --knock and "
		                    "--check are about another one"));
	return true;
}

enum cli_exit cmd_status(struct cli *cli, int argc, char **argv)
{
	bool check = false; /* given; it looks in any case */
	struct side side = {false, false};
	struct status status = {.how.timeout_ns = KNOCKING_TIMEOUT_NS};
	struct client_conf *conf = NULL;
	const struct option_row options[] = {
	    {"knock", .flag = &status.knock},
	    {"check", .flag = &check, .word = knocking_take_check, .place = &status.how.check},
	    {"ipv4", '4', .choice = &status.how.family, .number = AF_INET},
	    {"ipv6", '6', .choice = &status.how.family, .number = AF_INET6},
	    {"both", .choice = &status.how.family, .number = AF_UNSPEC},
	    {"server", .flag = &side.server},
	    {"client", .flag = &side.client},
	    {"timeout", .take = option_duration, .place = &status.how.timeout_ns, .least = 1,
	        .most = INT64_MAX},
	    {0},
	};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	if (!side_fits(cli, &side, status.knock || check || cli->operand != NULL))
		return cli->status;
	if (side.server || (!side.client && !status.knock && !check && server_status_fits(cli)))
		return server_status(cli);
	status.how.profile = knocking_profile(cli, cli->operand, &conf);
	if (status.how.profile != NULL)
		cli->status = look(cli, &status);
	else if (check)
		knocking_hint(cli, cli->operand);
	client_conf_free(conf);
	return cli->status;
}
