#include "main/ladder.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/notify.h"
#include "main/processes.h"

bool ladder_stand(enum conf_sandbox wanted, sandbox_say *say)
{
	bool stands = true;

	sandbox_take_best(wanted == CONF_SANDBOX_BEST);
	for (enum sandbox_layer l = 0; SANDBOXED && l < SANDBOX_MEMORY; l++) {
		int err = sandbox_lacks(l);

		if (err != 0)
			stands = sandbox_goes_without(l, err, NULL, say) && stands;
	}
	return stands;
}

const char *ladder_text(char text[static LADDER_TEXT_BYTES], unsigned int without)
{
	size_t used = 0;

	*text = '\0';
	for (enum sandbox_layer l = 0; l < SANDBOX_LAYERS; l++)
		if ((without & 1U << l) != 0)
			used += (size_t)snprintf(text + used, LADDER_TEXT_BYTES - used, "%s%s",
			    used == 0 ? ", without " : ", ", sandbox_layer_name(l));
	return text;
}

/* Of the roles that run, those of which one owes an answer for longer than a beat, by bit. */
static unsigned int silent_roles(const struct main_process *m, unsigned int *running)
{
	unsigned int silent = 0;

	*running = 0;
	for (size_t i = FIRST_ROLE; i < CHILDREN; i++) {
		const struct child *child = &m->children[i];

		if (child->pid <= 0)
			continue;
		*running |= 1U << child->role;
		if (child->silent > 1)
			silent |= 1U << child->role;
	}
	return silent;
}

static void put_status(const struct main_process *m, struct message_status *s)
{
	unsigned int roles;

	memset(s, 0, sizeof *s);
	s->without = (uint8_t)(m->without | sandbox_without());
	s->guard = (uint8_t)m->guard;
	s->shield = (uint8_t)m->shield.place;
	s->intake = (uint8_t)m->shield.intake;
	s->silent = (uint8_t)silent_roles(m, &roles);
	s->roles = (uint8_t)roles;
	s->reload_refused = m->reload_refused;
	s->reloads = m->reloads;
	s->reloads_refused = m->reloads_refused;
	s->started_s = m->started_s;
	s->reloaded_s = m->reloaded_s;
}

static bool is_same(const struct message_status *a, const struct message_status *b)
{
	return a->without == b->without && a->guard == b->guard && a->shield == b->shield &&
	       a->intake == b->intake && a->roles == b->roles && a->silent == b->silent &&
	       a->reload_refused == b->reload_refused && a->reloads == b->reloads &&
	       a->reloads_refused == b->reloads_refused && a->started_s == b->started_s &&
	       a->reloaded_s == b->reloaded_s;
}

void main_tell_desk(struct main_process *m)
{
	struct message_status now;

	put_status(m, &now);
	if (!is_same(&now, &m->told) &&
	    channel_try_send(&m->children[ROLE_DESK].peer.channel, MESSAGE_STATUS, &now))
		m->told = now;
}

void main_tell_status(struct main_process *m)
{
	char text[LADDER_TEXT_BYTES], line[LADDER_TEXT_BYTES + 64];

	snprintf(line, sizeof line, "STATUS=Serving%s%s",
	    ladder_text(text, m->without | sandbox_without()),
	    m->guard == CONTROL_GUARD_GONE ? "; postern-guard is gone" : "");
	notify_manager(line);
	main_tell_desk(m);
}

void ladder_print(enum log_level level, const char *message, ...)
{
	const char *key, *value;
	va_list rest;

	fprintf(stderr, "posternd: %s%s", level == LOG_LEVEL_WARN ? "warning: " : "", message);
	va_start(rest, message);
	while ((key = va_arg(rest, const char *)) != NULL) {
		value = va_arg(rest, const char *);
		fprintf(stderr, "; %s: %s", key, value);
	}
	va_end(rest);
	fputc('\n', stderr);
}

/* --- Rights */

static const struct {
	unsigned int capability;
	const char *name;
	bool rules; /* for those alone */
} rights[] = {{CAP_SETUID, ", CAP_SETUID", false}, {CAP_SETGID, ", CAP_SETGID", false},
    {CAP_SETPCAP, ", CAP_SETPCAP", false}, {CAP_NET_ADMIN, ", CAP_NET_ADMIN", false},
    {CAP_NET_RAW, ", CAP_NET_RAW", true}};

static bool has_capabilities(bool rules)
{
	char missing[96] = "";
	size_t used = 0;

	if (capng_get_caps_process() != 0)
		return true; /* closing the sandboxes tells */
	for (size_t i = 0; i < sizeof rights / sizeof *rights; i++)
		if ((rules || !rights[i].rules) &&
		    capng_have_capability(CAPNG_PERMITTED, rights[i].capability) == 0)
			used += (size_t)snprintf(
			    missing + used, sizeof missing - used, "%s", rights[i].name);
	if (*missing == '\0')
		return true;
	log_event(LOG_LEVEL_ERROR, "root lacks rights here that no sandbox is made without",
	    "missing", missing + 2, "remedy",
	    "have the container or the service manager leave them to the daemon "
	    "(CapabilityBoundingSet=, --cap-add, lxc.cap.keep)",
	    NULL);
	return false;
}

bool ladder_can_capture(void)
{
	if (capng_get_caps_process() != 0 ||
	    capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_RAW) != 0)
		return true; /* opening the sockets tells */
	log_event(LOG_LEVEL_ERROR, "root lacks the right that intake: capture takes", "missing",
	    "CAP_NET_RAW", "remedy",
	    "have the container or the service manager leave it to the daemon "
	    "(CapabilityBoundingSet=, --cap-add, lxc.cap.keep), or intake: socket",
	    NULL);
	return false;
}

/* 0, or the error by which no process becomes that user here. */
static int become_error(const struct identity *who)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(setgroups(0, NULL) == 0 && setresgid(who->gid, who->gid, who->gid) == 0 &&
		              setresuid(who->uid, who->uid, who->uid) == 0
		          ? 0
		          : errno);
	if (pid < 0)
		return errno;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static bool becomes(const struct identity *who)
{
	int err = become_error(who);
	char uid[16];

	if (err == 0)
		return true;
	snprintf(uid, sizeof uid, "%u", who->uid);
	log_event(LOG_LEVEL_ERROR, "no process can become another user here", "uid", uid, "error",
	    strerror(err), "remedy",
	    "a user namespace that has this uid and gid, and leaves setgroups allowed: map 65536 "
	    "of each into the container (/etc/subuid, /etc/subgid)",
	    NULL);
	return false;
}

bool ladder_has_rights(const struct identity *who, bool rules)
{
	return has_capabilities(rules) && becomes(who);
}
