#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/outfile.h"
#include "stats/stats.h"

#define ANSWER_NS (5 * NS_PER_SECOND)
#define OVER_MOST (3600 * NS_PER_SECOND)

static const struct option_syntax syntax = {
    .usage = "stats [OPTION...]",
    .help =
        "Tells what the running daemon has counted, and how it is: is somebody attacking, are\n"
        "clients served, is the gate healthy? Asks twice, a second apart, for what comes now.\n"
        "\n"
        "      --over D         look for so long (1s); 0s: only what was counted since the start\n"
        "  -w, --watch          go on, until Ctrl-C\n"
        "      --prometheus     print the metrics as Prometheus reads them\n"
        "      --textfile FILE  write them to FILE, whole or not at all, for all to read: for\n"
        "                       node_exporter's textfile collector; the name ends in .prom\n"
        "\n"
        "While the daemon does not run, the metrics are \"postern_up 0\" (exit code 1).\n"
        "\n"
        "Examples:\n"
        "  postern stats\n"
        "  postern stats --json | jq .values.bad_seal\n"
        "  postern stats --textfile /var/lib/prometheus/node-exporter/postern.prom\n",
};

/* What can be told of a daemon that does not run, or does not answer: that it does not. */
static bool is_answer(enum ctl_result result)
{
	return result != CTL_NO_PERMISSION;
}

static enum cli_exit print_metrics(const struct cli *cli)
{
	struct control_error error = {0};
	struct stats s;
	enum ctl_result result = stats_ask(cli->control, ANSWER_NS, &s, &error);

	if (is_answer(result))
		stats_print_prometheus(stdout, &s);
	return daemon_report(cli, result, &error);
}

static enum cli_exit write_metrics(const struct cli *cli, const char *path)
{
	struct control_error error = {0};
	struct stats s;
	enum ctl_result result = stats_ask(cli->control, ANSWER_NS, &s, &error);
	struct outfile out = {0};
	bool ok;

	if (!is_answer(result))
		return daemon_report(cli, result, &error);
	ok = outfile_open(&out, path) && fchmod(out.target.fd, 0644) == 0;
	if (ok) {
		stats_print_prometheus(out.file, &s);
		ok = ferror(out.file) == 0 && outfile_commit(&out);
	}
	outfile_close(&out);
	return ok ? daemon_report(cli, result, &error) : cli_fail_errno(cli, "%s", path);
}

static void print_json(const struct stats *s)
{
	const char *complaints[STATS_COMPLAINTS_MOST];
	size_t count = stats_complaints(s, complaints);
	struct json j = {.to = stdout};

	json_open(&j, NULL, '{');
	json_bool(&j, "healthy", stats_healthy(s));
	json_open(&j, "complaints", '[');
	for (size_t i = 0; i < count; i++)
		json_string(&j, NULL, complaints[i]);
	json_close(&j, ']');
	json_number(&j, "granted", (int64_t)stats_granted(s));
	json_number(&j, "refused", (int64_t)stats_refused(s));
	json_open(&j, "values", '{');
	for (size_t i = 0; i < s->count; i++)
		json_number(&j, s->values[i].name,
		    s->values[i].value > INT64_MAX ? INT64_MAX : (int64_t)s->values[i].value);
	json_close(&j, '}');
	json_close(&j, '}');
}

/* Asks, and prints with what was asked `before`, if it was. */
static enum cli_exit show(const struct cli *cli, struct stats *s, const struct stats *before)
{
	struct control_error error = {0};
	enum ctl_result result = stats_ask(cli->control, ANSWER_NS, s, &error);

	if (result != CTL_DONE)
		return daemon_report(cli, result, &error);
	if (cli->json)
		print_json(s);
	else
		stats_print(stdout, s, before);
	return cli_flush(cli, CLI_DONE);
}

static enum cli_exit look(const struct cli *cli, int64_t over_ns)
{
	struct control_error error = {0};
	struct stats before, now;
	enum ctl_result result;

	if (cli->json || over_ns == 0)
		return show(cli, &now, NULL);
	result = stats_ask(cli->control, ANSWER_NS, &before, &error);
	if (result != CTL_DONE)
		return daemon_report(cli, result, &error);
	cli_sleep_until(before.asked_ns + over_ns);
	return show(cli, &now, &before);
}

static enum cli_exit keep_looking(const struct cli *cli, int64_t over_ns)
{
	const bool screen = !cli->json && isatty(STDOUT_FILENO);
	struct stats looks[2];
	const struct stats *before = NULL;
	enum cli_exit status;

	cli_end_when_interrupted();
	for (unsigned int i = 0;; i ^= 1) {
		if (screen)
			fputs("\033[H\033[2J", stdout);
		else if (before != NULL && !cli->json)
			putchar('\n');
		status = show(cli, &looks[i], before);
		if (status != CLI_DONE)
			return status;
		before = &looks[i];
		cli_sleep_until(before->asked_ns + over_ns);
	}
}

enum cli_exit cmd_stats(struct cli *cli, int argc, char **argv)
{
	bool watch = false, prometheus = false;
	const char *file = NULL;
	int64_t over_ns = NS_PER_SECOND;
	const struct option_row options[] = {{"watch", 'w', .flag = &watch},
	    {"prometheus", .flag = &prometheus}, {"textfile", .take = option_text, .place = &file},
	    {"over", .take = option_duration, .place = &over_ns, .least = 0, .most = OVER_MOST},
	    {0}};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	if (watch + prometheus + (file != NULL) > 1 || (cli->json && (prometheus || file != NULL)))
		return cli_misuse(cli, "one of --watch, --prometheus and --textfile, and --json "
		                       "with --watch alone");
	if (prometheus)
		return print_metrics(cli);
	if (file != NULL)
		return write_metrics(cli, file);
	if (watch)
		return keep_looking(cli, over_ns > 0 ? over_ns : NS_PER_SECOND);
	return look(cli, over_ns);
}
