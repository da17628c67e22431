/* Handing out a configuration, and taking over a new one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/notify.h"
#include "ctl/control.h"
#include "main/config_push.h"
#include "main/processes.h"
#include "snapshot/accepted.h"

/* After a reload for the desk as long as it took is for everything else. */
#define DESK_PAUSE_MAX_NS (5 * NS_PER_SECOND)

/* --- Handing out a configuration */

static bool failed(enum role role)
{
	log_event(LOG_LEVEL_ERROR, "the configuration was not taken over", "process",
	    role_name(role), "error", strerror(errno), NULL);
	return false;
}

/* What takes long with many clients, a slice at a time: in between it serves. */
static bool check(struct child *child, enum message_type type, int snapshot)
{
	static const struct message_empty nothing;
	struct message_fds fds = message_fds_none();

	fds.fd[FD_SNAPSHOT] = snapshot;
	while (channel_send(&child->peer.channel, type, &nothing, &fds)) {
		if (main_wait_ready(child, READY_TIMEOUT_MS))
			return true;
		if (errno != EAGAIN)
			break;
		fds.fd[FD_SNAPSHOT] = -1;
	}
	return failed(child->role);
}

static bool configure(
    struct child *child, enum message_type type, const void *body, const struct message_fds *fds)
{
	return (channel_send(&child->peer.channel, type, body, fds) &&
	           main_wait_ready(child, READY_TIMEOUT_MS)) ||
	       failed(child->role);
}

/* The secrets go to the doormen alone; here they stand in locked memory, too. */
static bool configure_doormen(
    struct main_process *m, const struct message_secret *secret, const struct config_push *h)
{
	bool ok = true;

	for (unsigned int i = 0; ok && i < m->doormen; i++) {
		struct message_fds fds = message_fds_none();

		fds.fd[FD_OPENME] = h->udp[i];
		fds.fd[FD_OPENME6] = h->udp6[i];
		fds.fd[FD_OPENSPA] = h->openspa[i];
		fds.fd[FD_HINTS] = h->hints;
		ok = configure(main_doorman(m, i), MESSAGE_CONFIG_DOORMAN, secret, &fds);
	}
	return ok;
}

static bool check_doormen(struct main_process *m, int snapshot)
{
	bool ok = true;

	for (unsigned int i = 0; ok && i < m->doormen; i++)
		ok = check(main_doorman(m, i), MESSAGE_CHECK_DOORMAN, snapshot);
	return ok;
}

static bool configure_other(struct main_process *m, enum role role, const struct config_push *h)
{
	static const struct message_empty nothing;
	struct message_fds fds = message_fds_none();

	if (role == ROLE_KEEPER)
		return configure(&m->children[role], MESSAGE_CONFIG_KEEPER, &nothing, &fds);
	fds.fd[FD_SNAPSHOT] = h->fd;
	fds.fd[FD_HEALTH] = h->health;
	return configure(&m->children[role], MESSAGE_CONFIG_DESK, &nothing, &fds);
}

bool main_push_config(
    struct main_process *m, const struct message_secret *secret, const struct config_push *h)
{
	if (!check(&m->children[ROLE_KEEPER], MESSAGE_CHECK_KEEPER, h->fd) ||
	    !check_doormen(m, h->fd) || !configure_other(m, ROLE_KEEPER, h))
		return false;
	if (!configure_doormen(m, secret, h) || !configure_other(m, ROLE_DESK, h)) {
		/* Half of it is in force: no state to go on in. */
		if (!main_is_to_stop(m))
			main_fail(m, ROLE_DOORMAN, "the configuration was taken over by some only");
		return false;
	}
	if (!accepted_save(m->options->state_dir, &h->snapshot))
		log_event(LOG_LEVEL_WARN,
		    "cannot keep what is shut for a start with a broken configuration", "folder",
		    m->options->state_dir, "error", strerror(errno), NULL);
	if (!kept_config_save(&m->kept, m->options->state_dir, m->options->config))
		log_event(LOG_LEVEL_INFO,
		    "no copy of the configuration is kept: a reload could not be taken back",
		    "folder", m->options->state_dir, "error", strerror(errno), NULL);
	m->settings = *h->snapshot.settings;
	m->clients = h->snapshot.client_count;
	m->devices = h->snapshot.device_count;
	return true;
}

void main_keep_config(struct main_process *m, struct config_push *h)
{
	snapshot_unmap(&m->in_force);
	m->in_force = h->snapshot;
	h->snapshot = (struct snapshot){0};
}

/* --- Reload */

/* The key of a setting that differs and that the open sockets or a sandbox hang on, or NULL. */
static const char *fixed_setting(
    const struct main_process *m, const struct settings *b, const struct programs *programs)
{
	const struct settings *a = &m->settings;

	if (a->udp_port != b->udp_port)
		return "server.udp_port";
	if (a->intake != b->intake)
		return "server.intake";
	if (a->health_port != b->health_port)
		return "server.health_port";
	if (strcmp(a->interface, b->interface) != 0)
		return "server.interface";
	if (a->firewall != b->firewall)
		return "server.firewall";
	if (a->sandbox != b->sandbox)
		return "server.sandbox";
	if (a->shield_at != b->shield_at)
		return "server.shield_at";
	if (a->openme != b->openme)
		return "server.private_key";
	if (a->workers != b->workers)
		return "server.workers";
	if (a->openspa.enabled != b->openspa.enabled)
		return "openspa";
	if (a->openspa.port != b->openspa.port)
		return "openspa.port";
	if (!addr_equal(&a->openspa.bind, &b->openspa.bind))
		return "openspa.bind";
	return programs_difference(&m->programs, programs);
}

struct load_task main_load_task(struct main_process *m)
{
	kept_config_look(&m->kept, m->options->config);
	return (struct load_task){.options = m->options,
	    .generation = ++m->generation,
	    .public = &m->public,
	    .interface = &m->interface,
	    .interface_name = m->settings.interface};
}

static void tell_change(struct main_process *m, struct config_push *h)
{
	struct snapshot before = m->in_force;

	m->in_force = (struct snapshot){0};
	main_keep_config(m, h);
	main_audit_config(m, &before);
	snapshot_unmap(&before);
}

/* Before a process may be forked that lives longer than this, such as the writer of the audit log.
 */
static void forget_secrets(struct loaded *next)
{
	secret_wipe(&next->secret, sizeof next->secret);
}

static bool push(struct main_process *m, const struct loaded *next, struct config_push *h)
{
	hint_maker_first(&next->secret, h);
	return main_push_config(m, &next->secret, h);
}

/* Takes a new configuration over, or gives the fault and its reason. */
static int take_over(struct main_process *m, struct loaded *next)
{
	struct config_push h = config_push_empty();
	const char *fixed = NULL;

	if (next->fault != 0)
		return next->fault;
	snprintf(next->why.text, sizeof next->why.text,
	    "the configuration was not taken over; see the log");
	next->fault = CONTROL_FAULT_FAILED;
	if (config_push_open(&h, next->snapshot)) {
		fixed = fixed_setting(m, h.snapshot.settings, &next->programs);
		if (fixed != NULL) {
			snprintf(next->why.text, sizeof next->why.text,
			    "%s: %s: cannot change while running; restart posternd",
			    m->options->config, fixed);
			next->fault = CONTROL_FAULT_CONFIG;
		} else if (push(m, next, &h)) {
			next->fault = 0;
			hint_maker_start(&m->hints, m->options, &next->secret, &h);
			forget_secrets(next);
			tell_change(m, &h);
		}
	}
	next->snapshot = -1;
	config_push_close(&h);
	return next->fault;
}

static void tell_desk(struct main_process *m, int fault, const char *why)
{
	struct message_text answer = {.fault = fault};
	int64_t now_ns = clock_boot_ns(), pause_ns = now_ns - m->reload_began_ns;

	m->reload_wanted = false;
	m->next_reload_ns = now_ns + (pause_ns > DESK_PAUSE_MAX_NS ? DESK_PAUSE_MAX_NS : pause_ns);
	snprintf(answer.text, sizeof answer.text, "%.*s", (int)sizeof answer.text - 1, why);
	channel_try_send(&m->children[ROLE_DESK].peer.channel, MESSAGE_RELOAD_DONE, &answer);
}

/* For the statistics; the desk knows it before it tells whoever has asked for the reload. */
static void note_reload(struct main_process *m, bool refused)
{
	m->reloads++;
	m->reloads_refused += refused;
	m->reload_refused = refused;
	m->reloaded_s = clock_real_ns() / NS_PER_SECOND;
	main_tell_desk(m);
}

static void say_refused(struct main_process *m, const char *why)
{
	log_event(LOG_LEVEL_ERROR, "reload refused, the old configuration stays", "why", why,
	    "event", "config-refused", NULL);
	main_audit_refused(m, why);
}

static void say_reloaded(const struct main_process *m)
{
	char text[80];

	snprintf(text, sizeof text, "reloaded: %u clients, %u devices", m->clients, m->devices);
	log_event(LOG_LEVEL_INFO, text, "event", "config", NULL);
}

static void begin_reload(struct main_process *m, bool for_desk);

/* `next`: NULL when it could not be read at all. */
static void end_reload(struct main_process *m, struct loaded *next)
{
	const bool for_desk = m->reload_for_desk;
	const char *error = strerror(errno);
	int fault = next == NULL ? CONTROL_FAULT_FAILED : take_over(m, next);
	const char *why = next == NULL ? error : next->why.text;

	if (next != NULL)
		forget_secrets(next);
	loader_end(&m->loader, fault == 0);
	if (fault != 0)
		say_refused(m, why);
	else
		say_reloaded(m);
	note_reload(m, fault != 0);
	notify_manager("READY=1");
	if (for_desk)
		tell_desk(m, fault, fault == 0 ? "" : why);
	loaded_free(next);
	if (m->reload_again || m->reload_desk_waits)
		begin_reload(m, m->reload_desk_waits);
}

static void loader_ready(void *context)
{
	struct main_process *m = context;

	loop_remove(&m->loop, &m->loader.source);
	end_reload(m, loader_take(&m->loader));
}

static void begin_reload(struct main_process *m, bool for_desk)
{
	struct load_task task = main_load_task(m);

	if (m->loop.stopped)
		return;
	m->reload_for_desk = for_desk;
	m->asker = for_desk ? m->desk_asker : m->next_asker;
	m->reload_again = m->reload_desk_waits = false;
	m->reload_began_ns = clock_boot_ns();
	m->loader.source = (struct loop_source){-1, loader_ready, m};
	notify_reloading();
	if (!loader_start(&m->loader, &task) || !loop_add(&m->loop, &m->loader.source))
		end_reload(m, NULL);
}

void main_reload(struct main_process *m, bool for_desk)
{
	if (m->loader.pid == 0)
		begin_reload(m, for_desk);
	else if (for_desk)
		m->reload_desk_waits = true;
	else
		m->reload_again = true;
}

/* --- The desk's wish */

static void reload_for_desk(void *context)
{
	struct main_process *m = context;

	timer_read(m->reload.fd);
	if (!main_is_to_stop(m))
		main_reload(m, true);
}

void main_want_reload(struct main_process *m)
{
	int64_t wait_ns = m->next_reload_ns - clock_boot_ns();

	m->reload_wanted = true;
	timer_set(m->reload.fd, wait_ns > 0 ? wait_ns : 1, 0);
}

bool main_open_reload(struct main_process *m)
{
	m->reload = (struct loop_source){timer_open(), reload_for_desk, m};
	return m->reload.fd >= 0 && loop_add(&m->loop, &m->reload);
}
