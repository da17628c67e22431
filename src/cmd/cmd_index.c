#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/text.h"
#include "conf/client_index.h"

static const struct option_syntax syntax = {
    .usage = "index [OPTION...]",
    .help =
        "Reads the server configuration and writes an index of its clients into the daemon's\n"
        "state directory. With it, the daemon and this tool parse only those files that have\n"
        "changed since, and vet only those keys that are new: 100,000 clients load in less than a\n"
        "second. The files stay the truth; the index can be removed at any time. The daemon\n"
        "renews it by itself when a thousand clients or more are new.\n"
        "\n"
        "      --state-dir DIR  the daemon's state directory (/var/lib/postern)\n"
        "\n"
        "Examples:\n"
        "  postern index && postern reload\n",
};

struct work {
	const char *path;
	struct conf_index_report report;
	size_t clients;
	int64_t took_ms;
};

static void print_work(const struct cli *cli, const struct work *work)
{
	const struct conf_index_report *report = &work->report;
	struct json j = {.to = stdout};
	char path[1024];

	if (cli->json) {
		json_open(&j, NULL, '{');
		json_string(&j, "index", work->path);
		json_number(&j, "clients", (int64_t)work->clients);
		json_number(&j, "keys_vetted", report->vetted);
		json_number(&j, "clients_parsed", report->clients);
		json_number(&j, "milliseconds", work->took_ms);
		json_close(&j, '}');
	} else if (!cli->quiet) {
		printf("%s: %zu client%s, %u of them parsed, %u key%s vetted, %lld.%03lld s\n",
		    text_escaped(path, sizeof path, work->path), work->clients,
		    work->clients == 1 ? "" : "s", report->clients, report->vetted,
		    report->vetted == 1 ? "" : "s", (long long)work->took_ms / 1000,
		    (long long)work->took_ms % 1000);
	}
}

static enum cli_exit make_index(struct cli *cli, const char *path)
{
	struct work work = {.path = path};
	struct conf_error error = {0};
	int64_t began_ns = clock_boot_ns();
	struct conf *conf =
	    conf_load_renewing(cli->config, path, CONF_INDEX_ALWAYS, &work.report, &error);

	if (*work.report.refused != '\0')
		cli_warn(cli, "%s; made anew", work.report.refused);
	if (conf == NULL)
		return cli_report_conf(cli, &error);
	work.clients = conf_client_count(conf);
	work.took_ms = (clock_boot_ns() - began_ns) / NS_PER_MS;
	conf_free(conf);
	if (!work.report.written)
		return cli_fail(cli, work.report.permission ? CLI_PERMISSION : CLI_FAILED, "%s%s",
		    *work.report.failed != '\0' ? "" : path,
		    *work.report.failed != '\0'
		        ? work.report.failed
		        : ": the daemon has not used its folder yet; start posternd first");
	print_work(cli, &work);
	return CLI_DONE;
}

enum cli_exit cmd_index(struct cli *cli, int argc, char **argv)
{
	const char *state_dir = NULL;
	const struct option_row options[] = {
	    {"state-dir", .take = option_text, .place = &state_dir},
	    {0},
	};
	char *path;

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	path = state_dir == NULL ? strdup(CONF_INDEX_DEFAULT) : conf_index_path(state_dir);
	if (path == NULL)
		return cli_fail(cli, CLI_FAILED, "not enough memory");
	cli->status = make_index(cli, path);
	free(path);
	return cli->status;
}
