#include <stdio.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/json.h"
#include "cmd/names.h"
#include "cmd/option.h"
#include "cmd/screen.h"
#include "cmd/sessions_file.h"
#include "cmd/sessions_watch.h"
#include "cmd/text.h"

static const struct option_syntax syntax = {
    .usage = "sessions [OPTION...]",
    .help =
        "Shows the grants in force with the time each has left, then when the other clients\n"
        "were last let in. Asks the running daemon.\n"
        "\n"
        "  -w, --watch       show it anew each second, until q or Ctrl-C: at a terminal in place,\n"
        "                    as much as has room, else one after the other; with --json one\n"
        "                    object a second\n"
        "      --write FILE  keep FILE as openme's server keeps its sessions file, until then\n"
        "\n"
        "Examples:\n"
        "  postern sessions --watch\n"
        "  postern sessions --json | jq '.active_sessions[].client_name'\n",
};

static int64_t remaining_ns(const struct control_session *s)
{
	return s->remaining_ms > INT64_MAX / NS_PER_MS ? INT64_MAX
	                                               : (int64_t)s->remaining_ms * NS_PER_MS;
}

static void print_client(struct names *names, const char *label)
{
	fputs("  ", stdout);
	text_column(names_of(names, label), 18);
}

static void print_session(struct names *names, const struct control_session *s)
{
	char ports[256], address[ADDR_TEXT_BYTES];
	char opened[CLOCK_TEXT_BYTES], left[TEXT_DURATION_BYTES];

	print_client(names, s->client);
	printf("%-28s %s%-10s%s %-21s %s\n", addr_text(&s->address, address),
	    cli_colour(s->overdue ? CLI_RED : CLI_GREEN),
	    s->overdue ? "overdue" : text_duration(remaining_ns(s), left), cli_colour(CLI_PLAIN),
	    s->overdue ? "-" : clock_text(s->opened_ns, opened),
	    text_ports(ports, sizeof ports, s->ports, s->port_count, s->more));
}

static void print_last_seen(
    struct names *names, const struct control_last_seen *seen, int64_t now_ns)
{
	char address[ADDR_TEXT_BYTES], when[CLOCK_TEXT_BYTES], ago[TEXT_DURATION_BYTES];

	print_client(names, seen->client);
	printf("%-28s %-21s %s ago\n", addr_text(&seen->address, address),
	    clock_text(seen->when_ns, when), text_duration(now_ns - seen->when_ns, ago));
}

static void print_lacks(const struct daemon_state *state)
{
	char name[4 * CONTROL_NAME_BYTES];

	for (size_t i = 0; i < state->without_count; i++)
		printf("%sThe daemon runs without %s%s (server.sandbox: best)\n",
		    cli_colour(CLI_RED), text_escaped(name, sizeof name, state->without[i]),
		    cli_colour(CLI_PLAIN));
	if (state->guard == CONTROL_GUARD_GONE)
		printf(
		    "%spostern-guard is gone%s: when the daemon ends, nobody keeps its rules from "
		    "others\n",
		    cli_colour(CLI_RED), cli_colour(CLI_PLAIN));
	if (state->without_count > 0 || state->guard == CONTROL_GUARD_GONE)
		putchar('\n');
}

static void print_shield(const struct daemon_state *state)
{
	static const char *const where[CONTROL_SHIELDS] = {"in the daemon alone", "at its socket",
	    "at the network device (XDP, generic)", "at the network device (XDP, native)"};

	static const char *const intakes[CONTROL_INTAKES] = {
	    [CONTROL_INTAKE_CAPTURE] = "Knocks are captured\n",
	    [CONTROL_INTAKE_XDP] = "Knocks are taken at the network device (XDP)\n",
	    [CONTROL_INTAKE_XDP_IN_PART] =
	        "Knocks are taken at network devices (XDP), and one of these is DEAF\n",
	    [CONTROL_INTAKE_XDP_NOWHERE] =
	        "Knocks are heard NOWHERE: no network device has the program (XDP)\n"};

	if (intakes[state->intake] != NULL)
		fputs(intakes[state->intake], stdout);
	printf("Junk is dropped %s\n\n", where[state->shield]);
}

static void print_text(struct names *names, const struct daemon_state *state, int64_t now_ns)
{
	const char *bold = cli_colour(CLI_BOLD), *plain = cli_colour(CLI_PLAIN);
	char when[CLOCK_TEXT_BYTES];
	bool heading = false;

	printf("Sessions as of %s\n\n", clock_text(now_ns, when));
	print_lacks(state);
	print_shield(state);
	printf("%sACTIVE SESSIONS%s (%zu)\n", bold, plain, state->session_count);
	if (state->session_count == 0)
		puts("  none");
	else
		printf("  %-18s %-28s %-10s %-21s %s\n", "CLIENT", "ADDRESS", "EXPIRES IN",
		    "OPENED", "PORTS");
	for (size_t i = 0; i < state->session_count; i++)
		print_session(names, &state->sessions[i]);
	for (size_t i = 0; i < state->seen_count; i++) {
		if (daemon_active(state, state->seen[i].client))
			continue;
		if (!heading)
			printf("\n%sLAST SEEN%s\n  %-18s %-28s %-21s %s\n", bold, plain, "CLIENT",
			    "ADDRESS", "LAST KNOCK", "AGO");
		heading = true;
		print_last_seen(names, &state->seen[i], now_ns);
	}
}

static void json_session(
    struct json *j, struct names *names, const struct control_session *s, int64_t now_ns)
{
	char address[ADDR_TEXT_BYTES], protocol[4];
	int64_t left = remaining_ns(s);

	json_open(j, NULL, '{');
	json_string(j, "client_name", names_of(names, s->client));
	json_string(j, "ip", addr_text(&s->address, address));
	json_open(j, "ports", '[');
	for (size_t i = 0; i < s->port_count; i++) {
		json_open(j, NULL, '{');
		json_number(j, "port", s->ports[i].first);
		if (s->ports[i].last != s->ports[i].first)
			json_number(j, "end_port", s->ports[i].last);
		json_string(j, "proto", text_protocol(s->ports[i].protocol, protocol));
		json_close(j, '}');
	}
	json_close(j, ']');
	json_bool(j, "more_ports", s->more);
	json_bool(j, "overdue", s->overdue);
	if (!s->overdue)
		json_time(j, "opened_at", s->opened_ns);
	if (!s->overdue)
		json_time(j, "expires_at", left > INT64_MAX - now_ns ? INT64_MAX : now_ns + left);
	json_number(j, "remaining_ms", left / NS_PER_MS);
	json_close(j, '}');
}

/* The members of openme's session file keep their names. */
static void print_sessions_json(
    struct names *names, const struct daemon_state *state, int64_t now_ns)
{
	struct json j = {.to = stdout};
	static const char *const guards[CONTROL_GUARDS] = {"none", "there", "gone"};
	static const char *const shields[CONTROL_SHIELDS] = {
	    "user", "socket", "xdp-generic", "xdp-native"};
	static const char *const intakes[CONTROL_INTAKES] = {
	    "none", "socket", "capture", "xdp", "xdp-in-part", "xdp-nowhere"};
	char address[ADDR_TEXT_BYTES];

	json_open(&j, NULL, '{');
	json_time(&j, "updated_at", now_ns);
	json_open(&j, "active_sessions", '[');
	for (size_t i = 0; i < state->session_count; i++)
		json_session(&j, names, &state->sessions[i], now_ns);
	json_close(&j, ']');
	json_open(&j, "last_seen", '{');
	for (size_t i = 0; i < state->seen_count; i++)
		json_time(&j, names_of(names, state->seen[i].client), state->seen[i].when_ns);
	json_close(&j, '}');
	json_open(&j, "last_address", '{');
	for (size_t i = 0; i < state->seen_count; i++)
		json_string(&j, names_of(names, state->seen[i].client),
		    addr_text(&state->seen[i].address, address));
	json_close(&j, '}');
	json_open(&j, "sandbox_without", '[');
	for (size_t i = 0; i < state->without_count; i++)
		json_string(&j, NULL, state->without[i]);
	json_close(&j, ']');
	json_string(&j, "guard", guards[state->guard]);
	json_string(&j, "shield_at", shields[state->shield]);
	json_string(&j, "intake", intakes[state->intake]);
	json_close(&j, '}');
}

static enum cli_exit show(const struct cli *cli)
{
	struct names names = {.cli = cli};
	struct control_error error = {0};
	struct daemon_state state;
	enum ctl_result result = daemon_state_ask(cli, &state, &error);
	enum cli_exit status;

	if (result != CTL_DONE)
		status = daemon_report(cli, result, &error);
	else if (state.short_of_memory)
		status = cli_fail(cli, CLI_FAILED, "more sessions than there is memory for");
	else {
		if (cli->json)
			print_sessions_json(&names, &state, clock_real_ns());
		else
			print_text(&names, &state, clock_real_ns());
		status = cli_flush(cli, CLI_DONE);
	}
	names_free(&names);
	daemon_state_free(&state);
	return status;
}

/* For a file, a program, or a terminal that can only go on downwards. */
static enum cli_exit keep_showing(const struct cli *cli)
{
	enum cli_exit status;

	cli_end_when_interrupted();
	while ((status = show(cli)) == CLI_DONE) {
		cli_sleep_until(clock_boot_ns() + NS_PER_SECOND);
		if (!cli->json)
			putchar('\n');
	}
	return status;
}

enum cli_exit cmd_sessions(struct cli *cli, int argc, char **argv)
{
	bool watch = false;
	const char *file = NULL;
	const struct option_row options[] = {
	    {"watch", 'w', .flag = &watch}, {"write", .take = option_text, .place = &file}, {0}};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	if (file != NULL)
		return sessions_file_keep(cli, file);
	if (watch && !cli->json && screen_is_possible())
		return sessions_watch(cli);
	return watch ? keep_showing(cli) : show(cli);
}
