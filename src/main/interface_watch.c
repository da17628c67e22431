/* An interface that is deleted and made anew (PPP, VPN, a bridge) is another device with the same
 * name. Rules go by the name, sockets by the device: they are bound to the new one here. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/exit.h"
#include "conf/links.h"
#include "main/config_push.h"
#include "main/processes.h"

/* What the messages say is of no interest: that there are some is why we look. Those that were lost
 * (ENOBUFS) say it, too. */
static void links_changed(void *context)
{
	struct main_process *m = context;
	char some[64];

	while (recv(m->watch.source.fd, some, sizeof some, MSG_DONTWAIT | MSG_TRUNC) > 0 ||
	       errno == ENOBUFS)
		errno = 0;
	main_check_interface(m);
}

bool main_watch_interface(struct main_process *m, struct config_push *h)
{
	const struct sockaddr_nl links = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	struct interface_watch *w = &m->watch;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	w->source = (struct loop_source){fd, links_changed, m};
	config_push_take_sockets(h, w->sockets);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&links, sizeof links) == 0 &&
	    loop_add(&m->loop, &w->source))
		return true;
	log_event(LOG_LEVEL_ERROR, "cannot watch the interface", "error", strerror(errno), NULL);
	return false;
}

/* Binds those to the device that are bound to another. False with errno. */
static bool bind_all(const struct interface_watch *w, unsigned int index, bool *changed)
{
	for (size_t i = 0; i < CONFIG_PUSH_SOCKETS; i++)
		if (w->sockets[i] >= 0 && !intake_follow(w->sockets[i], index, changed))
			return false;
	return true;
}

/* Known by an alternative name, it may have another name of its own now, and all rules are for the
 * old one: the next daemon finds it. */
static void look_for_another_name(struct main_process *m)
{
	struct link *links = NULL;
	size_t count = 0;
	bool found = false;

	if (strcmp(m->interface.text, m->settings.interface) == 0 ||
	    !links_read(&links, &count, m->interface.text))
		return;
	for (size_t i = 0; i < count; i++)
		found = found || links[i].wanted;
	free(links);
	if (!found)
		return;
	log_event(LOG_LEVEL_ERROR, "the interface is back with another name of its own",
	    "interface", m->interface.text, "then", "stopping, to be started anew", NULL);
	m->exit_status = EXIT_FAILED;
	loop_stop(&m->loop);
}

static void say(enum log_level level, const struct main_process *m, const char *what)
{
	log_event(level, what, "interface", m->settings.interface, NULL);
}

static void say_gone(struct main_process *m)
{
	if (!m->watch.gone)
		say(LOG_LEVEL_WARN, m, "the interface is gone: nothing is heard until it is back");
	m->watch.gone = true;
}

void main_check_interface(struct main_process *m)
{
	struct interface_watch *w = &m->watch;
	unsigned int index = w->source.fd < 0 ? 0 : if_nametoindex(m->settings.interface);
	bool changed = false;

	if (w->source.fd < 0)
		return;
	if (index == 0) {
		say_gone(m);
		look_for_another_name(m);
		return;
	}
	if (!bind_all(w, index, &changed)) {
		if (!w->failed)
			log_event(LOG_LEVEL_ERROR, "cannot listen at the interface that is back",
			    "error", strerror(errno), "then", "trying again", NULL);
		w->failed = true;
		return;
	}
	if (changed)
		say_gone(m);
	if (w->gone)
		say(LOG_LEVEL_INFO, m, "the interface is back, and heard");
	w->gone = w->failed = false;
}
