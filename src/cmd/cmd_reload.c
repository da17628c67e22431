#include <inttypes.h>
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/reload_trial.h"
#include "cmd/shut_out.h"
#include "cmd/text.h"
#include "conf/client_index.h"

static const struct option_syntax syntax = {
    .usage = "reload [OPTION...]",
    .help =
        "Has the running daemon read its configuration again. A configuration that is not in\n"
        "order is refused whole, and the old one stays in force (exit code 78). When it shuts\n"
        "ports with live connections that have no grant, it says so, and at a terminal asks.\n"
        "\n"
        "  --confirm              on trial: unless 'postern confirm' is run from a new login\n"
        "                         within a minute, the configuration file of before is put back\n"
        "                         and reloaded. Files of clients stay as they are\n"
        "  --confirm-within TIME  the same, within that (1s to 1h)\n"
        "  --no-wait              with these, end at once; the trial goes on\n"
        "  --dry-run              check it, say what would be shut and opened and whose grants\n"
        "                         would end, and change nothing\n"
        "  --state-dir DIR        the daemon's state directory (/var/lib/postern)\n"
        "\n"
        "Examples:\n"
        "  postern reload --dry-run && postern reload\n"
        "  postern reload --confirm\n",
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

static enum cli_exit reload(struct cli *cli, const char *state_dir)
{
	struct report report = {.cli = cli, .json.to = stdout};
	struct control_error error = {0};
	enum ctl_result result;

	if (!shut_out_ask(cli, state_dir, "Reload all the same? Type yes: "))
		return cli->status != CLI_DONE ? cli->status
		                               : cli_fail(cli, CLI_FAILED, "nothing was changed");
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

enum cli_exit cmd_reload(struct cli *cli, int argc, char **argv)
{
	struct trial_options how = {.within_ns = 0, .state_dir = CONF_INDEX_FOLDER};
	bool confirm = false, dry_run = false;
	const struct option_row options[] = {
	    {"confirm", .flag = &confirm},
	    {"confirm-within", .take = option_duration, .place = &how.within_ns,
	        .least = TRIAL_LEAST_NS, .most = TRIAL_MOST_NS},
	    {"no-wait", .flag = &how.no_wait},
	    {"dry-run", .flag = &dry_run},
	    {"state-dir", .take = option_text, .place = &how.state_dir},
	    {0},
	};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	if (dry_run)
		return reload_dry_run(cli, how.state_dir);
	if (!confirm && how.within_ns == 0)
		return reload(cli, how.state_dir);
	if (how.within_ns == 0)
		how.within_ns = TRIAL_WITHIN_NS;
	return reload_on_trial(cli, &how);
}
