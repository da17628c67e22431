#include "cmd/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/text.h"

#define ANSWER_NS (5 * NS_PER_SECOND)
/* A reload reads and checks every key of every client. */
#define RELOAD_NS (60 * NS_PER_SECOND)

/* Room for one more in an array that doubles; NULL when memory is short. */
static void *one_more(void *items, size_t count, size_t size)
{
	if ((count & (count - 1)) != 0) /* room is left until the next power of two */
		return items;
	return reallocarray(items, count == 0 ? 1 : 2 * count, size);
}

static void take_session(struct daemon_state *state, const struct control_session *session)
{
	void *grown = one_more(state->sessions, state->session_count, sizeof *session);

	if (grown == NULL) {
		state->short_of_memory = true;
		return;
	}
	state->sessions = grown;
	state->sessions[state->session_count++] = *session;
}

static void take_seen(struct daemon_state *state, const struct control_last_seen *seen)
{
	void *grown = one_more(state->seen, state->seen_count, sizeof *seen);

	if (grown == NULL) {
		state->short_of_memory = true;
		return;
	}
	state->seen = grown;
	state->seen[state->seen_count++] = *seen;
}

static void take_record(void *context, const struct control_record *record)
{
	if (record->type == CONTROL_SESSION)
		take_session(context, &record->session);
	else if (record->type == CONTROL_LAST_SEEN)
		take_seen(context, &record->last_seen);
}

static int compare_sessions(const void *a, const void *b)
{
	const struct control_session *left = a, *right = b;
	int names = strcmp(left->client, right->client);

	return names != 0 ? names : memcmp(left->address.bytes, right->address.bytes, ADDR_BYTES);
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
	snprintf(key.client, sizeof key.client, "%s", client);
	return bsearch(&key, state->seen, state->seen_count, sizeof *state->seen, compare_seen);
}

enum cli_exit daemon_report(
    const struct cli *cli, enum ctl_result result, const struct control_error *error)
{
	char text[4 * CONTROL_TEXT_BYTES];

	switch (result) {
	case CTL_DONE:
		return CLI_DONE;
	case CTL_REFUSED:
		text_escaped(text, sizeof text, error->text);
		return cli_fail(cli, (enum cli_exit)error->fault, "posternd: %s", text);
	case CTL_NOT_RUNNING:
		return cli_fail(cli, CLI_FAILED,
		    "posternd is not running (no control socket at %s)", cli->control);
	case CTL_NO_PERMISSION:
		return cli_fail(cli, CLI_PERMISSION,
		    "no permission to talk to posternd at %s; try as root", cli->control);
	case CTL_SILENT:
		return cli_fail(cli, CLI_FAILED, "posternd does not answer at %s", cli->control);
	case CTL_GARBLED:
		return cli_fail(cli, CLI_FAILED,
		    "what answers at %s breaks off or does not speak this version's protocol",
		    cli->control);
	case CTL_FAILED:
		break;
	}
	return cli_fail_errno(cli, "cannot talk to posternd at %s", cli->control);
}

enum ctl_result daemon_reload(
    const struct cli *cli, ctl_reply_fn *reply, void *context, struct control_error *error)
{
	return ctl_ask(cli->control, CONTROL_RELOAD, RELOAD_NS, reply, context, error);
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
