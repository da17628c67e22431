#include "runner/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "runner/answer.h"
#include "runner/argv.h"

#define LOGS_PER_SECOND   5
#define LOGS_AT_ONCE      20
#define BACKOFF_LEAST     (100 * NS_PER_MS)
#define BACKOFF_MOST      (30 * NS_PER_SECOND)
#define NOT_STARTED       127 /* exit status of sh, env and ours when a program could not be run */
#define NOT_EXECUTABLE    126
#define ERRORS_PER_SECOND 1000 /* reads of a helper's standard error, and at once */
#define ERRORS_AT_ONCE    5000

static bool may_log(struct runner_context *b)
{
	if (b->log_rate.burst == 0)
		b->log_rate = rate_of(LOGS_PER_SECOND, LOGS_AT_ONCE);
	return rate_take(&b->log_rate, clock_boot_ns());
}

/* Logs something that an outsider may be the cause of, so often at most. */
static void log_failure(struct runner_context *b, const struct runner_request *request,
    const char *message, const char *why, const char *errors)
{
	char device[UUID_TEXT_BYTES];

	if (!may_log(b))
		return;
	uuid_text(device, request->device);
	log_event(LOG_LEVEL_WARN, message, "task", runner_task_name(request->task), "device",
	    runner_task_is_mains(request->task) ? NULL : device, "why", why, "stderr",
	    *errors == '\0' ? NULL : errors, NULL);
}

/* --- Its answer */

static void answer(struct runner_worker *w, struct runner_reply *reply, enum runner_outcome outcome,
    const char *why)
{
	struct runner_request request = w->request;

	if (outcome != RUNNER_DONE) {
		static const char *const messages[] = {[RUNNER_REFUSED] = "a program refused",
		    [RUNNER_FAILED] = "a program failed",
		    [RUNNER_TIMEOUT] = "a program did not answer in time"};

		log_failure(w->bench, &request, messages[outcome], why, w->errors);
		*reply = (struct runner_reply){0};
	}
	reply->outcome = (uint8_t)outcome;
	w->busy = false;
	w->bench->answer(w->bench->context, &request, reply);
}

/* Ends it for what it did, or did not do. */
static void give_up(struct runner_worker *w, enum runner_outcome outcome, const char *why)
{
	struct runner_reply reply = {0};

	runner_worker_kill(w);
	if (w->busy)
		answer(w, &reply, outcome, why);
	else
		log_event(LOG_LEVEL_WARN, "a helper is restarted", "program", w->program->path,
		    "why", why, NULL);
}

static void answered_line(struct runner_worker *w, char *line, size_t size)
{
	struct runner_reply reply = {0};
	const char *why = "";
	enum runner_outcome outcome;

	if (!w->busy) {
		give_up(w, RUNNER_FAILED, "it spoke without being asked");
		return;
	}
	outcome = runner_answer_helper(&reply, w->request.task, w->last_id, line, size, &why);
	if (outcome == RUNNER_FAILED) {
		give_up(w, outcome, why);
		return;
	}
	w->backoff_ns = BACKOFF_LEAST;
	answer(w, &reply, outcome, why);
}

static bool is_helper(const struct runner_worker *w)
{
	return w->program->asked == CONF_ASKED_HELPER;
}

/* Then it may have done its work, whatever it printed: "no" would be a lie. */
static bool makes_rule(const struct runner_worker *w)
{
	return w->request.task == RUNNER_RULE_ADD || w->request.task == RUNNER_RULE_REMOVE;
}

static void take_lines(struct runner_worker *w)
{
	char *end = memchr(w->output, '\n', w->used);
	size_t size;

	if (end == NULL)
		return;
	size = (size_t)(end - w->output);
	/* One question, one line. */
	if (size + 1 != w->used)
		give_up(w, RUNNER_FAILED, "it printed more than one answer");
	else
		answered_line(w, w->output, size);
	w->used = 0;
}

/* --- Its output */

static void close_source(struct runner_worker *w, struct loop_source *source)
{
	if (source->fd < 0)
		return;
	loop_remove(w->bench->loop, source);
	source->fd = fd_close(source->fd);
}

/* Reads up to `room` bytes. False when there is nothing now; at the end the source is closed. */
static bool take(
    struct runner_worker *w, struct loop_source *source, char *to, size_t room, size_t *used)
{
	ssize_t got = source->fd < 0 ? -1 : read(source->fd, to + *used, room - *used);

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		close_source(w, source);
	if (got <= 0)
		return false;
	*used += (size_t)got;
	return true;
}

static void take_output(struct runner_worker *w)
{
	size_t most = w->bench->settings->output_most;

	if (!take(w, &w->out, w->output, most + 1, &w->used)) {
		if (w->out.fd < 0 && is_helper(w) && !w->ending)
			give_up(w, RUNNER_FAILED, "it closed its output");
		return;
	}
	if (w->used > most)
		give_up(w, makes_rule(w) ? RUNNER_FAILED : RUNNER_REFUSED, "it printed too much");
	else if (is_helper(w))
		take_lines(w);
}

static void out_ready(void *context)
{
	struct runner_worker *w = context;

	take_output(w);
	w->bench->go_on(w->bench->context);
}

static void trim(struct runner_worker *w)
{
	while (w->error_size > 0 && w->errors[w->error_size - 1] == '\n')
		w->errors[--w->error_size] = '\0';
}

/* What does not fit is read all the same, so that the program does not stand still. */
static void err_ready(void *context)
{
	struct runner_worker *w = context;
	char rest[1024];
	size_t unused = 0;
	bool more;

	if (w->error_size < RUNNER_STDERR_BYTES)
		more = take(w, &w->err, w->errors, RUNNER_STDERR_BYTES, &w->error_size);
	else
		more = take(w, &w->err, rest, sizeof rest, &unused);
	w->errors[w->error_size] = '\0';
	if (!more || !is_helper(w) || w->error_size == 0)
		return;
	if (!rate_take(&w->error_rate, clock_boot_ns())) {
		give_up(w, RUNNER_FAILED, "it floods its standard error");
		close_source(w, &w->err);
		return;
	}
	/* A helper's words are logged as they come: it may never end. */
	trim(w);
	if (may_log(w->bench))
		log_event(LOG_LEVEL_WARN, "a helper says", "program", w->program->path, "stderr",
		    w->errors, NULL);
	w->error_size = 0;
	w->errors[0] = '\0';
}

/* --- Its life */

bool runner_worker_init(struct runner_worker *w, struct runner_context *bench)
{
	*w = (struct runner_worker){.bench = bench, .backoff_ns = BACKOFF_LEAST};
	w->out.fd = w->err.fd = w->child.in = -1;
	w->output = malloc(bench->settings->output_most + 1);
	return w->output != NULL;
}

static bool start(struct runner_worker *w, char *const argv[], const char *folder)
{
	const struct runner_settings *s = w->bench->settings;
	const struct runner_child_limits limits = {.resident = is_helper(w),
	    .cpu_s = s->deadline_ms / 1000 + 1,
	    .processes = runner_settings_processes(s)};

	if (!runner_child_start(&w->child, argv, folder, &limits)) {
		w->child.pid = 0;
		return false;
	}
	w->out = (struct loop_source){w->child.out, out_ready, w};
	w->err = (struct loop_source){w->child.err, err_ready, w};
	w->used = w->error_size = 0;
	w->errors[0] = '\0';
	w->error_rate = rate_of(ERRORS_PER_SECOND, ERRORS_AT_ONCE);
	w->ending = false;
	if (!loop_add(w->bench->loop, &w->out) || !loop_add(w->bench->loop, &w->err))
		runner_worker_kill(w);
	return true;
}

bool runner_worker_run(
    struct runner_worker *w, const struct runner_request *request, int64_t now_ns)
{
	struct runner_argv argv;
	char *file = NULL, *folder = NULL, why[TRUSTED_TEXT_BYTES] = "";
	bool started = false;

	if (runner_child_find(&file, &folder, w->program->path, why)) {
		bool built = runner_argv_build(&argv, file, request);

		started = built && start(w, argv.words, folder);
		snprintf(
		    why, sizeof why, "%s", built ? strerror(errno) : "there is no such protocol");
	}
	if (!started)
		log_failure(w->bench, request, "a program was not started", why, "");
	w->request = *request;
	w->busy = started;
	w->deadline_ns = now_ns + w->bench->settings->deadline_ms * NS_PER_MS;
	free(file);
	free(folder);
	return started;
}

/* When a helper may be started again. */
static void pause_helper(struct runner_worker *w, int64_t now_ns)
{
	w->start_at_ns = now_ns + w->backoff_ns;
	w->backoff_ns = w->backoff_ns >= BACKOFF_MOST / 2 ? BACKOFF_MOST : w->backoff_ns * 2;
}

void runner_worker_start(struct runner_worker *w, int64_t now_ns)
{
	char *file = NULL, *folder = NULL, why[TRUSTED_TEXT_BYTES] = "";
	bool started = false;

	if (runner_child_find(&file, &folder, w->program->path, why)) {
		char *const argv[] = {file, NULL};

		started = start(w, argv, folder);
		snprintf(why, sizeof why, "%s", strerror(errno));
	}
	if (!started) {
		log_event(LOG_LEVEL_ERROR, "a helper was not started", "program", w->program->path,
		    "why", why, NULL);
		pause_helper(w, now_ns);
	}
	free(file);
	free(folder);
}

void runner_worker_ask(
    struct runner_worker *w, const struct runner_request *request, int64_t now_ns)
{
	char line[RUNNER_LINE_BYTES], early;
	size_t size;

	secret_random(&w->last_id, sizeof w->last_id);
	size = runner_line_write(line, w->last_id, request);
	w->request = *request;
	w->busy = true;
	w->deadline_ns = now_ns + w->bench->settings->deadline_ms * NS_PER_MS;
	if (size == 0) {
		struct runner_reply reply = {0};

		answer(w, &reply, RUNNER_FAILED, "there is no such protocol");
	} else if (w->used > 0 || read(w->out.fd, &early, sizeof early) > 0) {
		give_up(w, RUNNER_FAILED, "it spoke without being asked");
	} else if (write(w->child.in, line, size) != (ssize_t)size) {
		give_up(w, RUNNER_FAILED, "it does not read");
	}
}

void runner_worker_check(struct runner_worker *w, int64_t now_ns)
{
	if (w->child.pid > 0 && w->busy && w->deadline_ns <= now_ns)
		give_up(w, RUNNER_TIMEOUT, "it was killed");
}

void runner_worker_kill(struct runner_worker *w)
{
	/* Not reaped before runner_worker_ended, so the number is nobody else's. */
	if (w->child.pid > 0 && !w->ending) {
		kill(-w->child.pid, SIGKILL);
		kill(w->child.pid, SIGKILL); /* before it has its own group */
		w->ending = true;
	}
}

/* What a script's end says, when it was not the one that it should be. */
static enum runner_outcome judge_end(int code, int status, char *why, size_t size)
{
	if (code != CLD_EXITED) {
		snprintf(why, size, "it was ended by signal %d", status);
		return RUNNER_FAILED;
	}
	if (status == NOT_STARTED || status == NOT_EXECUTABLE) {
		snprintf(
		    why, size, "it, or what it runs, could not be run: exit status %d", status);
		return RUNNER_FAILED;
	}
	snprintf(why, size, "exit status %d", status);
	return RUNNER_REFUSED;
}

static void answer_by_end(struct runner_worker *w, int code, int status)
{
	struct runner_reply reply = {0};
	char text[80];
	const char *why = text;
	enum runner_outcome outcome;

	if (is_helper(w)) {
		outcome = RUNNER_FAILED;
		why = "it ended";
	} else if (code == CLD_EXITED && status == 0) {
		outcome = runner_answer_script(&reply, w->request.task, w->output, w->used, &why);
	} else {
		outcome = judge_end(code, status, text, sizeof text);
	}
	answer(w, &reply, outcome, why);
}

/* What is still in its pipes; any of it may prove to be too much. */
static void take_the_rest(struct runner_worker *w)
{
	size_t before;

	do {
		before = w->used;
		take_output(w);
	} while (w->out.fd >= 0 && w->used != before && !w->ending);
	do {
		before = w->error_size;
		err_ready(w);
	} while (w->err.fd >= 0 && w->error_size != before);
	trim(w);
}

void runner_worker_ended(struct runner_worker *w, int code, int status, int64_t now_ns)
{
	if (w->busy && !is_helper(w))
		take_the_rest(w);
	if (w->busy)
		answer_by_end(w, code, status);
	else if (is_helper(w) && !w->ending)
		log_event(LOG_LEVEL_WARN, "a helper ended", "program", w->program->path, NULL);
	close_source(w, &w->out);
	close_source(w, &w->err);
	fd_close(w->child.in);
	w->child = (struct runner_child){.in = -1, .out = -1, .err = -1};
	w->ending = false;
	if (is_helper(w))
		pause_helper(w, now_ns);
}
