#include "proc/role_main.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/loop.h"
#include "base/notify.h"
#include "conf/conf.h"
#include "ctl/control.h"
#include "proc/control_socket.h"
#include "proc/counters.h"
#include "proc/handout.h"
#include "proc/public_address.h"
#include "proc/sandbox.h"
#include "proc/spawn.h"
#include "proto/rsa_value.h"

#define READY_TIMEOUT_MS 10000
#define STOP_TIMEOUT_MS  3000
#define FIRST_ROLE       ((enum role)(ROLE_MAIN + 1))
#define END_ROLE         ROLE_RUNNER /* the roles that are always there end here */

struct child {
	pid_t pid; /* 0: not running */
	struct channel channel;
	struct loop_source source;
};

struct main_process {
	const struct main_options *options;
	struct loop loop;
	struct loop_source signals;
	struct child children[ROLE_COUNT];
	struct settings settings; /* in force */
	uint32_t clients;
	uint32_t devices;
	uint64_t generation;
	int control; /* listener */
	int exit_status;
	bool reload_asked_by_desk;
	struct public_address public; /* as learned at the start */
};

static void fail(struct main_process *m, enum role role, const char *what)
{
	if (m->loop.stopped)
		return;
	log_event(LOG_LEVEL_ERROR, what, "process", role_name(role), "then",
	    "stopping; the ports stay shut", NULL);
	m->exit_status = EXIT_FAILED;
	loop_stop(&m->loop);
}

/* --- Starting */

static bool wait_ready(struct main_process *m, struct child *child)
{
	struct message message;

	do {
		if (channel_wait(&child->channel, &message, PHASE_RUN, READY_TIMEOUT_MS) !=
		    CHANNEL_MESSAGE)
			return false;
		/* The desk may ask before it has heard that a reload is under way: its turn
		 * comes after this one. */
		if (message.type == MESSAGE_RELOAD_WANTED)
			m->reload_asked_by_desk = true;
	} while (message.type == MESSAGE_RELOAD_WANTED);
	errno = message.body.DOORMAN_READY.error; /* the same struct for all */
	return errno == 0;
}

/* Sends BEGIN to all roles, with the channels between them and their counters. */
static bool introduce(struct main_process *m, const struct identity who[static ROLE_COUNT],
    const struct settings *settings)
{
	int door[2] = {-1, -1}, desk[2] = {-1, -1};
	int door_counters = counters_create(), keeper_counters = counters_create();
	bool ok =
	    door_counters >= 0 && keeper_counters >= 0 && channel_pair(door) && channel_pair(desk);
	const int fds[ROLE_COUNT][MESSAGE_FDS_MOST] = {
	    [ROLE_DOORMAN] = {door[0], door_counters},
	    [ROLE_KEEPER] = {door[1], desk[1], keeper_counters},
	    [ROLE_DESK] = {desk[0], door_counters, keeper_counters, m->control},
	};
	static const size_t counts[ROLE_COUNT] = {
	    [ROLE_DOORMAN] = 2, [ROLE_KEEPER] = 3, [ROLE_DESK] = 4};
	static const enum message_type types[ROLE_COUNT] = {[ROLE_DOORMAN] = MESSAGE_BEGIN_DOORMAN,
	    [ROLE_KEEPER] = MESSAGE_BEGIN_KEEPER,
	    [ROLE_DESK] = MESSAGE_BEGIN_DESK};

	for (enum role role = FIRST_ROLE; ok && role < END_ROLE; role++) {
		const struct message_begin begin = {.uid = who[role].uid,
		    .gid = who[role].gid,
		    .control_uid = getuid(),
		    .log_level = m->options->log_level,
		    .log_format = m->options->log_format,
		    .openspa = settings->openspa.enabled,
		    .firewall = (enum conf_firewall)settings->firewall};

		ok = channel_send(
		    &m->children[role].channel, types[role], &begin, fds[role], counts[role]);
	}
	for (int i = 0; i < 2; i++) {
		if (door[i] >= 0)
			close(door[i]);
		if (desk[i] >= 0)
			close(desk[i]);
	}
	if (door_counters >= 0)
		close(door_counters);
	if (keeper_counters >= 0)
		close(keeper_counters);
	return ok;
}

static bool start_roles(struct main_process *m, const struct settings *settings)
{
	struct identity who[ROLE_COUNT] = {0};

	if (!spawn_identities(who)) {
		log_line(LOG_LEVEL_ERROR, "there is no unused uid to run as: add the user postern");
		return false;
	}
	for (enum role role = FIRST_ROLE; role < END_ROLE; role++) {
		struct child *child = &m->children[role];

		child->pid = spawn_role(role, &child->channel);
		if (child->pid < 0) {
			child->pid = 0;
			log_event(LOG_LEVEL_ERROR, "cannot start a process", "process",
			    role_name(role), "error", strerror(errno), NULL);
			return false;
		}
	}
	if (!introduce(m, who, settings))
		return false;
	for (enum role role = FIRST_ROLE; role < END_ROLE; role++) {
		if (!wait_ready(m, &m->children[role])) {
			log_event(LOG_LEVEL_ERROR, "a process did not start", "process",
			    role_name(role), NULL);
			return false;
		}
	}
	return true;
}

/* --- Handing out a configuration */

static bool configure(struct main_process *m, enum role role, enum message_type type,
    const void *body, const int *fds, size_t fd_count)
{
	struct child *child = &m->children[role];

	if (channel_send(&child->channel, type, body, fds, fd_count) && wait_ready(m, child))
		return true;
	log_event(LOG_LEVEL_ERROR, "the configuration was not taken over", "process",
	    role_name(role), "error", strerror(errno), NULL);
	return false;
}

/* The secrets go to the doorman alone. */
static bool configure_doorman(
    struct main_process *m, const struct conf *conf, const struct handout *h)
{
	struct message_secret secret = {
	    .openme = conf_has_openme(conf), .openspa = conf_has_openspa(conf)};
	int fds[3] = {h->fd};
	size_t fd_count = 1;
	bool ok;

	if (secret.openme)
		memcpy(secret.secret, conf_server_secret(conf), sizeof secret.secret);
	if (secret.openspa)
		secret.rsa = *conf_openspa_secret(conf);
	if (h->udp >= 0)
		fds[fd_count++] = h->udp;
	if (h->openspa >= 0)
		fds[fd_count++] = h->openspa;
	ok = configure(m, ROLE_DOORMAN, MESSAGE_CONFIG_DOORMAN, &secret, fds, fd_count);
	explicit_bzero(&secret, sizeof secret);
	return ok;
}

static bool configure_desk(struct main_process *m, const struct handout *h)
{
	static const struct message_empty nothing;
	const int fds[2] = {h->fd, h->health};

	return configure(m, ROLE_DESK, MESSAGE_CONFIG_DESK, &nothing, fds, h->health >= 0 ? 2 : 1);
}

/* False when the old configuration is still in force everywhere, or the daemon is stopping. */
static bool hand_out(struct main_process *m, const struct conf *conf, const struct handout *h)
{
	static const struct message_empty nothing;

	if (!configure(m, ROLE_KEEPER, MESSAGE_CONFIG_KEEPER, &nothing, &h->fd, 1))
		return false;
	if (!configure_doorman(m, conf, h) || !configure_desk(m, h)) {
		/* Half of it is in force: no state to go on in. */
		fail(m, ROLE_DOORMAN, "the configuration was taken over by some only");
		return false;
	}
	m->settings = *h->snapshot.settings;
	m->clients = h->snapshot.client_count;
	m->devices = h->snapshot.device_count;
	return true;
}

/* --- Loading */

/* What the file may say but this version does not do: refused, since leaving it out would let in
 * whom a script would have turned away. */
static bool is_served(const struct conf *conf, struct conf_error *why)
{
	static const char *const names[CONF_TASK_COUNT] = {"userDirectoryService", "authorization",
	    "ruleAdd", "ruleRemove", "serverStart", "serverStop"};

	for (int task = 0; conf_has_openspa(conf) && task < CONF_TASK_COUNT; task++) {
		if (conf_openspa_program(conf, (enum conf_task)task)->asked == CONF_ASKED_NATIVE)
			continue;
		snprintf(why->text, sizeof why->text,
		    "%s: %s: this version runs no scripts; use devices, rules and durations",
		    conf_path(conf), names[task]);
		return false;
	}
	return true;
}

struct conf *main_load(const char *path, struct conf_error *why)
{
	struct conf *conf = conf_load(path, why);

	if (conf != NULL && !is_served(conf, why)) {
		conf_free(conf);
		return NULL;
	}
	return conf;
}

/* --- Reload */

/* The key of a setting that differs and that the open sockets or the sandbox hang on, or NULL. */
static const char *fixed_setting(const struct settings *a, const struct settings *b)
{
	if (a->udp_port != b->udp_port)
		return "server.udp_port";
	if (a->health_port != b->health_port)
		return "server.health_port";
	if (strcmp(a->interface, b->interface) != 0)
		return "server.interface";
	if (a->firewall != b->firewall)
		return "server.firewall";
	if (a->openme != b->openme)
		return "server.private_key";
	if (a->openspa.enabled != b->openspa.enabled)
		return "openspa";
	if (a->openspa.port != b->openspa.port)
		return "openspa.port";
	if (!addr_equal(&a->openspa.bind, &b->openspa.bind))
		return "openspa.bind";
	return NULL;
}

/* Takes a new configuration over, or gives the fault and its reason in `why`. */
static int reload(struct main_process *m, struct conf_error *why)
{
	struct conf *next = main_load(m->options->config, why);
	struct handout h = HANDOUT_EMPTY;
	const char *fixed = NULL;
	int fault = CONTROL_FAULT_FAILED;

	if (next == NULL)
		return why->permission ? CONTROL_FAULT_PERMISSION : CONTROL_FAULT_CONFIG;
	conf_set_public(next, m->public.found);
	snprintf(why->text, sizeof why->text, "the configuration was not taken over; see the log");
	if (handout_open(&h, next, ++m->generation)) {
		fixed = fixed_setting(&m->settings, h.snapshot.settings);
		if (fixed != NULL) {
			snprintf(why->text, sizeof why->text,
			    "%s: %s: cannot change while running; restart posternd",
			    m->options->config, fixed);
			fault = CONTROL_FAULT_CONFIG;
		} else if (hand_out(m, next, &h)) {
			fault = 0;
		}
	}
	handout_close(&h);
	conf_free(next);
	return fault;
}

static void reload_and_tell(struct main_process *m, bool for_desk)
{
	struct conf_error why = {.text = ""};
	struct message_text answer = {0};

	m->reload_asked_by_desk = false;
	notify_reloading();
	answer.fault = reload(m, &why);
	if (answer.fault != 0)
		log_event(LOG_LEVEL_ERROR, "reload refused, the old configuration stays", "why",
		    why.text, NULL);
	else
		log_line(
		    LOG_LEVEL_INFO, "reloaded: %u clients, %u devices", m->clients, m->devices);
	notify_manager("READY=1");
	if (!for_desk)
		return;
	snprintf(answer.text, sizeof answer.text, "%.*s", (int)sizeof answer.text - 1, why.text);
	channel_send(&m->children[ROLE_DESK].channel, MESSAGE_RELOAD_DONE, &answer, NULL, 0);
}

/* --- Running */

static void child_ready(struct main_process *m, enum role role)
{
	struct message message;

	switch (channel_receive(&m->children[role].channel, &message, PHASE_RUN)) {
	case CHANNEL_MESSAGE:
		if (message.type == MESSAGE_RELOAD_WANTED) {
			reload_and_tell(m, true);
		} else {
			fail(m, role, "a process spoke out of turn");
		}
		break;
	case CHANNEL_CLOSED:
		fail(m, role, "a process has ended");
		break;
	case CHANNEL_EMPTY:
		break;
	}
}

static void doorman_ready(void *context)
{
	child_ready(context, ROLE_DOORMAN);
}

static void keeper_ready(void *context)
{
	child_ready(context, ROLE_KEEPER);
}

static void desk_ready(void *context)
{
	child_ready(context, ROLE_DESK);
}

static void signal_ready(void *context)
{
	struct main_process *m = context;
	struct signalfd_siginfo info;

	if (read(m->signals.fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGHUP) {
		reload_and_tell(m, false);
		if (m->reload_asked_by_desk && !m->loop.stopped)
			reload_and_tell(m, true);
	} else if (info.ssi_signo == SIGCHLD) {
		/* Their channels tell: nothing to do until the end. */
	} else {
		log_line(LOG_LEVEL_INFO, "stopping");
		notify_manager("STOPPING=1");
		loop_stop(&m->loop);
	}
}

/* Before the first child is started: a signal that comes early must not be lost. */
static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool enter_loop(struct main_process *m)
{
	static void (*const ready[ROLE_COUNT])(void *) = {
	    [ROLE_DOORMAN] = doorman_ready, [ROLE_KEEPER] = keeper_ready, [ROLE_DESK] = desk_ready};
	bool ok = loop_add(&m->loop, &m->signals);

	for (enum role role = FIRST_ROLE; ok && role < END_ROLE; role++) {
		struct child *child = &m->children[role];

		child->source = (struct loop_source){child->channel.fd, ready[role], m};
		ok = loop_add(&m->loop, &child->source);
	}
	return ok && loop_run(&m->loop);
}

/* --- Stopping */

static void reap(struct main_process *m, int timeout_ms)
{
	static const struct timespec step = {0, 2000000};

	for (int waited = 0;; waited += 2) {
		bool all = true;

		for (enum role role = FIRST_ROLE; role < END_ROLE; role++) {
			struct child *child = &m->children[role];

			if (child->pid > 0 && waitpid(child->pid, NULL, WNOHANG) != 0)
				child->pid = 0;
			all = all && child->pid == 0;
		}
		if (all)
			return;
		if (waited >= timeout_ms)
			break;
		nanosleep(&step, NULL);
	}
	for (enum role role = FIRST_ROLE; role < END_ROLE; role++) {
		if (m->children[role].pid > 0) {
			kill(m->children[role].pid, SIGKILL);
			waitpid(m->children[role].pid, NULL, 0);
		}
	}
}

/* After a failure the rules stay, so that the ports stay shut. */
static void stop_roles(struct main_process *m)
{
	struct message_stop stop = {.keep_rules = m->exit_status != EXIT_DONE ||
	                                          m->settings.shutdown == CONF_SHUTDOWN_KEEP};

	if (m->children[ROLE_KEEPER].pid > 0)
		channel_send(
		    &m->children[ROLE_KEEPER].channel, MESSAGE_STOP_KEEPER, &stop, NULL, 0);
	for (enum role role = FIRST_ROLE; role < END_ROLE; role++) {
		/* The keeper ends by its message; its channel must not cut that short. */
		if (m->children[role].pid > 0 && role != ROLE_KEEPER)
			close(m->children[role].channel.fd);
	}
	reap(m, STOP_TIMEOUT_MS);
}

static void warn(const struct conf *conf)
{
	if (conf_server(conf)->firewall == CONF_FIREWALL_IPTABLES)
		log_line(LOG_LEVEL_WARN, "firewall: iptables is served through nftables; rules of "
		                         "legacy iptables are neither seen nor passed");
}

static bool start(struct main_process *m, const struct conf *conf)
{
	struct handout h = HANDOUT_EMPTY;
	bool ok = handout_open(&h, conf, ++m->generation) && start_roles(m, h.snapshot.settings) &&
	          handout_open_sockets(&h) && hand_out(m, conf, &h);

	handout_close(&h);
	return ok && sandbox_close(ROLE_MAIN, 0, 0);
}

static void say_ready(const struct main_process *m)
{
	if (m->settings.openme)
		log_line(LOG_LEVEL_INFO, "ready for knocks of %u clients on UDP port %u",
		    m->clients, m->settings.udp_port);
	if (m->settings.openspa.enabled)
		log_line(LOG_LEVEL_INFO, "ready for OpenSPA requests of %u devices on UDP port %u",
		    m->devices, m->settings.openspa.port);
	notify_manager("READY=1");
}

/* From an open control socket to the end. `conf` is freed as soon as the roles have it: only the
 * doorman keeps the secret. */
static void run(struct main_process *m, struct conf *conf)
{
	bool started = start(m, conf);

	conf_free(conf);
	if (started) {
		m->exit_status = EXIT_DONE;
		say_ready(m);
		if (!enter_loop(m))
			m->exit_status = EXIT_FAILED;
	}
	stop_roles(m);
}

int role_main(const struct main_options *options)
{
	struct main_process m = {.options = options, .control = -1, .exit_status = EXIT_FAILED};
	struct conf_error why = {.text = ""};
	struct conf *conf = main_load(options->config, &why);

	if (conf == NULL) {
		log_event(LOG_LEVEL_ERROR, "cannot use the configuration", "why", why.text, NULL);
		return why.permission ? EXIT_PERMISSION : EXIT_CONFIG;
	}
	warn(conf);
	public_address_learn(&m.public, conf);
	m.signals = (struct loop_source){signals_open(), signal_ready, &m};
	if (m.signals.fd < 0 || !loop_open(&m.loop))
		log_event(LOG_LEVEL_ERROR, "cannot start", "error", strerror(errno), NULL);
	else if (mkdir(options->state_dir, 0700) != 0 && errno != EEXIST)
		log_event(LOG_LEVEL_ERROR, "cannot make the state directory", "path",
		    options->state_dir, "error", strerror(errno), NULL);
	else
		m.control = control_socket_open(options->control);
	if (m.control < 0) {
		conf_free(conf);
		return EXIT_FAILED;
	}
	run(&m, conf);
	control_socket_close(options->control, m.control);
	return m.exit_status;
}
