#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/knocking.h"
#include "cmd/option.h"

#define DEFAULT_INTERVAL_NS (25 * NS_PER_SECOND)

static const struct option_syntax syntax = {
    .usage = "knock [OPTION...] [PROFILE]",
    .help =
        "Asks the server of a profile (\"default\", or the only one) to open its ports for this\n"
        "host: for the address that it sees the knock come from. Each address of its name gets a\n"
        "knock, IPv4 and IPv6, so that whichever the connection takes is open. Then runs the\n"
        "profile's post_knock, if there is one; its exit status is then ours.\n"
        "\n"
        "      --ip ADDR       open for ADDR instead of this host\n"
        "      --own-address   name this host's own address, where it is a global one that the\n"
        "                      server sees, too: not behind NAT, NAT64 or the like\n"
        "      --continuous    knock again and again until interrupted; post_knock is started once\n"
        "      --interval D    how often, with --continuous (25s)\n"
        "      --check[=PORT]  wait until the server's health port is open, or this one; HOST:PORT\n"
        "                      for another host; exit code 3 when it stays shut\n"
        "      --timeout D     how long --check waits (3s)\n"
        "  -4, -6, --both      knock by IPv4 only, by IPv6 only, by both (default)\n"
        "\n"
        "Examples:\n"
        "  postern knock && ssh me@server.example.com\n"
        "  postern knock --check home\n"
        "  pass show gate | postern knock --client-config -\n"
        "  postern knock --continuous --interval 20s --quiet &\n",
    .operands = 1,
};

struct knock {
	struct knocking how;
	bool continuous;
	bool check;
	int64_t interval_ns;
};

static void print_host(const struct client_profile *profile)
{
	bool brackets = strchr(profile->server_host.text, ':') != NULL;

	printf("Knocking %s%s%s:%d ...\n", brackets ? "[" : "", profile->server_host.text,
	    brackets ? "]" : "", (int)profile->server_udp_port);
	fflush(stdout);
}

static enum cli_exit check(const struct cli *cli, const struct knock *knock,
    const struct postern_report *report, struct probe *probe)
{
	struct addr open;
	enum cli_exit status;

	knocking_addresses(probe, report);
	status = knocking_look(cli, &knock->how, probe, &open);
	if (!cli->json && !cli->quiet && (status == CLI_DONE || status == CLI_CLOSED))
		knocking_tell(cli, &knock->how, probe);
	return status;
}

static void print_knock_json(const struct knock *knock, const struct postern_report *report,
    const struct probe *probe, bool sent)
{
	struct json j = {.to = stdout};

	json_open(&j, NULL, '{');
	knocking_json(&j, &knock->how, report);
	json_bool(&j, "sent", sent);
	if (knock->check && sent) {
		json_bool(&j, "open", probe->result == PROBE_OPEN);
		knocking_check_json(&j, &knock->how, probe);
	}
	json_close(&j, '}');
}

static enum cli_exit knock_once(
    const struct cli *cli, const struct knock *knock, struct postern_report *report)
{
	enum cli_exit status;
	struct probe probe = {.patient = true, .result = PROBE_FAILED};
	bool talk = !cli->json && !cli->quiet, sent;

	if (talk)
		print_host(knock->how.profile);
	status = knocking_send(cli, &knock->how, report);
	sent = status == CLI_DONE;
	if (sent && talk) {
		puts("Knock sent.");
		knocking_tell_each(report);
	}
	if (sent && knock->check)
		status = check(cli, knock, report, &probe);
	if (cli->json)
		print_knock_json(knock, report, &probe, sent);
	fflush(stdout);
	return status;
}

/* --- The command that a profile wants run once the knock is out */

static bool set_address(const char *variable, const struct postern_outcome *outcome)
{
	char text[ADDR_TEXT_BYTES] = "";
	struct addr address;

	memcpy(address.bytes, outcome->server, ADDR_BYTES);
	if (outcome->error == POSTERN_OK)
		addr_text(&address, text);
	return setenv(variable, text, 1) == 0;
}

/* Tells our environment what the command needs to know, and copies the command, so that the profile
 * and its key can be freed. NULL: there is none. */
static bool post_knock_prepare(
    char **command, const struct knocking *k, const struct postern_report *report)
{
	char port[8];

	*command = NULL;
	if (k->profile->post_knock == NULL || *k->profile->post_knock == '\0')
		return true;
	snprintf(port, sizeof port, "%u", (unsigned int)k->profile->server_udp_port & 0xffffU);
	*command = strdup(k->profile->post_knock);
	return *command != NULL && setenv("POSTERN_PROFILE", k->profile->name, 1) == 0 &&
	       setenv("POSTERN_HOST", k->profile->server_host.text, 1) == 0 &&
	       setenv("POSTERN_PORT", port, 1) == 0 && set_address("POSTERN_IPV4", &report->ipv4) &&
	       set_address("POSTERN_IPV6", &report->ipv6);
}

/* Becomes the shell that runs the command, as openme does: it has our streams, and its status is
 * ours. Returns only when that failed. */
static enum cli_exit post_knock_become(const struct cli *cli, const char *command)
{
	struct rlimit core;

	/* main took core dumps away for our own sake. */
	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = core.rlim_max;
		setrlimit(RLIMIT_CORE, &core);
	}
	fflush(stdout);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	return cli_fail_errno(cli, "cannot run /bin/sh");
}

/* Starts it beside us; nobody waits for it. */
static void post_knock_start(const struct cli *cli, const char *command)
{
	pid_t child;

	signal(SIGCHLD, SIG_IGN); /* it is reaped by itself */
	fflush(stdout);
	child = fork();
	if (child < 0)
		cli_fail_errno(cli, "cannot start post_knock");
	if (child == 0) {
		signal(SIGCHLD, SIG_DFL);
		_exit((int)post_knock_become(cli, command));
	}
}

static enum cli_exit knock_on(const struct cli *cli, const struct knock *knock)
{
	bool started = false;

	cli_end_when_interrupted();
	for (int64_t next_ns = clock_boot_ns();; next_ns += knock->interval_ns) {
		struct postern_report report = {.size = sizeof report};
		enum cli_exit status;
		char *command;

		cli_sleep_until(next_ns);
		status = knock_once(cli, knock, &report);
		/* A network that is away may come back; a bad key stays bad. */
		if (status == CLI_CONFIG || cli_flush(cli, CLI_DONE) != CLI_DONE)
			return status == CLI_DONE ? CLI_FAILED : status;
		if (status == CLI_DONE && !started) {
			started = true;
			if (post_knock_prepare(&command, &knock->how, &report) && command != NULL)
				post_knock_start(cli, command);
			free(command);
		}
	}
}

static enum cli_exit knock_and_prepare(
    const struct cli *cli, const struct knock *knock, char **command)
{
	struct postern_report report = {.size = sizeof report};
	enum cli_exit status;

	if (knock->continuous)
		return knock_on(cli, knock);
	status = knock_once(cli, knock, &report);
	if (status == CLI_DONE && !post_knock_prepare(command, &knock->how, &report))
		status = cli_fail(cli, CLI_FAILED, "not enough memory to run post_knock");
	return status;
}

static enum cli_exit knock_profile(struct cli *cli, struct knock *knock, const char *name)
{
	struct client_conf *conf = NULL;
	char *command = NULL;
	enum cli_exit status;

	knock->how.profile = knocking_profile(cli, name, &conf);
	if (knock->how.profile == NULL && knock->check)
		knocking_hint(cli, name);
	status = knock->how.profile == NULL ? cli->status : knock_and_prepare(cli, knock, &command);
	client_conf_free(conf);
	if (status == CLI_DONE && command != NULL) {
		if (!cli->json && !cli->quiet)
			printf("Running post-knock: %s\n", command);
		status = post_knock_become(cli, command);
	}
	free(command);
	return status;
}

enum cli_exit cmd_knock(struct cli *cli, int argc, char **argv)
{
	struct knock knock = {
	    .how.timeout_ns = KNOCKING_TIMEOUT_NS, .interval_ns = DEFAULT_INTERVAL_NS};
	const struct option_row options[] = {
	    {"ip", .take = knocking_take_target, .place = &knock.how.target},
	    {"own-address", .flag = &knock.how.own_address},
	    {"continuous", .flag = &knock.continuous},
	    {"interval", .take = option_duration, .place = &knock.interval_ns,
	        .least = NS_PER_SECOND, .most = INT64_MAX},
	    {"check", .flag = &knock.check, .word = knocking_take_check, .place = &knock.how.check},
	    {"ipv4", '4', .choice = &knock.how.family, .number = AF_INET},
	    {"ipv6", '6', .choice = &knock.how.family, .number = AF_INET6},
	    {"both", .choice = &knock.how.family, .number = AF_UNSPEC},
	    {"timeout", .take = option_duration, .place = &knock.how.timeout_ns, .least = 1,
	        .most = INT64_MAX},
	    {0},
	};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	return knock_profile(cli, &knock, cli->operand);
}
