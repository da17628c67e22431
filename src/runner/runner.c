/* The both runners: carry out, by the administrator's own programs, what the keeper asks.
 * The two differ in what they may do and in which tasks are theirs. Everything is bounded: how
 * many programs run, how long, what they may print, and how many questions wait. */
#include "runner/runner.h"

#include <errno.h>
#include <signal.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proc/process.h"
#include "proc/sandbox.h"
#include "proto/rsa_key.h"
#include "runner/cache.h"
#include "runner/pool.h"
#include "runner/queue.h"

/* Authorizations wait apart and go first: they come from a known device, while anybody can ask
 * for keys. What main asks goes before rules, and shutting before opening: whoever asks for much
 * must not keep open what is over. */
enum { LANE_FIRST, LANE_SHUT, LANE_REST, LANE_COUNT };

static int lane_of(uint8_t task)
{
	if (task == RUNNER_RULE_REMOVE)
		return LANE_SHUT;
	return task == RUNNER_PUBLIC_KEY || task == RUNNER_RULE_ADD ? LANE_REST : LANE_FIRST;
}

MESSAGES_TO_RUNNERS(MESSAGE_DECLARE)

struct runner {
	struct process process;
	struct peer keeper; /* fd -1: nobody who asks, or none any more */
	struct loop_source signals, timer;
	struct runner_settings settings;
	struct runner_context bench;
	struct runner_pool pool;
	struct runner_queue lanes[LANE_COUNT];
	struct runner_cache cache;
};

static bool is_privileged(const struct runner *r)
{
	return r->process.main.channel.self == ROLE_PRIVILEGED_RUNNER;
}

/* --- Answers */

/* Nobody asks any more but main, which ends us when it has nothing to ask, either. */
static bool keeper_gone(void *context)
{
	struct runner *r = context;

	peer_close(&r->keeper);
	return true;
}

static void reply_to_main(struct runner *r, uint8_t task, uint8_t outcome)
{
	const struct message_server_task done = {task, outcome};

	if (!channel_send(&r->process.main.channel, MESSAGE_SERVER_TASK_DONE, &done, NULL))
		loop_stop(&r->process.loop);
}

static void reply_to_keeper(struct runner *r, const struct runner_reply *reply)
{
	if (r->keeper.channel.fd >= 0 &&
	    !channel_send(
	        &r->keeper.channel, is_privileged(r) ? MESSAGE_RULED : MESSAGE_RAN, reply, NULL))
		keeper_gone(r);
}

static void reply_to_asker(
    struct runner *r, const struct runner_request *request, struct runner_reply *reply)
{
	reply->ticket = request->ticket;
	if (runner_task_is_mains(request->task))
		reply_to_main(r, request->task, reply->outcome);
	else
		reply_to_keeper(r, reply);
}

static void reply_without(
    struct runner *r, const struct runner_request *request, enum runner_outcome outcome)
{
	struct runner_reply reply = {.outcome = (uint8_t)outcome};

	reply_to_asker(r, request, &reply);
}

static void answered(
    void *context, const struct runner_request *request, struct runner_reply *reply)
{
	struct runner *r = context;

	if (request->task == RUNNER_PUBLIC_KEY)
		runner_cache_keep(&r->cache, reply, request->device, clock_boot_ns());
	reply_to_asker(r, request, reply);
}

/* --- Work */

/* False: nobody can do it now. */
static bool begin(struct runner *r, const struct runner_request *request, int lane, int64_t now)
{
	struct runner_worker *w = r->pool.helper_of[request->task];

	if (w != NULL) {
		if (w->child.pid <= 0 || w->busy || w->ending)
			return false;
		runner_worker_ask(w, request, now);
		return true;
	}
	/* Of several places one is kept for those of the first lane. */
	w = runner_pool_place(
	    &r->pool, lane != LANE_FIRST && r->settings.most_at_once > 1 && !is_privileged(r));
	if (w == NULL)
		return false;
	w->program = &r->settings.programs[request->task];
	if (!runner_worker_run(w, request, now))
		reply_without(r, request, RUNNER_FAILED);
	return true;
}

/* An answer that came while it waited saves asking again. */
static bool answer_from_cache(struct runner *r, const struct runner_request *request, int64_t now)
{
	struct runner_reply reply;

	if (request->task != RUNNER_PUBLIC_KEY ||
	    !runner_cache_find(&r->cache, &reply, request->device, now))
		return false;
	reply_to_asker(r, request, &reply);
	return true;
}

static void serve_lane(struct runner *r, int lane, int64_t now)
{
	const struct runner_queued *head;

	while ((head = runner_queue_head(&r->lanes[lane])) != NULL) {
		if (head->until_ns <= now)
			reply_without(r, &head->request, RUNNER_BUSY);
		else if (!answer_from_cache(r, &head->request, now) &&
		         !begin(r, &head->request, lane, now))
			return;
		runner_queue_pop(&r->lanes[lane]);
	}
}

static int64_t next_event(const struct runner *r)
{
	int64_t when = runner_pool_next(&r->pool);

	for (int lane = 0; lane < LANE_COUNT; lane++) {
		const struct runner_queued *head = runner_queue_head(&r->lanes[lane]);

		if (head != NULL)
			when = MIN(when, head->until_ns);
	}
	return when;
}

/* After everything that happens: ends what is late, starts what can be, sets the timer. */
static void go_on(void *context)
{
	struct runner *r = context;
	int64_t now = clock_boot_ns(), next;

	runner_pool_check(&r->pool, now);
	for (int lane = 0; lane < LANE_COUNT; lane++)
		serve_lane(r, lane, now);
	next = next_event(r);
	timer_set(r->timer.fd, next == INT64_MAX ? 0 : next <= now ? 1 : next - now, 0);
}

/* --- Sources */

static void signal_ready(void *context)
{
	struct runner *r = context;
	struct signalfd_siginfo info;

	if (read(r->signals.fd, &info, sizeof info) != sizeof info)
		return;
	runner_pool_reap(&r->pool);
	go_on(r);
}

static void timer_ready(void *context)
{
	struct runner *r = context;

	timer_read(r->timer.fd);
	go_on(r);
}

static void take_request(struct runner *r, const struct runner_request *request)
{
	int64_t now = clock_boot_ns();

	if (!answer_from_cache(r, request, now) &&
	    !runner_queue_push(&r->lanes[lane_of(request->task)], request,
	        now + r->settings.deadline_ms * NS_PER_MS))
		reply_without(r, request, RUNNER_BUSY);
}

static bool has_program(const struct runner *r, uint8_t task)
{
	return task < RUNNER_TASK_COUNT && r->settings.programs[task].asked != CONF_ASKED_NATIVE;
}

bool runner_take_request(
    void *context, const struct runner_request *request, struct message_fds *fds)
{
	struct runner *r = context;
	const struct runner_reply failed = {.ticket = request->ticket, .outcome = RUNNER_FAILED};

	(void)fds;
	if (has_program(r, request->task) && !runner_task_is_mains(request->task)) {
		take_request(r, request);
	} else {
		log_line(LOG_LEVEL_ERROR, "asked for something that no program is there for");
		reply_to_keeper(r, &failed);
	}
	go_on(r);
	return true;
}

bool runner_take_server_task(
    void *context, const struct message_server_task *m, struct message_fds *fds)
{
	struct runner *r = context;
	const struct runner_request request = {.task = m->task};

	(void)fds;
	if (has_program(r, m->task) && runner_task_is_mains(m->task))
		take_request(r, &request);
	else
		reply_to_main(r, m->task, RUNNER_FAILED);
	go_on(r);
	return true;
}

/* --- The start and the end */

static bool prepare(struct runner *r)
{
	bool ok;

	r->bench = (struct runner_context){.loop = &r->process.loop,
	    .settings = &r->settings,
	    .answer = answered,
	    .go_on = go_on,
	    .context = r};
	ok = runner_pool_open(&r->pool, &r->bench);
	for (int i = 0; ok && i < LANE_COUNT; i++)
		ok = runner_queue_init(&r->lanes[i], r->settings.queue_most);
	return ok;
}

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The keeper's, unless there is nothing that it could ask. */
static bool take_channel(struct runner *r, struct message_fds *fds)
{
	bool asks = !is_privileged(r) || runner_settings_make_rules(&r->settings);

	r->keeper.channel.fd = -1;
	r->keeper.closed = keeper_gone;
	return !asks || process_open_peer(&r->process, &r->keeper, ROLE_KEEPER, fds);
}

/* What a user of their own may write, programs may, unless the administrator has drawn the line
 * closer. Root's files are everybody's. */
static bool limit_files(const struct runner *r, uid_t uid)
{
	return (uid != 0 && r->settings.writable[0] == '\0') ||
	       sandbox_read_only(r->settings.writable);
}

bool runner_begin(void *context, const struct runner_settings *settings, struct message_fds *fds)
{
	struct runner *r = context;
	const struct hello *who = &r->process.hello;

	r->settings = *settings;
	errno = EINVAL;
	if (!runner_settings_fit(&r->settings) || (who->uid == 0 && !is_privileged(r)) ||
	    (who->uid != 0 && who->gid == 0))
		return false;
	runner_settings_keep(&r->settings, is_privileged(r));
	if (!take_channel(r, fds))
		return false;
	r->signals = (struct loop_source){signals_open(), signal_ready, r};
	r->timer = (struct loop_source){timer_open(), timer_ready, r};
	if (!prepare(r))
		return false;
	if (r->pool.children.fd < 0)
		log_line(LOG_LEVEL_WARN, "this kernel does not list children: what programs leave "
		                         "behind outside their session is not ended");
	return rsa_init() && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 && r->signals.fd >= 0 &&
	       r->timer.fd >= 0 && loop_add(&r->process.loop, &r->signals) &&
	       loop_add(&r->process.loop, &r->timer) && limit_files(r, who->uid);
}

MESSAGES_TO_RUNNERS(MESSAGE_TAKE)

static message_handler *const handlers[MESSAGE_COUNT] = {MESSAGES_TO_RUNNERS(MESSAGE_ENTRY)};

int runner_run(enum role role)
{
	static struct runner r;
	int status = process_run(&r.process, role,
	    role == ROLE_RUNNER ? &sandbox_runner : &sandbox_privileged_runner, handlers, &r,
	    go_on);

	if (r.pool.scripts != NULL)
		runner_pool_end(&r.pool);
	return status;
}
