#include "main/kernel_shield.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "bpf/attach.h"
#include "bpf/pages.h"
#include "conf/links.h"
#include "main/processes.h"

/* --- Addresses */

static bool add_address(struct addr **list, size_t *count, const struct sockaddr *from)
{
	struct addr *more, a;
	uint16_t port;

	if (from == NULL || !addr_from_sockaddr(&a, &port, from))
		return true;
	more = reallocarray(*list, *count + 1, sizeof *more);
	if (more == NULL)
		return false;
	more[(*count)++] = a;
	*list = more;
	return true;
}

/* What cannot be told is not ours, and passes on to the socket. */
static void put_addresses(struct kernel_shield *k)
{
	struct ifaddrs *all = NULL;
	struct addr *ours = NULL;
	size_t count = 0;
	bool ok = getifaddrs(&all) == 0;

	for (const struct ifaddrs *i = all; ok && i != NULL; i = i->ifa_next)
		ok = add_address(&ours, &count, i->ifa_addr);
	if (!kernel_shield_put_addresses(k->addresses, ours, ok ? count : 0) && !k->overflow) {
		k->overflow = true;
		log_line(LOG_LEVEL_WARN, "more addresses than the shield at the device can tell "
		                         "apart: it lets all pass");
	}
	freeifaddrs(all);
	free(ours);
}

/* --- Devices */

static void look_at(struct main_process *m, const struct link *l)
{
	struct kernel_shield *k = &m->shield;
	const struct message_shield_attach attach = {.index = l->index};
	struct shielded_device *d = kernel_shield_device(k, l->index);

	if (d == NULL && (d = kernel_shield_device(k, 0)) == NULL)
		return;
	d->index = l->index;
	d->present = true;
	if (d->mode != ATTACH_NONE && l->xdp_program != k->loaded.xdp_id) {
		log_event(LOG_LEVEL_WARN, "somebody took the shield away from a device",
		    "interface", l->name, "then", "attaching it again", NULL);
		d->mode = ATTACH_NONE;
	}
	if (d->mode == ATTACH_NONE && !d->asked && !d->failed)
		d->asked = channel_try_send(
		    &m->children[ROLE_KEEPER].peer.channel, MESSAGE_SHIELD_ATTACH, &attach);
}

static void say_no_device(struct kernel_shield *k, bool none)
{
	if (none && !k->no_device)
		log_line(LOG_LEVEL_WARN, "there is no device to have the shield at; without "
		                         "server.interface that is each Ethernet device which is "
		                         "hardware");
	k->no_device = none;
}

static void check_devices(struct main_process *m)
{
	struct kernel_shield *k = &m->shield;
	struct link *links = NULL;
	size_t count = 0;
	bool none = true;

	if (!links_read(&links, &count, m->settings.interface))
		return; /* the next second */
	for (size_t i = 0; i < SHIELDED_MOST; i++)
		k->devices[i].present = false;
	for (size_t i = 0; i < count; i++) {
		if (!kernel_shield_is_for(m->settings.interface, &links[i]))
			continue;
		look_at(m, &links[i]);
		none = false;
	}
	for (size_t i = 0; i < SHIELDED_MOST; i++)
		if (!k->devices[i].present)
			k->devices[i] = (struct shielded_device){.index = 0};
	say_no_device(k, none);
	free(links);
}

static void say_attached(const struct main_process *m, const struct message_shield_attached *a)
{
	const bool ring = m->shield.loaded.rings > 0;
	char name[IF_NAMESIZE] = "?";

	if_indextoname((unsigned int)a->index, name);
	if (a->error == 0 && a->mode == ATTACH_NONE)
		return; /* taken away, as it was to be */
	if (a->error == 0)
		kernel_shield_say_stands(name, a->mode);
	else
		log_event(ring ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "no shield at a device",
		    "interface", name, "why", kernel_shield_refused(a->error), "then",
		    ring               ? "what knocks there is NOT HEARD"
		    : m->shield.filter ? "junk is dropped at the socket"
		                       : KERNEL_SHIELD_BEHIND,
		    NULL);
}

bool main_take_shield_attached(
    void *context, const struct message_shield_attached *a, struct message_fds *fds)
{
	struct child *child = context;
	struct main_process *m = child->main;
	struct shielded_device *d =
	    a->index > 0 ? kernel_shield_device(&m->shield, a->index) : NULL;

	(void)fds;
	if (a->mode >= ATTACH_MODES) {
		main_fail(m, ROLE_KEEPER, "a process spoke out of turn");
		return true;
	}
	if (d == NULL || a->error == ENODEV)
		return true; /* gone meanwhile */
	d->asked = false;
	d->mode = a->mode;
	d->failed = a->error != 0;
	say_attached(m, a);
	kernel_shield_look(&m->shield);
	main_tell_status(m);
	return true;
}

/* --- Changes */

/* That there are messages, and that some were lost, is all that counts. */
static void links_changed(void *context)
{
	struct main_process *m = context;
	char some[64];

	while (recv(m->shield.source.fd, some, sizeof some, MSG_DONTWAIT | MSG_TRUNC) > 0 ||
	       errno == ENOBUFS)
		errno = 0;
	main_check_shield(m);
}

void main_check_shield(struct main_process *m)
{
	if (m->shield.source.fd < 0)
		return;
	put_addresses(&m->shield);
	check_devices(m);
	if (kernel_shield_look(&m->shield))
		main_tell_status(m);
}

void main_remove_shield(const struct main_process *m)
{
	for (size_t i = 0; i < SHIELDED_MOST; i++) {
		const struct shielded_device *d = &m->shield.devices[i];
		const struct message_shield_attach away = {.index = d->index, .away = true};

		if (d->mode != ATTACH_NONE)
			channel_try_send(
			    &m->children[ROLE_KEEPER].peer.channel, MESSAGE_SHIELD_ATTACH, &away);
	}
}

bool main_watch_shield(struct main_process *m)
{
	const struct sockaddr_nl changes = {.nl_family = AF_NETLINK,
	    .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
	int fd;

	if (m->shield.loaded.xdp < 0 || m->shield.addresses == NULL)
		return true;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	m->shield.source = (struct loop_source){fd, links_changed, m};
	if (fd < 0 || bind(fd, (const struct sockaddr *)&changes, sizeof changes) != 0 ||
	    !loop_add(&m->loop, &m->shield.source)) {
		log_event(
		    LOG_LEVEL_ERROR, "cannot watch the devices", "error", strerror(errno), NULL);
		return false;
	}
	main_check_shield(m);
	return true;
}
