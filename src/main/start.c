/* Starting the roles, and making them known to each other. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "main/processes.h"
#include "main/rule_file.h"
#include "main/spawn.h"
#include "proc/counters.h"

/* What the roles are given at the start; closed here once they have it. -1: not needed. */
struct inherited {
	int door[2]; /* doorman and keeper */
	int desk[2]; /* desk and keeper */
	int runner[2];
	int privileged[2]; /* if it makes rules */
	int door_counters;
	int keeper_counters;
	int rules;
};

#define INHERITED_COUNT (sizeof(struct inherited) / sizeof(int))

static void close_inherited(struct inherited *g)
{
	int *fds = (int *)g;

	for (size_t i = 0; i < INHERITED_COUNT; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static bool open_inherited(struct inherited *g, const struct main_process *m)
{
	int *fds = (int *)g;
	bool runner = programs_need(&m->programs, ROLE_RUNNER);
	bool rules = runner_settings_make_rules(&m->programs.settings);

	for (size_t i = 0; i < INHERITED_COUNT; i++)
		fds[i] = -1;
	if (rules && (g->rules = rules_file_open(m->options->state_dir)) < 0)
		return false;
	if (!rules)
		rules_file_mind(m->options->state_dir);
	g->door_counters = counters_create();
	g->keeper_counters = counters_create();
	if (g->door_counters >= 0 && g->keeper_counters >= 0 && channel_pair(g->door) &&
	    channel_pair(g->desk) && (!runner || channel_pair(g->runner)) &&
	    (!rules || channel_pair(g->privileged)))
		return true;
	log_event(LOG_LEVEL_ERROR, "cannot make channels between the processes", "error",
	    strerror(errno), NULL);
	return false;
}

/* Those that are there, in this order. */
struct list {
	int fds[MESSAGE_FDS_MOST];
	size_t count;
};

static struct list list_of(const int fds[static MESSAGE_FDS_MOST])
{
	struct list list = {.count = 0};

	for (size_t i = 0; i < MESSAGE_FDS_MOST; i++)
		if (fds[i] >= 0)
			list.fds[list.count++] = fds[i];
	return list;
}

static struct list inherited_by(
    const struct main_process *m, const struct inherited *g, enum role role)
{
	const int fds[ROLE_COUNT][MESSAGE_FDS_MOST] = {
	    [ROLE_DOORMAN] = {g->door[0], g->door_counters, -1, -1, -1, -1},
	    [ROLE_KEEPER] = {g->door[1], g->desk[1], g->keeper_counters, g->runner[1],
	        g->privileged[1], g->rules},
	    [ROLE_DESK] = {g->desk[0], g->door_counters, g->keeper_counters, m->control, -1, -1},
	    [ROLE_RUNNER] = {g->runner[0], -1, -1, -1, -1, -1},
	    [ROLE_PRIVILEGED_RUNNER] = {g->privileged[0], -1, -1, -1, -1, -1},
	};

	return list_of(fds[role]);
}

static bool send_begin(struct main_process *m, enum role role, const struct message_begin *begin,
    const struct list *inherited)
{
	static const enum message_type types[ROLE_COUNT] = {[ROLE_DOORMAN] = MESSAGE_BEGIN_DOORMAN,
	    [ROLE_KEEPER] = MESSAGE_BEGIN_KEEPER,
	    [ROLE_DESK] = MESSAGE_BEGIN_DESK,
	    [ROLE_RUNNER] = MESSAGE_BEGIN_RUNNER,
	    [ROLE_PRIVILEGED_RUNNER] = MESSAGE_BEGIN_PRIVILEGED_RUNNER};
	const struct message_begin_runner with_programs = {
	    .begin = *begin, .settings = m->programs.settings};
	const void *body = role == ROLE_RUNNER || role == ROLE_PRIVILEGED_RUNNER
	                       ? (const void *)&with_programs
	                       : begin;

	return channel_send(
	    &m->children[role].channel, types[role], body, inherited->fds, inherited->count);
}

/* Sends BEGIN to all roles, with the channels between them and their counters. */
static bool introduce(struct main_process *m, const struct identity who[static ROLE_COUNT],
    const struct settings *settings, const struct inherited *g)
{
	bool ok = true;

	for (enum role role = FIRST_ROLE; ok && role < ROLE_COUNT; role++) {
		const struct message_begin begin = {.uid = who[role].uid,
		    .gid = who[role].gid,
		    .control_uid = getuid(),
		    .log_level = m->options->log_level,
		    .log_format = m->options->log_format,
		    .openspa = settings->openspa.enabled,
		    .firewall = (enum conf_firewall)settings->firewall,
		    .runner = programs_need(&m->programs, ROLE_RUNNER),
		    .privileged = runner_settings_make_rules(&m->programs.settings)};
		const struct list inherited = inherited_by(m, g, role);

		ok = m->children[role].pid == 0 || send_begin(m, role, &begin, &inherited);
	}
	return ok;
}

static bool spawn_all(struct main_process *m)
{
	for (enum role role = FIRST_ROLE; role < ROLE_COUNT; role++) {
		struct child *child = &m->children[role];

		if (!programs_need(&m->programs, role))
			continue;
		child->main = m;
		child->pid = spawn_role(role, &child->channel);
		if (child->pid < 0) {
			child->pid = 0;
			log_event(LOG_LEVEL_ERROR, "cannot start a process", "process",
			    role_name(role), "error", strerror(errno), NULL);
			return false;
		}
	}
	return true;
}

static bool wait_for_all(struct main_process *m)
{
	for (enum role role = FIRST_ROLE; role < ROLE_COUNT; role++) {
		if (m->children[role].pid > 0 && !main_wait_ready(m, &m->children[role])) {
			log_event(LOG_LEVEL_ERROR, "a process did not start", "process",
			    role_name(role), "error", strerror(errno), NULL);
			return false;
		}
	}
	return true;
}

bool main_start_roles(struct main_process *m, const struct settings *settings)
{
	struct identity who[ROLE_COUNT] = {0};
	bool wanted[ROLE_COUNT], ok;
	struct inherited inherited;

	for (enum role role = ROLE_MAIN; role < ROLE_COUNT; role++)
		wanted[role] = programs_need(&m->programs, role);
	ok = open_inherited(&inherited, m) && spawn_identities(who, wanted, m->programs.user);
	if (ok && !programs_reachable(&m->programs, who)) {
		m->exit_status = EXIT_CONFIG;
		ok = false;
	}
	ok = ok && spawn_all(m) && introduce(m, who, settings, &inherited);
	close_inherited(&inherited);
	return ok && wait_for_all(m);
}
