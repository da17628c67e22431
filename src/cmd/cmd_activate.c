#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/service.h"
#include "cmd/shut_out.h"
#include "cmd/text.h"
#include "cmd/trial.h"
#include "conf/client_index.h"
#include "conf/conf.h"

#define PORTS_TEXT_BYTES 1024
#define PORTS_MOST       256

static const struct option_syntax syntax = {
    .usage = "activate [OPTION...]",
    .help =
        "Starts the daemon on this host for the first time, on trial: unless somebody who has\n"
        "logged in anew runs 'postern confirm' within a minute, it is stopped again and its rules\n"
        "are taken away, also when this terminal is gone. Units of systemd are enabled only when\n"
        "that is confirmed, so that a restart of the machine ends the trial as well.\n"
        "\n"
        "  --confirm-within TIME  how long to wait (1m; 1s to 1h)\n"
        "  --no-wait              end at once; the trial goes on\n"
        "  --dry-run              say what would be shut, to whom, and change nothing\n"
        "  --service PROGRAM      start and stop the daemon by that program, which is run with\n"
        "                         the word start or stop (systemd's units, else\n"
        "                         /etc/init.d/posternd)\n"
        "  --state-dir DIR        the daemon's state directory (/var/lib/postern)\n"
        "\n"
        "Examples:\n"
        "  postern activate --dry-run\n"
        "  postern activate --confirm-within 5m\n",
};

struct activation {
	struct trial_options how;
	const char *service;
	bool dry_run;
};

static bool daemon_answers(const struct cli *cli)
{
	struct daemon_state state;
	struct control_error error = {0};
	enum ctl_result result = daemon_state_ask(cli, &state, &error);

	daemon_state_free(&state);
	return result == CTL_DONE || result == CTL_REFUSED;
}

/* What to shut is shut already where the daemon runs, or rules of ours stand. */
static bool is_first(struct cli *cli)
{
	bool stand = false;

	if (daemon_answers(cli))
		return cli_refuse(cli, CLI_FAILED,
		    "posternd is running already; for a change of its configuration: "
		    "postern reload --confirm");
	if (!service_rules_stand(cli, &stand))
		return cli_stop(cli, CLI_FAILED);
	return !stand ||
	       cli_refuse(cli, CLI_FAILED,
	           "Postern's rules stand, and the ports are shut already; start posternd, "
	           "or open the ports: postern release");
}

static void tell_json(const struct shut_out *s, const struct ports *ports, size_t count)
{
	struct json j = {.to = stdout};
	char text[PORTS_TEXT_BYTES];

	json_open(&j, NULL, '{');
	json_bool(&j, "dry_run", true);
	json_open(&j, "would_shut", '[');
	for (size_t i = 0; i < count; i++)
		json_string(&j, NULL, text_ports(text, sizeof text, &ports[i], 1, false));
	json_close(&j, ']');
	json_number(&j, "shut_out", (int64_t)s->count);
	json_bool(&j, "this_login", s->own);
	json_close(&j, '}');
}

static void tell(const struct cli *cli, const struct shut_out *s)
{
	struct ports ports[PORTS_MOST];
	size_t count = shut_ports_gained(ports, PORTS_MOST, &s->before, &s->next);
	bool more = count > PORTS_MOST;
	char text[PORTS_TEXT_BYTES];

	count = more ? PORTS_MOST : count;
	if (cli->json)
		tell_json(s, ports, count);
	else if (!cli->quiet)
		printf("Would shut: %s. Nothing was changed.\n",
		    count == 0 ? "nothing" : text_ports(text, sizeof text, ports, count, more));
}

/* A program by its whole path: it is run from elsewhere, too. */
static bool put_service(struct cli *cli, struct trial *t, const char *service)
{
	char full[PATH_MAX];
	bool systemd = strcmp(service, SERVICE_SYSTEMD) == 0;

	if (!systemd && (realpath(service, full) == NULL || access(full, X_OK) != 0))
		return cli_stop(cli, cli_fail_errno(cli, "--service %s", service));
	return snprintf(t->service, sizeof t->service, "%s", systemd ? service : full) <
	           (int)sizeof t->service ||
	       cli_refuse(cli, CLI_FAILED, "--service: the path is too long");
}

static enum cli_exit activate(struct cli *cli, const struct activation *a)
{
	struct trial trial = {.kind = TRIAL_ACTIVATION};

	if (!put_service(cli, &trial, a->service))
		return cli->status;
	if (!trial_begin(cli, &a->how, &trial))
		return cli->status;
	if (service_start(cli, trial.service))
		return trial_made(cli, &a->how, &trial);
	cli->status = cli_fail(cli, CLI_FAILED, "posternd did not start; its log says why");
	return trial_not_made(cli, &a->how);
}

static enum cli_exit check_and_activate(
    struct cli *cli, struct activation *a, const struct snapshot *next)
{
	struct shut_out shut_out;

	shut_out_find(cli, &shut_out, NULL, next);
	if (a->dry_run) {
		tell(cli, &shut_out);
		shut_out_warn(cli, &shut_out);
		return CLI_DONE;
	}
	if (geteuid() != 0)
		return cli_fail(cli, CLI_PERMISSION, "only root may change the firewall");
	if (a->service == NULL)
		a->service = service_find();
	if (a->service == NULL)
		return cli_fail(cli, CLI_FAILED,
		    "neither systemd nor " SERVICE_SCRIPT " is here; name what starts and stops "
		    "posternd: --service PROGRAM");
	if (!trial_is_free(cli, &a->how) || !is_first(cli))
		return cli->status;
	shut_out_warn(cli, &shut_out);
	return activate(cli, a);
}

static enum cli_exit load_and_activate(struct cli *cli, struct activation *a)
{
	struct conf *conf = cli_load_conf(cli);
	struct snapshot next = {.header = NULL};
	struct conf_error error = {0};

	if (conf == NULL)
		return cli->status;
	if (!conf_find_interface(conf, &error))
		cli->status = cli_report_conf(cli, &error);
	else if (!shut_out_map(conf, &next))
		cli->status = cli_fail_errno(cli, "cannot read the configuration");
	conf_free(conf);
	if (next.header != NULL)
		cli->status = check_and_activate(cli, a, &next);
	snapshot_unmap(&next);
	return cli->status;
}

enum cli_exit cmd_activate(struct cli *cli, int argc, char **argv)
{
	struct activation a = {
	    .how = {.within_ns = TRIAL_WITHIN_NS, .state_dir = CONF_INDEX_FOLDER}};
	const struct option_row options[] = {
	    {"confirm-within", .take = option_duration, .place = &a.how.within_ns,
	        .least = TRIAL_LEAST_NS, .most = TRIAL_MOST_NS},
	    {"no-wait", .flag = &a.how.no_wait},
	    {"dry-run", .flag = &a.dry_run},
	    {"service", .take = option_text, .place = &a.service},
	    {"state-dir", .take = option_text, .place = &a.how.state_dir},
	    {0},
	};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	return load_and_activate(cli, &a);
}
