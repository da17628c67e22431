#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/progress.h"
#include "cmd/text.h"
#include "conf/client_index.h"
#include "conf/hint_index.h"

static const struct option_syntax syntax = {
    .usage = "index [OPTION...]",
    .help =
        "Reads the server configuration and writes an index of its clients into the daemon's\n"
        "state directory. With it, the daemon and this tool parse only those files that have\n"
        "changed since, and vet only those keys that are new: 100,000 clients load in less than a\n"
        "second. Beside it stand the keys by which the daemon understands its clients' hints, so\n"
        "that it need not make them at each start. The files stay the truth; the indexes can be\n"
        "removed at any time. The daemon renews them by itself when a thousand clients or more\n"
        "are new.\n"
        "\n"
        "      --state-dir DIR  the daemon's state directory (/var/lib/postern)\n"
        "\n"
        "Examples:\n"
        "  postern index && postern reload\n",
};

struct work {
	const char *path, *hints_path;
	uint32_t hints_made;
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
		json_number(&j, "hint_keys_made", work->hints_made);
		json_number(&j, "milliseconds", work->took_ms);
		json_close(&j, '}');
	} else if (!cli->quiet) {
		printf("%s: %zu client%s, %u of them parsed, %u key%s vetted, %u hint key%s made, "
		       "%lld.%03lld s\n",
		    text_escaped(path, sizeof path, work->path), work->clients,
		    work->clients == 1 ? "" : "s", report->clients, report->vetted,
		    report->vetted == 1 ? "" : "s", work->hints_made,
		    work->hints_made == 1 ? "" : "s", (long long)work->took_ms / 1000,
		    (long long)work->took_ms % 1000);
	}
}

static enum cli_exit fail_index(const struct cli *cli, const struct work *work)
{
	const struct conf_index_report *report = &work->report;
	bool said = *report->failed != '\0';

	return cli_fail(cli, report->permission ? CLI_PERMISSION : CLI_FAILED, "%s%s",
	    said ? "" : work->path,
	    said ? report->failed
	         : ": the daemon has not used its folder yet; start posternd first");
}

static enum cli_exit make_hints(const struct cli *cli, struct work *work, const struct conf *conf)
{
	const struct progress_count made = {&work->hints_made, "made"};
	char why[INDEX_WHY_BYTES] = "";
	bool done;
	int problem;

	if (!conf_has_openme(conf))
		return CLI_DONE;
	progress_begin(cli, "making keys for hints", &made, 1);
	done = hint_index_renew(conf, work->hints_path, &work->hints_made, why);
	problem = errno;
	progress_end();
	if (done)
		return CLI_DONE;
	if (problem != EWOULDBLOCK)
		return cli_fail(cli, CLI_FAILED, "%s: %s", work->hints_path, why);
	cli_warn(cli, "%s: %s", work->hints_path, why); /* the daemon: it has the same keys */
	return CLI_DONE;
}

static enum cli_exit make_index(struct cli *cli, const char *path, const char *hints_path)
{
	struct work work = {.path = path, .hints_path = hints_path};
	struct conf_error error = {0};
	int64_t began_ns = clock_boot_ns();
	const struct progress_count counts[] = {
	    {&work.report.clients, "clients parsed"}, {&work.report.vetted, "keys vetted"}};
	struct conf *conf;
	enum cli_exit status = CLI_DONE;

	progress_begin(cli, "reading the clients", counts, 2);
	conf = conf_load_renewing(cli->config, path, CONF_INDEX_ALWAYS, &work.report, &error);
	progress_end();
	if (*work.report.refused != '\0')
		cli_warn(cli, "%s; made anew", work.report.refused);
	if (conf == NULL)
		return cli_report_conf(cli, &error);
	work.clients = conf_client_count(conf);
	status = work.report.written ? make_hints(cli, &work, conf) : fail_index(cli, &work);
	work.took_ms = (clock_boot_ns() - began_ns) / NS_PER_MS;
	conf_free(conf);
	if (status == CLI_DONE)
		print_work(cli, &work);
	return status;
}

enum cli_exit cmd_index(struct cli *cli, int argc, char **argv)
{
	const char *state_dir = NULL;
	const struct option_row options[] = {
	    {"state-dir", .take = option_text, .place = &state_dir},
	    {0},
	};
	char *path, *hints_path;

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	if (state_dir == NULL)
		state_dir = CONF_INDEX_FOLDER;
	path = conf_index_path(state_dir);
	hints_path = hint_index_path(state_dir);
	cli->status = path == NULL || hints_path == NULL
	                  ? cli_fail(cli, CLI_FAILED, "not enough memory")
	                  : make_index(cli, path, hints_path);
	free(hints_path);
	free(path);
	return cli->status;
}
