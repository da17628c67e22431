#include "main/programs.h"

#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define STOP_TIMEOUT_MS 3000

_Static_assert((int)RUNNER_PUBLIC_KEY == CONF_TASK_PUBLIC_KEY &&
                   (int)RUNNER_AUTHORIZE == CONF_TASK_AUTHORIZE &&
                   (int)RUNNER_RULE_ADD == CONF_TASK_RULE_ADD &&
                   (int)RUNNER_RULE_REMOVE == CONF_TASK_RULE_REMOVE &&
                   (int)RUNNER_SERVER_START == CONF_TASK_SERVER_START &&
                   (int)RUNNER_SERVER_STOP == CONF_TASK_SERVER_STOP &&
                   (int)RUNNER_TASK_COUNT == CONF_TASK_COUNT &&
                   RUNNER_PATH_BYTES >= CONF_PROGRAM_BYTES,
    "the tasks have the same numbers, and paths fit");

bool programs_has(const struct programs *p, enum runner_task task)
{
	return p->settings.programs[task].asked != CONF_ASKED_NATIVE;
}

bool programs_need(const struct programs *p, enum role role)
{
	if (role == ROLE_RUNNER)
		return programs_has(p, RUNNER_PUBLIC_KEY) || programs_has(p, RUNNER_AUTHORIZE);
	if (role == ROLE_PRIVILEGED_RUNNER)
		return runner_settings_make_rules(&p->settings) ||
		       programs_has(p, RUNNER_SERVER_START) || programs_has(p, RUNNER_SERVER_STOP);
	return true;
}

/* How a program of this task is called in the configuration. */
static const char *program_key(int task, uint8_t asked)
{
	static const char *const scripts[RUNNER_TASK_COUNT] = {
	    "openspa.extension_scripts.user_directory_service",
	    "openspa.extension_scripts.authorization", "openspa.extension_scripts.rule_add",
	    "openspa.extension_scripts.rule_remove", "openspa.extension_scripts.server_start",
	    "openspa.extension_scripts.server_stop"};
	static const char *const helpers[RUNNER_TASK_COUNT] = {
	    "openspa.helpers.user_directory_service", "openspa.helpers.authorization",
	    "openspa.helpers.firewall", "openspa.helpers.firewall"};

	return asked == CONF_ASKED_HELPER && helpers[task] != NULL ? helpers[task] : scripts[task];
}

/* Asks the kernel, as that user, in a process of its own. */
static bool user_can_execute(const struct identity *who, const char *path)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(setgroups(0, NULL) == 0 && setresgid(who->gid, who->gid, who->gid) == 0 &&
		              setresuid(who->uid, who->uid, who->uid) == 0 &&
		              access(path, R_OK | X_OK) == 0
		          ? 0
		          : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

bool programs_reachable(const struct programs *p, const struct identity who[static ROLE_COUNT])
{
	for (int task = 0; task < RUNNER_TASK_COUNT; task++) {
		const struct runner_program *program = &p->settings.programs[task];
		enum role role =
		    runner_task_is_privileged((uint8_t)task) ? ROLE_PRIVILEGED_RUNNER : ROLE_RUNNER;
		char user[16];

		if (program->asked == CONF_ASKED_NATIVE ||
		    user_can_execute(&who[role], program->path))
			continue;
		snprintf(user, sizeof user, "%u", who[role].uid);
		log_event(LOG_LEVEL_ERROR,
		    "the user that it would run as cannot reach or execute a program; open it and "
		    "its folders (chmod go+rx), or name a user who can in script_user or "
		    "script_rule_user",
		    "key", program_key(task, program->asked), "path", program->path, "uid", user,
		    NULL);
		return false;
	}
	return true;
}

int programs_patience_ms(const struct programs *p)
{
	return STOP_TIMEOUT_MS + 2 * (int)p->settings.deadline_ms;
}

static void take_settings(struct programs *out, const struct conf *conf)
{
	const struct conf_openspa *o = conf_openspa(conf);
	struct runner_settings *s = &out->settings;

	s->deadline_ms = (uint32_t)((o->script_deadline + NS_PER_MS - 1) / NS_PER_MS);
	s->most_at_once = (uint32_t)o->script_limit;
	s->queue_most = (uint32_t)o->script_queue;
	s->output_most = (uint32_t)o->script_output;
	snprintf(s->writable, sizeof s->writable, "%s", conf_openspa_writable(conf));
	snprintf(out->user, sizeof out->user, "%s", o->script_user.text);
	snprintf(out->rule_user, sizeof out->rule_user, "%s",
	    *o->script_rule_user.text != '\0' ? o->script_rule_user.text : out->user);
}

void programs_of(struct programs *out, const struct conf *conf)
{
	bool any = false;

	memset(out, 0, sizeof *out);
	for (int task = 0; conf_has_openspa(conf) && task < CONF_TASK_COUNT; task++) {
		const struct conf_program *from = conf_openspa_program(conf, (enum conf_task)task);
		struct runner_program *to = &out->settings.programs[task];

		to->asked = from->asked;
		snprintf(to->path, sizeof to->path, "%s", from->path);
		any = any || from->asked != CONF_ASKED_NATIVE;
	}
	if (any)
		take_settings(out, conf);
}

const char *programs_difference(const struct programs *a, const struct programs *b)
{
	const struct runner_settings *s = &a->settings, *t = &b->settings;

	for (int i = 0; i < RUNNER_TASK_COUNT; i++) {
		const struct runner_program *p = &s->programs[i], *q = &t->programs[i];

		if (p->asked != q->asked || strcmp(p->path, q->path) != 0)
			return program_key(i, q->asked != CONF_ASKED_NATIVE ? q->asked : p->asked);
	}
	if (strcmp(a->user, b->user) != 0)
		return "openspa.script_user";
	if (strcmp(a->rule_user, b->rule_user) != 0)
		return "openspa.script_rule_user";
	if (s->deadline_ms != t->deadline_ms)
		return "openspa.script_deadline";
	if (s->most_at_once != t->most_at_once)
		return "openspa.script_limit";
	if (s->queue_most != t->queue_most)
		return "openspa.script_queue";
	if (s->output_most != t->output_most)
		return "openspa.script_output";
	if (strcmp(s->writable, t->writable) != 0)
		return "openspa.script_writable";
	return NULL;
}
