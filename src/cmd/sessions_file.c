#include "cmd/sessions_file.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cmd/daemon.h"
#include "cmd/json.h"
#include "cmd/names.h"
#include "cmd/text.h"
#include "files/write_file.h"

#define MISSES_MOST 5  /* questions without an answer: a start or a reload takes a moment */
#define EASE        10 /* of the time, nine parts are rest, however many sessions there are */

struct keeping {
	const char *path;
	char *text; /* as it was written last; NULL: not yet */
	bool failed;
	unsigned int misses;
};

static void put_session(
    struct json *j, struct names *names, const struct control_session *s, int64_t now_ns)
{
	char address[ADDR_TEXT_BYTES], protocol[4];
	int64_t left = s->remaining_ms > INT32_MAX ? INT32_MAX : (int64_t)s->remaining_ms;
	/* Whole seconds: looked at again it is the same. */
	int64_t end_s = (now_ns + left * NS_PER_MS + NS_PER_SECOND / 2) / NS_PER_SECOND;

	json_open(j, NULL, '{');
	json_string(j, "client_name", names_of(names, s->client));
	json_string(j, "ip", addr_text(&s->address, address));
	json_open(j, "ports", '[');
	for (size_t i = 0; i < s->port_count; i++) {
		json_open(j, NULL, '{');
		json_number(j, "port", s->ports[i].first);
		json_string(j, "proto", text_protocol(s->ports[i].protocol, protocol));
		if (s->ports[i].last != s->ports[i].first)
			json_number(j, "end_port", s->ports[i].last);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_time(j, "opened_at", s->opened_ns);
	json_time(j, "expires_at", end_s * NS_PER_SECOND);
	json_close(j, '}');
}

/* openme's members, and no others. False without memory. */
static bool render(const struct daemon_state *state, char **text, size_t *size)
{
	struct json j = {.to = open_memstream(text, size)};
	struct names names = {.asked = true}; /* no private key here for a name */
	int64_t now_ns = clock_real_ns();

	if (j.to == NULL)
		return false;
	json_open(&j, NULL, '{');
	json_time(&j, "updated_at", now_ns);
	json_open(&j, "active_sessions", '[');
	for (size_t i = 0; i < state->session_count; i++)
		if (!state->sessions[i].overdue)
			put_session(&j, &names, &state->sessions[i], now_ns);
	json_close(&j, ']');
	json_open(&j, "last_seen", '{');
	for (size_t i = 0; i < state->seen_count; i++)
		json_time(&j, names_of(&names, state->seen[i].client), state->seen[i].when_ns);
	json_close(&j, '}');
	json_close(&j, '}');
	if (fclose(j.to) == 0)
		return true;
	free(*text);
	return false;
}

/* Who may look into the folder may read the file, as far as we may say so. */
static void give_rights(const struct new_file *file)
{
	const mode_t group = S_IRGRP | S_IXGRP;
	struct stat st;

	if (fstat(file->folder, &st) == 0 && (st.st_mode & group) == group && st.st_gid != 0 &&
	    fchown(file->fd, (uid_t)-1, st.st_gid) == 0)
		(void)fchmod(file->fd, 0640);
}

static void write_out(struct keeping *k, const char *text, size_t size)
{
	struct new_file file;
	bool done = new_file_open(&file, k->path);

	if (done)
		give_rights(&file);
	done = done && file_write_whole(file.fd, text, size) && new_file_commit(&file, true);
	if (!done && !k->failed)
		log_event(LOG_LEVEL_WARN, "cannot write the sessions file; knocks are served",
		    "path", k->path, "error", strerror(errno), NULL);
	else if (done && k->failed)
		log_event(
		    LOG_LEVEL_INFO, "the sessions file is written again", "path", k->path, NULL);
	k->failed = !done;
	new_file_close(&file);
}

static const char *after_time(const char *text)
{
	return strchr(text, ',');
}

/* Only what has changed is written; what could not be, is tried again. */
static void take(struct keeping *k, const struct daemon_state *state)
{
	char *text = NULL;
	size_t size = 0;

	if (!render(state, &text, &size))
		return;
	if (k->failed || k->text == NULL || strcmp(after_time(k->text), after_time(text)) != 0)
		write_out(k, text, size);
	free(k->text);
	k->text = text;
}

static void miss(struct keeping *k, const struct cli *cli, struct daemon_state *last)
{
	if (++k->misses != MISSES_MOST)
		return;
	log_event(LOG_LEVEL_WARN, "no answer of the daemon's for the sessions file", "control",
	    cli->control, NULL);
	last->session_count = 0;
	take(k, last);
}

static void look(struct keeping *k, const struct cli *cli, struct daemon_state *last)
{
	struct control_error error = {0};
	struct daemon_state state;

	if (daemon_state_ask(cli, &state, &error) != CTL_DONE || state.short_of_memory) {
		daemon_state_free(&state);
		miss(k, cli, last);
		return;
	}
	k->misses = 0;
	daemon_state_free(last);
	*last = state;
	take(k, last);
}

static bool told_to_stop(const sigset_t *signals, int64_t wait_ns)
{
	const struct timespec wait = clock_timespec(wait_ns);
	int got;

	do {
		got = sigtimedwait(signals, NULL, &wait);
	} while (got < 0 && errno == EINTR);
	return got > 0;
}

enum cli_exit sessions_file_keep(const struct cli *cli, const char *path)
{
	struct keeping k = {.path = path};
	struct daemon_state last = {0};
	int64_t pause_ns = NS_PER_SECOND;
	sigset_t signals;

	log_open("sessions", LOG_LEVEL_INFO, cli->json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	while (!told_to_stop(&signals, pause_ns)) {
		int64_t began_ns = clock_boot_ns();

		look(&k, cli, &last);
		pause_ns = EASE * (clock_boot_ns() - began_ns);
		if (pause_ns < NS_PER_SECOND)
			pause_ns = NS_PER_SECOND;
	}
	last.session_count = 0;
	take(&k, &last);
	daemon_state_free(&last);
	free(k.text);
	return CLI_DONE;
}
