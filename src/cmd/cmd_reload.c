#include <inttypes.h>
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/text.h"

static const struct option_syntax syntax = {
    .usage = "reload [OPTION...]",
    .help = "Has the running daemon read its configuration again. A configuration that is not in\n"
            "order is refused whole, and the old one stays in force (exit code 78).\n"
            "\n"
            "Example:\n"
            "  postern reload\n",
};

struct report {
	const struct cli *cli;
	struct json json;
};

static void take_stat(void *context, const struct control_record *record)
{
	struct report *report = context;
	char name[4 * CONTROL_NAME_BYTES];

	if (record->type != CONTROL_STAT)
		return;
	if (report->cli->json)
		json_number(&report->json, record->stat.name, (int64_t)record->stat.value);
	else if (!report->cli->quiet)
		printf("  %s: %" PRIu64 "\n", text_escaped(name, sizeof name, record->stat.name),
		    record->stat.value);
}

enum cli_exit cmd_reload(struct cli *cli, int argc, char **argv)
{
	struct report report = {.cli = cli, .json.to = stdout};
	struct control_error error = {0};
	enum ctl_result result;

	if (!option_read(cli, &syntax, NULL, argc, argv))
		return cli->status;
	if (cli->json)
		json_open(&report.json, NULL, '{');
	result = daemon_reload(cli, take_stat, &report, &error);
	if (cli->json) {
		json_bool(&report.json, "reloaded", result == CTL_DONE);
		if (result == CTL_REFUSED)
			json_string(&report.json, "error", error.text);
		json_close(&report.json, '}');
	} else if (result == CTL_DONE && !cli->quiet) {
		puts("Configuration reloaded.");
	}
	return daemon_report(cli, result, &error);
}
