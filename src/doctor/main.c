/* postern-doctor: its command line, which `postern doctor` writes, and the order of the checks. */
#include "doctor/doctor.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/environment.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/secret.h"
#include "ctl/control.h"

static const char usage[] =
    "Usage: postern-doctor [--config FILE] [--control PATH] [--state-dir DIR] [--json]\n"
    "                      [--quiet] [--online]\n"
    "What postern doctor runs; see there.\n";

enum { OPT_CONFIG = 256, OPT_CONTROL, OPT_STATE, OPT_JSON, OPT_QUIET, OPT_ONLINE, OPT_HELP };

static const struct option long_options[] = {{"config", required_argument, NULL, OPT_CONFIG},
    {"control", required_argument, NULL, OPT_CONTROL},
    {"state-dir", required_argument, NULL, OPT_STATE}, {"json", no_argument, NULL, OPT_JSON},
    {"quiet", no_argument, NULL, OPT_QUIET}, {"online", no_argument, NULL, OPT_ONLINE},
    {"help", no_argument, NULL, OPT_HELP}, {NULL, 0, NULL, 0}};

static const struct {
	const char *name;
	void (*make)(struct doctor *d);
} checks[] = {
    {"configuration", doctor_configuration},
    {"files", doctor_files},
    {"clock", doctor_clock},
    {"kernel", doctor_kernel},
    {"connections", doctor_connections},
    {"daemon", doctor_daemon},
    {"units", doctor_units},
    {"firewall", doctor_firewall},
    {"published ports", doctor_published},
    {"interface", doctor_interface},
    {"knock port", doctor_port},
    {"leftovers", doctor_leftovers},
    {"public address", doctor_public},
};

static void parse(struct doctor *d, int argc, char *argv[])
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == OPT_CONFIG)
			d->cli.config = optarg;
		else if (c == OPT_CONTROL)
			d->cli.control = optarg;
		else if (c == OPT_STATE)
			d->state_dir = optarg;
		else if (c == OPT_JSON || c == OPT_QUIET || c == OPT_ONLINE)
			*(c == OPT_JSON      ? &d->cli.json
			    : c == OPT_QUIET ? &d->cli.quiet
			                     : &d->online) = true;
		else
			break;
	}
	if (c == -1 && optind == argc)
		return;
	fputs(usage, c == OPT_HELP ? stdout : stderr);
	exit(c == OPT_HELP ? EXIT_DONE : EXIT_USAGE);
}

int main(int argc, char *argv[])
{
	struct doctor d = {
	    .cli = {.command = "doctor", .config = CONF_DEFAULT_PATH, .control = CONTROL_PATH},
	    .state_dir = "/var/lib/postern",
	    .snapshot_fd = -1,
	    .root = geteuid() == 0};

	environment_clean();
	parse(&d, argc, argv);
	log_open("doctor", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	if (!secret_init())
		return (int)cli_fail(&d.cli, CLI_FAILED, "this system gives no random numbers");
	report_begin(&d.report, d.cli.json, d.cli.quiet);
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
		d.report.check = checks[i].name;
		checks[i].make(&d);
	}
	report_end(&d.report);
	daemon_state_free(&d.daemon);
	conf_free(d.conf);
	return (int)cli_flush(&d.cli, d.report.count[FINDING_PROBLEM] > 0 ? CLI_CLOSED : CLI_DONE);
}
