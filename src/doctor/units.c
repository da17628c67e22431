/* What the service manager is to do with us. */
#include "doctor/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/run.h"

#define SHOWN_BYTES 4096
#define VALUE_BYTES 256

struct unit {
	const char *name;
	const char *so; /* when it does not start with the machine; NULL: it need not */
};

static const struct unit units[] = {{"posternd.service", "after the next boot nobody can knock"},
    {"postern-guard.service", "at the next boot the ports are open until the daemon runs"},
    {"postern-web.service", NULL}, {"postern-echoip.service", NULL}};

/* Of `systemctl show`; "" when it is not there. */
static const char *value_of(const char *shown, const char *key, char value[static VALUE_BYTES])
{
	size_t length = strlen(key);

	for (const char *line = shown; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == '=') {
			line += length + 1;
			snprintf(value, VALUE_BYTES, "%.*s", (int)strcspn(line, "\n"), line);
			return value;
		}
	}
	*value = '\0';
	return value;
}

static bool is(const char *shown, const char *key, const char *expected)
{
	char value[VALUE_BYTES];

	return strcmp(value_of(shown, key, value), expected) == 0;
}

static void check_enabled(struct doctor *d, const struct unit *u, const char *shown)
{
	char remedy[128];

	snprintf(remedy, sizeof remedy, "systemctl enable %s", u->name);
	if (is(shown, "UnitFileState", "masked"))
		snprintf(remedy, sizeof remedy, "systemctl unmask %s && systemctl enable %s",
		    u->name, u->name);
	if (!is(shown, "UnitFileState", "enabled") && !is(shown, "UnitFileState", "static"))
		report_say(
		    &d->report, FINDING_WARNING, remedy, "%s is not enabled: %s", u->name, u->so);
}

static void check_state(struct doctor *d, const struct unit *u, const char *shown)
{
	char value[VALUE_BYTES], remedy[128];
	unsigned long restarts = strtoul(value_of(shown, "NRestarts", value), NULL, 10);
	bool ours =
	    d->pid == 0 || (pid_t)strtol(value_of(shown, "MainPID", value), NULL, 10) == d->pid;

	snprintf(remedy, sizeof remedy, "journalctl -u %s -p warning", u->name);
	if (is(shown, "ActiveState", "failed"))
		report_say(&d->report, FINDING_PROBLEM, remedy, "%s has failed", u->name);
	else if (restarts > 0)
		report_say(&d->report, FINDING_WARNING, remedy,
		    "%s was started again %lu times by itself", u->name, restarts);
	if (u == units && d->answer == CTL_DONE && !ours)
		report_say(&d->report, FINDING_WARNING, "stop it, then: systemctl start posternd",
		    "the daemon that runs is not the one of %s: after a crash nobody starts it again",
		    u->name);
	if (is(shown, "NeedDaemonReload", "yes"))
		report_say(&d->report, FINDING_WARNING, "systemctl daemon-reload",
		    "%s has changed, and the service manager has not read it again", u->name);
}

static void check_unit(struct doctor *d, const struct unit *u)
{
	char shown[SHOWN_BYTES], name[64];
	char *const argv[] = {(char[]){"systemctl"}, (char[]){"show"}, (char[]){"--no-pager"},
	    (char[]){
	        "--property=LoadState,ActiveState,UnitFileState,NRestarts,NeedDaemonReload,MainPID"},
	    name, NULL};
	unsigned int before = d->report.count[FINDING_WARNING] + d->report.count[FINDING_PROBLEM];

	snprintf(name, sizeof name, "%s", u->name);
	if (!run_read(argv, 0, shown, sizeof shown)) {
		report_say(
		    &d->report, FINDING_UNKNOWN, NULL, "systemctl does not tell of %s", u->name);
		return;
	}
	if (u->so == NULL && !is(shown, "UnitFileState", "enabled"))
		return;
	if (is(shown, "LoadState", "not-found")) {
		report_say(&d->report, FINDING_WARNING,
		    "install the units, or start it another way", "there is no %s", u->name);
		return;
	}
	check_enabled(d, u, shown);
	check_state(d, u, shown);
	if (before == d->report.count[FINDING_WARNING] + d->report.count[FINDING_PROBLEM])
		report_say(&d->report, FINDING_OK, NULL, "%s is enabled", u->name);
}

void doctor_units(struct doctor *d)
{
	if (access("/run/systemd/system", F_OK) != 0) {
		report_say(&d->report, FINDING_UNKNOWN, NULL,
		    "there is no systemd here: whether anything starts the daemon is not known");
		return;
	}
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		check_unit(d, &units[i]);
}
