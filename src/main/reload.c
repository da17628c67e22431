/* Handing out a configuration, and taking over a new one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/notify.h"
#include "base/secret.h"
#include "conf/client_index.h"
#include "ctl/control.h"
#include "main/config_push.h"
#include "main/processes.h"
#include "proto/rsa_value.h"
#include "snapshot/accepted.h"

/* After a reload for the desk as long as it took is for everything else. */
#define DESK_PAUSE_MAX_NS (5 * NS_PER_SECOND)

/* --- Handing out a configuration */

void main_warn(const struct conf *conf)
{
	if (conf_server(conf)->firewall == CONF_FIREWALL_IPTABLES)
		log_line(LOG_LEVEL_WARN, "firewall: iptables is served through nftables; rules of "
		                         "legacy iptables are neither seen nor passed");
	for (size_t i = 0; i < conf_warning_count(conf); i++)
		log_event(LOG_LEVEL_WARN, "the configuration is in force, but", "why",
		    conf_warning(conf, i), NULL);
}

static bool configure(struct main_process *m, enum role role, enum message_type type,
    const void *body, const struct message_fds *fds)
{
	struct child *child = &m->children[role];

	if (channel_send(&child->peer.channel, type, body, fds) &&
	    main_wait_ready(child, READY_TIMEOUT_MS))
		return true;
	log_event(LOG_LEVEL_ERROR, "the configuration was not taken over", "process",
	    role_name(role), "error", strerror(errno), NULL);
	return false;
}

/* The secrets go to the doorman alone; in between they stand in locked memory, too. */
static bool configure_doorman(
    struct main_process *m, const struct conf *conf, const struct config_push *h)
{
	struct message_secret *secret = secret_alloc(sizeof *secret);
	struct message_fds fds = message_fds_none();
	bool ok;

	if (secret == NULL) {
		log_line(LOG_LEVEL_ERROR, "no locked memory to hand the keys on in");
		return false;
	}
	secret->openspa = conf_has_openspa(conf);
	if (conf_has_openme(conf))
		memcpy(secret->secret, conf_server_secret(conf), sizeof secret->secret);
	if (secret->openspa)
		secret->rsa = *conf_openspa_secret(conf);
	fds.fd[FD_SNAPSHOT] = h->fd;
	fds.fd[FD_OPENME] = h->udp;
	fds.fd[FD_OPENSPA] = h->openspa;
	ok = configure(m, ROLE_DOORMAN, MESSAGE_CONFIG_DOORMAN, secret, &fds);
	secret_free(secret);
	return ok;
}

static bool configure_other(struct main_process *m, enum role role, const struct config_push *h)
{
	static const struct message_empty nothing;
	struct message_fds fds = message_fds_none();

	fds.fd[FD_SNAPSHOT] = h->fd;
	if (role == ROLE_KEEPER)
		return configure(m, role, MESSAGE_CONFIG_KEEPER, &nothing, &fds);
	fds.fd[FD_HEALTH] = h->health;
	return configure(m, role, MESSAGE_CONFIG_DESK, &nothing, &fds);
}

bool main_push_config(struct main_process *m, const struct conf *conf, const struct config_push *h)
{
	if (!configure_other(m, ROLE_KEEPER, h))
		return false;
	if (!configure_doorman(m, conf, h) || !configure_other(m, ROLE_DESK, h)) {
		/* Half of it is in force: no state to go on in. */
		if (!main_is_to_stop(m))
			main_fail(m, ROLE_DOORMAN, "the configuration was taken over by some only");
		return false;
	}
	if (!accepted_save(m->options->state_dir, &h->snapshot))
		log_event(LOG_LEVEL_WARN,
		    "cannot keep what is shut for a start with a broken configuration", "folder",
		    m->options->state_dir, "error", strerror(errno), NULL);
	m->settings = *h->snapshot.settings;
	m->clients = h->snapshot.client_count;
	m->devices = h->snapshot.device_count;
	return true;
}

/* --- Reload */

/* The key of a setting that differs and that the open sockets or a sandbox hang on, or NULL. */
static const char *fixed_setting(
    const struct main_process *m, const struct settings *b, const struct programs *programs)
{
	const struct settings *a = &m->settings;

	if (a->udp_port != b->udp_port)
		return "server.udp_port";
	if (a->health_port != b->health_port)
		return "server.health_port";
	if (strcmp(a->interface, b->interface) != 0)
		return "server.interface";
	if (a->firewall != b->firewall)
		return "server.firewall";
	if (a->sandbox != b->sandbox)
		return "server.sandbox";
	if (a->openme != b->openme)
		return "server.private_key";
	if (a->openspa.enabled != b->openspa.enabled)
		return "openspa";
	if (a->openspa.port != b->openspa.port)
		return "openspa.port";
	if (!addr_equal(&a->openspa.bind, &b->openspa.bind))
		return "openspa.bind";
	return programs_difference(&m->programs, programs);
}

/* An interface that has gone for a while must not keep a client from being revoked. */
static bool find_interface(const struct main_process *m, struct conf *next, struct conf_error *why)
{
	if (conf_find_interface(next, why))
		return true;
	if (strcmp(conf_server(next)->interface.text, m->interface.text) != 0)
		return false;
	conf_keep_interface(next, m->settings.interface);
	log_event(LOG_LEVEL_WARN, "nothing is heard at the interface", "why", why->text, NULL);
	return true;
}

struct conf *main_load(const struct main_options *options, struct conf_error *why)
{
	char *index = conf_index_path(options->state_dir);
	struct conf *conf = index == NULL ? conf_load(options->config, why)
	                                  : conf_load_prepared(options->config, index, why);

	free(index);
	return conf;
}

/* Takes a new configuration over, or gives the fault and its reason in `why`. */
static int reload(struct main_process *m, struct conf_error *why)
{
	struct conf *next = main_load(m->options, why);
	struct config_push h = CONFIG_PUSH_EMPTY;
	struct programs programs;
	const char *fixed = NULL;
	int fault = CONTROL_FAULT_FAILED;

	if (next == NULL)
		return why->permission ? CONTROL_FAULT_PERMISSION : CONTROL_FAULT_CONFIG;
	conf_set_public(next, m->public.found);
	if (!find_interface(m, next, why)) {
		conf_free(next);
		return CONTROL_FAULT_CONFIG;
	}
	snprintf(why->text, sizeof why->text, "the configuration was not taken over; see the log");
	if (config_push_open(&h, next, ++m->generation)) {
		programs_of(&programs, next);
		fixed = fixed_setting(m, h.snapshot.settings, &programs);
		if (fixed != NULL) {
			snprintf(why->text, sizeof why->text,
			    "%s: %s: cannot change while running; restart posternd",
			    m->options->config, fixed);
			fault = CONTROL_FAULT_CONFIG;
		} else if (main_push_config(m, next, &h)) {
			main_warn(next);
			fault = 0;
		}
	}
	config_push_close(&h);
	conf_free(next);
	return fault;
}

void main_reload(struct main_process *m, bool for_desk)
{
	struct conf_error why = {.text = ""};
	struct message_text answer = {0};

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
	m->reload_wanted = false;
	snprintf(answer.text, sizeof answer.text, "%.*s", (int)sizeof answer.text - 1, why.text);
	channel_try_send(&m->children[ROLE_DESK].peer.channel, MESSAGE_RELOAD_DONE, &answer);
}

/* --- The desk's wish */

static void reload_for_desk(void *context)
{
	struct main_process *m = context;
	int64_t began = clock_boot_ns(), pause_ns;

	timer_read(m->reload.fd);
	if (main_is_to_stop(m))
		return;
	main_reload(m, true);
	pause_ns = clock_boot_ns() - began;
	m->next_reload_ns =
	    clock_boot_ns() + (pause_ns > DESK_PAUSE_MAX_NS ? DESK_PAUSE_MAX_NS : pause_ns);
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
