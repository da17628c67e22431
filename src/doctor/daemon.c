/* The daemon: whether it runs and answers, and what it does without. */
#include "doctor/doctor.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/daemon_process.h"
#include "ctl/stat.h"
#include "snapshot/accepted.h"
#include "stats/stats.h"

#define ANSWER_NS (5 * NS_PER_SECOND)

bool doctor_never_ran(const struct doctor *d)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof path, "%s/" ACCEPTED_FILE, d->state_dir) < (int)sizeof path &&
	       access(path, F_OK) != 0 && errno == ENOENT;
}

static void say_silence(struct doctor *d, const struct control_error *error)
{
	switch (d->answer) {
	case CTL_NOT_RUNNING:
		report_say(&d->report, FINDING_PROBLEM,
		    doctor_never_ran(d) ? DOCTOR_ACTIVATE : "systemctl start posternd",
		    "posternd is not running (no control socket at %s)", d->cli.control);
		break;
	case CTL_NO_PERMISSION:
		report_say(&d->report, FINDING_UNKNOWN, "sudo postern doctor",
		    "no permission to talk to posternd at %s", d->cli.control);
		break;
	case CTL_REFUSED:
		report_say(&d->report,
		    error->fault == CONTROL_FAULT_PERMISSION ? FINDING_UNKNOWN : FINDING_WARNING,
		    error->fault == CONTROL_FAULT_PERMISSION ? "sudo postern doctor" : NULL,
		    "posternd does not answer: %s", error->text);
		break;
	case CTL_DONE:
	case CTL_SILENT:
	case CTL_GARBLED:
	case CTL_FAILED:
		report_say(&d->report, FINDING_PROBLEM, "systemctl restart posternd",
		    "posternd does not answer at %s as it should", d->cli.control);
	}
}

static void say_running(struct doctor *d)
{
	int64_t since = daemon_process_since(d->pid);
	char roles[DAEMON_ROLES_BYTES], when[CLOCK_TEXT_BYTES];

	(void)daemon_process_roles(d->pid, roles);
	report_say(&d->report, FINDING_OK, NULL, "posternd answers%s%s%s%s%s; %zu grants in force",
	    since == 0 ? "" : ", running since ", since == 0 ? "" : clock_text(since, when),
	    *roles == '\0' ? "" : " (", roles, *roles == '\0' ? "" : ")", d->daemon.session_count);
	if (daemon_process_is_outdated(d->pid))
		report_say(&d->report, FINDING_WARNING, "systemctl restart posternd",
		    "its program was replaced since it started: what runs is the old one");
}

static void check_layers(struct doctor *d)
{
	for (size_t i = 0; i < d->daemon.without_count; i++)
		report_say(&d->report, FINDING_WARNING,
		    "posternd --check tells what it takes (server.sandbox in postern.yaml(5))",
		    "it runs without %s", d->daemon.without[i]);
}

static void check_guard(struct doctor *d)
{
	const struct settings *s = doctor_settings(d);

	if (d->daemon.guard == CONTROL_GUARD_GONE)
		report_say(&d->report, FINDING_PROBLEM, "systemctl start postern-guard",
		    "postern-guard is gone: when the daemon ends, nobody keeps its rules from others");
	else if (d->daemon.guard == CONTROL_GUARD_THERE)
		report_say(&d->report, FINDING_OK, NULL, "postern-guard stands by");
	else if (s != NULL && s->firewall == CONF_FIREWALL_NFT)
		report_say(&d->report, FINDING_WARNING, "systemctl enable --now postern-guard",
		    "no postern-guard stands by: while no daemon runs, others can take the rules away");
}

static void check_intake(struct doctor *d)
{
	const struct settings *s = doctor_settings(d);

	if (d->daemon.intake == CONTROL_INTAKE_XDP_NOWHERE)
		report_say(&d->report, FINDING_PROBLEM, "server.interface, or intake: socket",
		    "knocks are heard nowhere: no network device has the program (XDP)");
	else if (d->daemon.intake == CONTROL_INTAKE_XDP_IN_PART)
		report_say(&d->report, FINDING_PROBLEM, "server.interface, or intake: socket",
		    "a network device is without the program (XDP), and deaf");
	else if (s != NULL && s->openme && s->intake == CONF_INTAKE_XDP &&
	         d->daemon.intake != CONTROL_INTAKE_XDP)
		report_say(&d->report, FINDING_WARNING,
		    "the drop-in kernel-shield.conf (doc/flood.md), then: systemctl restart posternd",
		    "intake: xdp is wanted, and a socket is used");
}

static void check_shield(struct doctor *d)
{
	const struct settings *s = doctor_settings(d);
	bool device =
	    d->daemon.shield == CONTROL_SHIELD_GENERIC || d->daemon.shield == CONTROL_SHIELD_NATIVE;
	bool missed =
	    s != NULL && s->openme &&
	    ((s->shield_at == CONF_SHIELD_AT_XDP && !device) ||
	        (s->shield_at == CONF_SHIELD_AT_SOCKET && d->daemon.shield == CONTROL_SHIELD_USER));

	if (missed)
		report_say(&d->report, FINDING_WARNING,
		    "the drop-in kernel-shield.conf (doc/flood.md), then: systemctl restart posternd",
		    "junk is not dropped where shield_at says, but %s",
		    d->daemon.shield == CONTROL_SHIELD_USER ? "in the daemon alone"
		                                            : "at its socket");
}

static void check_reload(struct doctor *d)
{
	struct control_error error;
	struct stats s;
	const struct control_stat *told;

	if (stats_ask(d->cli.control, ANSWER_NS, &s, &error) != CTL_DONE)
		return;
	told = stats_find(&s, STAT_RELOAD_OK);
	if (told != NULL && told->value == 0)
		report_say(&d->report, FINDING_WARNING, "postern reload",
		    "the last reload was refused: an older configuration is in force");
	told = stats_find(&s, STAT_FIREWALL);
	if (told != NULL && told->value == 0)
		report_say(&d->report, FINDING_PROBLEM, "systemctl restart posternd",
		    "it has not got its rules into the firewall");
}

void doctor_daemon(struct doctor *d)
{
	struct control_error error = {0};

	d->answer = daemon_state_ask(&d->cli, &d->daemon, &error);
	d->pid = daemon_process_find(d->cli.control);
	if (d->answer != CTL_DONE) {
		say_silence(d, &error);
		return;
	}
	say_running(d);
	check_layers(d);
	check_guard(d);
	check_intake(d);
	check_shield(d);
	check_reload(d);
}
