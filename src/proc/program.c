#include <string.h>

#include "proc/program.h"

bool runner_task_is_mains(uint8_t task)
{
	return task == RUNNER_SERVER_START || task == RUNNER_SERVER_STOP;
}

bool runner_task_is_privileged(uint8_t task)
{
	return task == RUNNER_RULE_ADD || task == RUNNER_RULE_REMOVE || runner_task_is_mains(task);
}

static bool is_text(const char *text)
{
	return memchr(text, '\0', RUNNER_PATH_BYTES) != NULL;
}

static bool is_between(uint32_t value, uint32_t least, uint32_t most)
{
	return value >= least && value <= most;
}

bool runner_settings_fit(const struct runner_settings *s)
{
	for (int i = 0; i < RUNNER_TASK_COUNT; i++) {
		/* There is no line for a helper that asks it for one of main's. */
		int most = runner_task_is_mains((uint8_t)i) ? CONF_ASKED_SCRIPT : CONF_ASKED_HELPER;

		if (s->programs[i].asked > most || !is_text(s->programs[i].path))
			return false;
	}
	return is_text(s->writable) && is_between(s->deadline_ms, 1, RUNNER_DEADLINE_MS_MOST) &&
	       is_between(s->most_at_once, 1, RUNNER_AT_ONCE_MOST) &&
	       is_between(s->queue_most, 1, RUNNER_QUEUE_MOST) &&
	       is_between(s->output_most, 1, RUNNER_OUTPUT_MOST);
}

void runner_settings_keep(struct runner_settings *s, bool privileged)
{
	for (int i = 0; i < RUNNER_TASK_COUNT; i++)
		if (runner_task_is_privileged((uint8_t)i) != privileged)
			s->programs[i].asked = CONF_ASKED_NATIVE;
}

bool runner_settings_make_rules(const struct runner_settings *s)
{
	return s->programs[RUNNER_RULE_ADD].asked != CONF_ASKED_NATIVE ||
	       s->programs[RUNNER_RULE_REMOVE].asked != CONF_ASKED_NATIVE;
}

uint32_t runner_settings_processes(const struct runner_settings *s)
{
	return 64 + 16 * s->most_at_once;
}
