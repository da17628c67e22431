#include "main/main.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/notify.h"
#include "ctl/control.h"
#include "main/config_push.h"
#include "main/control_socket.h"
#include "main/executable.h"
#include "main/processes.h"
#include "main/retry.h"
#include "main/sessions_file.h"
#include "main/workers.h"
#include "proc/sandbox.h"

/* --- Running */

static bool child_ended(void *context)
{
	struct child *child = context;

	main_lost(child->main, child->peer.channel.peer);
	return true;
}

static void tell_stopping(const struct main_process *m)
{
	log_event(LOG_LEVEL_INFO, "stopping", "event", "stop", NULL);
	notify_manager("STOPPING=1");
	main_extend_stop(m);
}

static void signal_ready(void *context)
{
	struct main_process *m = context;
	struct signalfd_siginfo info;

	if (read(m->signals.fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGHUP) {
		m->next_asker = (struct asker){ASKED_BY_SIGNAL, info.ssi_uid};
		main_reload(m, false);
	} else if (info.ssi_signo == SIGCHLD) {
		/* The others' channels tell: nothing to do until the end. */
		if (!main_is_to_stop(m)) { /* it may have been told so, too */
			sessions_file_check(&m->sessions_writer);
			hint_maker_check(&m->hints);
			audit_check(&m->audit);
		}
	} else {
		m->asker = (struct asker){ASKED_BY_SIGNAL, info.ssi_uid};
		tell_stopping(m);
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
	bool ok = loop_add(&m->loop, &m->signals) && main_open_heartbeat(m) && main_keep_lease(m);

	for (size_t i = FIRST_ROLE; ok && i < CHILDREN; i++) {
		struct child *child = &m->children[i];

		if (child->pid == 0)
			continue;
		child->peer.closed = child_ended;
		ok = peer_open(&child->peer, &m->loop);
	}
	return ok && loop_run(&m->loop);
}

/* --- The start and the end */

/* Only a named one takes what it takes to bind sockets anew. */
static bool follow_interface(struct main_process *m, struct config_push *h)
{
	return *m->settings.interface == '\0' ? sandbox_give_up(CAP_NET_RAW)
	                                      : main_watch_interface(m, h);
}

/* False, having said why, with the exit status. */
static bool can_receive(struct main_process *m, const struct settings *s)
{
	if (!s->openme || s->intake != CONF_INTAKE_CAPTURE || ladder_can_capture())
		return true;
	m->exit_status = EXIT_PERMISSION;
	return false;
}

/* serverStart comes before anything is served. */
static bool start(struct main_process *m, struct loaded *loaded)
{
	struct config_push h = config_push_empty();
	bool ok;

	cgroups_open(&m->cgroups, &m->programs);
	m->held = socket_store_take_held(&m->store);
	ok = config_push_open(&h, loaded->snapshot) && can_receive(m, h.snapshot.settings);
	loaded->snapshot = -1;
	if (ok && h.snapshot.settings->firewall == CONF_FIREWALL_NFT) {
		m->firewall = socket_store_take_firewall(&m->store);
		ok = main_take_lease(m);
	}
	if (ok)
		m->doormen = h.doormen = workers_wanted(h.snapshot.settings);
	ok = ok &&
	     kernel_shield_open(&m->shield, h.snapshot.settings, m->doormen, m->options->control);
	h.rings = m->shield.loaded.rings > 0;
	ok = ok && main_start_roles(m, &h.snapshot) && main_server_task(m, RUNNER_SERVER_START) &&
	     config_push_open_sockets(&h, &m->store);
	if (ok && h.snapshot.settings->intake != CONF_INTAKE_CAPTURE) /* a capture has its own */
		kernel_shield_filter(&m->shield, h.udp, h.doormen);
	if (ok)
		hint_maker_first(&loaded->secret, &h);
	ok = ok && main_push_config(m, &loaded->secret, &h) && follow_interface(m, &h) &&
	     main_watch_shield(m);

	if (ok && m->held >= 0)
		socket_store_keep(SOCKET_STORE_HELD, m->held);
	if (ok && m->firewall >= 0)
		socket_store_keep(SOCKET_STORE_FIREWALL, m->firewall);
	ok = ok && sandbox_close(&sandbox_main, 0, 0);
	if (ok) {
		hint_maker_start(&m->hints, m->options, &loaded->secret, &h);
		main_keep_config(m, &h);
	}
	config_push_close(&h);
	if (!ok)
		kernel_shield_let_go(&m->shield);
	return ok;
}

static void say_ready(struct main_process *m)
{
	char without[LADDER_TEXT_BYTES], text[LADDER_TEXT_BYTES + 100];

	m->started_s = clock_real_ns() / NS_PER_SECOND;
	ladder_text(without, m->without | sandbox_without());
	if (m->doormen > 1)
		log_line(LOG_LEVEL_INFO, "%u processes receive", m->doormen);
	snprintf(text, sizeof text, "ready for knocks of %u clients on UDP port %u%s", m->clients,
	    m->settings.udp_port, without);
	if (m->settings.openme)
		log_event(LOG_LEVEL_INFO, text, "event", "start", NULL);
	snprintf(text, sizeof text, "ready for OpenSPA requests of %u devices on UDP port %u%s",
	    m->devices, m->settings.openspa.port, without);
	if (m->settings.openspa.enabled)
		log_event(LOG_LEVEL_INFO, text, "event", "start", NULL);
	main_tell_status(m);
	notify_manager("READY=1");
}

/* From an open control socket to the end. `loaded` is freed as soon as the roles have it: only the
 * doorman keeps the secret. False when it could not start. */
static bool run(struct main_process *m, struct loaded *loaded, struct retry *retry)
{
	bool started = start(m, loaded), taken_away;

	loaded_free(loaded);
	if (started) {
		main_audit_start(m);
		m->exit_status = EXIT_DONE;
		retry_succeeded(retry);
		say_ready(m);
		if (!enter_loop(m))
			m->exit_status = EXIT_FAILED;
	}
	loader_end(&m->loader, false);
	hint_maker_end(&m->hints);
	taken_away = main_stop_roles(m);
	main_audit_stop(m, taken_away);
	main_end_lease(m, taken_away);
	snapshot_unmap(&m->in_force);
	if (!started)
		executable_run_guard(m->options);
	return started;
}

/* False, having said why, with the exit status. What is not there yet, as an interface, may come:
 * unlike a bad configuration, worth another start. */
static bool is_sound(const struct loaded *l, int *status)
{
	*status = EXIT_FAILED;
	if (l == NULL)
		log_event(LOG_LEVEL_ERROR, "cannot read the configuration", "error",
		    strerror(errno), NULL);
	else if (l->fault != 0)
		log_event(LOG_LEVEL_ERROR,
		    l->no_interface ? "cannot use the interface" : "cannot use the configuration",
		    "why", l->why.text, NULL);
	if (l != NULL && l->fault == CONTROL_FAULT_PERMISSION)
		*status = EXIT_PERMISSION;
	else if (l != NULL && l->fault == CONTROL_FAULT_CONFIG && !l->no_interface)
		*status = EXIT_CONFIG;
	return l != NULL && l->fault == 0;
}

/* One that could not start; the value is the exit status. */
static int fail(struct retry *retry, bool interface, int status)
{
	return retry_failed(retry, interface) ? EXIT_DONE : status;
}

int role_main(const struct main_options *options)
{
	struct main_process m = {.options = options,
	    .handlers = main_handlers,
	    .control = -1,
	    .firewall = -1,
	    .lease.fd = -1,
	    .loader.source.fd = -1,
	    .hints = HINT_MAKER_NONE,
	    .watch.source.fd = -1,
	    .shield = KERNEL_SHIELD_EMPTY,
	    .audit = AUDIT_NONE,
	    .exit_status = EXIT_FAILED};
	struct load_task task = main_load_task(&m);
	struct loaded *loaded;
	struct retry retry;
	bool started;
	int status;

	socket_store_receive(&m.store);
	retry_open(&retry, options);
	loaded = loader_run(&m.loader, &task);
	started = is_sound(loaded, &status);
	loader_end(&m.loader, started);
	if (!started || !ladder_stand(loaded->sandbox, log_event)) {
		bool interface = loaded != NULL && loaded->no_interface;

		loaded_free(loaded);
		executable_run_guard(options);
		return fail(&retry, interface, status);
	}
	m.programs = loaded->programs;
	m.public = loaded->public;
	m.interface = loaded->interface;
	m.signals = (struct loop_source){signals_open(), signal_ready, &m};
	if (m.signals.fd < 0 || !loop_open(&m.loop) || !main_open_reload(&m))
		log_event(LOG_LEVEL_ERROR, "cannot start", "error", strerror(errno), NULL);
	else if (mkdir(options->state_dir, 0700) != 0 && errno != EEXIST)
		log_event(LOG_LEVEL_ERROR, "cannot make the state directory", "path",
		    options->state_dir, "error", strerror(errno), "remedy",
		    "a folder that can be written: --state-dir, or a tmpfs mounted there", NULL);
	else {
		m.viewer = control_viewer();
		m.control = control_socket_open(options->control, &m.viewer);
	}
	if (m.control < 0) {
		loaded_free(loaded);
		return fail(&retry, false, EXIT_FAILED);
	}
	m.sessions_writer = sessions_file_start(options);
	started = run(&m, loaded, &retry);
	sessions_file_end(&m.sessions_writer);
	control_socket_close(options->control, m.control);
	return started ? m.exit_status : fail(&retry, false, m.exit_status);
}
