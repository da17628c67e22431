#include "cmd/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/line.h"
#include "cmd/progress.h"
#include "cmd/text.h"
#include "conf/values.h"

#define ANSWER_NS (5 * NS_PER_SECOND)
/* A reload checks every key of every client: a million on a small board take minutes. */
#define RELOAD_NS (600 * NS_PER_SECOND)

/* Room for one more in an array that doubles. */
static bool one_more(struct daemon_state *state, void *array, size_t count, size_t size)
{
	void **items = array, *grown;

	if ((count & (count - 1)) != 0) /* room is left until the next power of two */
		return true;
	grown = reallocarray(*items, count == 0 ? 1 : 2 * count, size);
	if (grown == NULL)
		state->short_of_memory = true;
	else
		*items = grown;
	return grown != NULL;
}

static void take_record(void *context, const struct control_record *record)
{
	struct daemon_state *s = context;

	if (record->type == CONTROL_SESSION &&
	    one_more(s, &s->sessions, s->session_count, sizeof *s->sessions))
		s->sessions[s->session_count++] = record->session;
	else if (record->type == CONTROL_LAST_SEEN &&
	         one_more(s, &s->seen, s->seen_count, sizeof *s->seen))
		s->seen[s->seen_count++] = record->last_seen;
	else if (record->type == CONTROL_STAT && strcmp(record->stat.name, CONTROL_GUARD) == 0)
		s->guard = record->stat.value < CONTROL_GUARDS
		               ? (enum control_guard)record->stat.value
		               : CONTROL_GUARD_NONE;
	else if (record->type == CONTROL_STAT && strcmp(record->stat.name, CONTROL_SHIELD) == 0)
		s->shield = record->stat.value < CONTROL_SHIELDS
		                ? (enum control_shield)record->stat.value
		                : CONTROL_SHIELD_USER;
	else if (record->type == CONTROL_STAT && strcmp(record->stat.name, CONTROL_INTAKE) == 0)
		s->intake = record->stat.value < CONTROL_INTAKES
		                ? (enum control_intake)record->stat.value
		                : CONTROL_INTAKE_NONE;
	else if (record->type == CONTROL_STAT && s->without_count < DAEMON_LAYERS_MOST)
		memcpy(s->without[s->without_count++], record->stat.name, CONTROL_NAME_BYTES);
}

static int compare_sessions(const void *a, const void *b)
{
	const struct control_session *left = a, *right = b;
	int order = strcmp(left->client, right->client);

	if (order == 0)
		order = memcmp(left->address.bytes, right->address.bytes, ADDR_BYTES);
	/* A device may have several things open there. */
	if (order == 0 && left->port_count > 0 && right->port_count > 0)
		order = memcmp(left->ports, right->ports, sizeof *left->ports);
	return order;
}

static int compare_seen(const void *a, const void *b)
{
	const struct control_last_seen *left = a, *right = b;

	return strcmp(left->client, right->client);
}

enum ctl_result daemon_state_ask(
    const struct cli *cli, struct daemon_state *state, struct control_error *error)
{
	enum ctl_result result;

	*state = (struct daemon_state){0};
	result = ctl_ask(cli->control, CONTROL_SESSIONS, ANSWER_NS, take_record, state, error);
	if (state->session_count > 0)
		qsort(state->sessions, state->session_count, sizeof *state->sessions,
		    compare_sessions);
	if (state->seen_count > 0)
		qsort(state->seen, state->seen_count, sizeof *state->seen, compare_seen);
	return result;
}

void daemon_state_free(struct daemon_state *state)
{
	free(state->sessions);
	free(state->seen);
	*state = (struct daemon_state){0};
}

static int compare_client(const void *key, const void *session)
{
	return strcmp(key, ((const struct control_session *)session)->client);
}

bool daemon_active(const struct daemon_state *state, const char *client)
{
	return state->session_count > 0 && bsearch(client, state->sessions, state->session_count,
	                                       sizeof *state->sessions, compare_client) != NULL;
}

const struct control_last_seen *daemon_seen(const struct daemon_state *state, const char *client)
{
	struct control_last_seen key = {0};

	if (state->seen_count == 0)
		return NULL;
	value_label(key.client, client);
	return bsearch(&key, state->seen, state->seen_count, sizeof *state->seen, compare_seen);
}

enum cli_exit daemon_explain(const struct cli *cli, enum ctl_result result,
    const struct control_error *error, char text[static DAEMON_WHY_BYTES])
{
	struct line l = {.text = text, .size = DAEMON_WHY_BYTES};
	const char *problem = strerror(errno);
	char said[4 * CONTROL_TEXT_BYTES];

	switch (result) {
	case CTL_DONE:
		*text = '\0';
		return CLI_DONE;
	case CTL_REFUSED:
		line_add(&l, "posternd: %s", text_escaped(said, sizeof said, error->text));
		return (enum cli_exit)error->fault;
	case CTL_NOT_RUNNING:
		line_add(&l, "posternd is not running (no control socket at %s)", cli->control);
		break;
	case CTL_NO_PERMISSION:
		line_add(&l, "no permission to talk to posternd at %s; try as root", cli->control);
		return CLI_PERMISSION;
	case CTL_SILENT:
		line_add(&l, "posternd does not answer at %s", cli->control);
		break;
	case CTL_GARBLED:
		line_add(&l,
		    "what answers at %s breaks off or does not speak this version's protocol",
		    cli->control);
		break;
	case CTL_FAILED:
		line_add(&l, "cannot talk to posternd at %s: %s", cli->control, problem);
		break;
	}
	return CLI_FAILED;
}

enum cli_exit daemon_report(
    const struct cli *cli, enum ctl_result result, const struct control_error *error)
{
	char text[DAEMON_WHY_BYTES];
	enum cli_exit status = daemon_explain(cli, result, error, text);

	return result == CTL_DONE ? status : cli_fail(cli, status, "%s", text);
}

enum ctl_result daemon_reload(
    const struct cli *cli, ctl_reply_fn *reply, void *context, struct control_error *error)
{
	enum ctl_result result;
	int problem;

	progress_begin(cli, "posternd reads the configuration", NULL, 0);
	result = ctl_ask(cli->control, CONTROL_RELOAD, RELOAD_NS, reply, context, error);
	problem = errno;
	progress_end();
	errno = problem;
	return result;
}

enum cli_exit daemon_take_over(const struct cli *cli)
{
	struct control_error error = {0};
	enum ctl_result result = daemon_reload(cli, NULL, NULL, &error);

	if (result == CTL_NOT_RUNNING) {
		cli_say(cli, "posternd is not running; it will know this when it starts.");
		return CLI_DONE;
	}
	if (result == CTL_DONE) {
		cli_say(cli, "posternd has taken it over.");
		return CLI_DONE;
	}
	cli_warn(cli, "the change is written, but posternd has not taken it over:");
	return daemon_report(cli, result, &error);
}
