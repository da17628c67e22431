#include "main/kernel_shield.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/trusted_file.h"
#include "bpf/attach.h"
#include "bpf/clear.h"
#include "bpf/pages.h"
#include "conf/links.h"
#include "intake/socket.h"
#include "main/processes.h"

#define BEHIND "junk is dropped in the daemon alone"

/* --- Loading */

static bool load(struct kernel_shield *k, const struct settings *s, bool with_xdp)
{
	char why[KERNEL_SHIELD_WHY_BYTES];

	if (kernel_shield_load(&k->loaded, s->udp_port, *s->interface != '\0', with_xdp, why))
		return true;
	log_event(s->shield_at == CONF_SHIELD_AT_AUTO ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	    with_xdp ? "no shield at the device" : "no shield in the kernel", "why", why, "then",
	    with_xdp ? "trying the socket" : BEHIND, NULL);
	return false;
}

/* --- What is left at devices is known by a file beside the control socket, where it is gone with
 * the boot. Not in the state directory, where the replay guard's is to be the first. */

struct note {
	char boot_id[CLOCK_BOOT_ID_BYTES]; /* a program has another id in another boot */
	uint32_t program;
};

static int open_note(const char *control, int flags)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof path, "%s.shield", control);

	if (length < 0 || (size_t)length >= sizeof path)
		return -1;
	if ((flags & O_CREAT) != 0)
		unlink(path);
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

/* By somebody else's, programs of others could be taken away. */
static bool is_our_note(int fd)
{
	static const struct trusted wanted = {
	    .type = S_IFREG, .denied = 022, .others_may = "write it", .remedy = "chmod go-w"};
	char why[TRUSTED_TEXT_BYTES];
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 1 &&
	       trusted_stat(&wanted, &st, "", why);
}

static uint32_t read_note(const char *control)
{
	int fd = open_note(control, O_RDONLY);
	struct note now = {.program = 0}, then;
	bool read = is_our_note(fd) && fd_read(fd, &then, sizeof then) == sizeof then;

	fd_close(fd);
	return read && clock_boot_id(now.boot_id) &&
	               memcmp(now.boot_id, then.boot_id, sizeof now.boot_id) == 0
	           ? then.program
	           : 0;
}

static void write_note(const char *control, uint32_t program)
{
	struct note now = {.program = program};
	int fd = open_note(control, O_WRONLY | O_CREAT | O_EXCL);

	if (fd < 0 || !clock_boot_id(now.boot_id) ||
	    write(fd, &now, sizeof now) != (ssize_t)sizeof now)
		log_line(LOG_LEVEL_WARN, "cannot note which shield is ours, for the next daemon");
	fd_close(fd);
}

void kernel_shield_open(struct kernel_shield *k, const struct settings *s, const char *control)
{
	size_t left = kernel_shield_clear(read_note(control));

	if (left > 0)
		log_line(LOG_LEVEL_INFO,
		    "the shield of an earlier daemon is taken away (devices: %zu)", left);
	/* Whoever wants to read of each refusal gets them all. */
	if (!s->openme || s->shield_at == CONF_SHIELD_AT_USER ||
	    (s->shield_at == CONF_SHIELD_AT_AUTO && log_get_settings().level == LOG_LEVEL_DEBUG))
		return;
	if ((s->shield_at != CONF_SHIELD_AT_XDP || !load(k, s, true)) && !load(k, s, false))
		return;
	if (k->loaded.xdp_id != 0)
		write_note(control, k->loaded.xdp_id);
	k->addresses = kernel_shield_map_addresses(k->loaded.addresses);
}

static enum control_shield find_place(const struct kernel_shield *k)
{
	enum attach_mode least = ATTACH_MODES;

	for (size_t i = 0; i < SHIELDED_MOST; i++)
		if (k->devices[i].index != 0 && k->devices[i].mode < least)
			least = (enum attach_mode)k->devices[i].mode;
	if (least == ATTACH_NATIVE)
		return CONTROL_SHIELD_NATIVE;
	if (least == ATTACH_GENERIC)
		return CONTROL_SHIELD_GENERIC;
	return k->filter ? CONTROL_SHIELD_SOCKET : CONTROL_SHIELD_USER;
}

void kernel_shield_filter(struct kernel_shield *k, const int sockets[], unsigned int count)
{
	if (sockets[0] < 0 || k->loaded.socket < 0)
		return;
	k->filter = true;
	for (unsigned int i = 0; k->filter && i < count; i++)
		k->filter = socket_put_program(sockets[i], k->loaded.socket);
	if (!k->filter)
		log_event(LOG_LEVEL_WARN, "no shield at the socket", "why", strerror(errno), "then",
		    BEHIND, NULL);
	k->place = find_place(k);
}

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

/* The one that is named, or each that is hardware, or looks like it. */
static bool is_to_be_shielded(const struct main_process *m, const struct link *l)
{
	if (*m->settings.interface != '\0')
		return strcmp(l->name, m->settings.interface) == 0;
	return l->ethernet && *l->kind == '\0';
}

static struct shielded_device *device_of(struct kernel_shield *k, int index)
{
	for (size_t i = 0; i < SHIELDED_MOST; i++)
		if (k->devices[i].index == index)
			return &k->devices[i];
	return NULL;
}

static void look_at(struct main_process *m, const struct link *l)
{
	struct kernel_shield *k = &m->shield;
	const struct message_shield_attach attach = {.index = l->index};
	struct shielded_device *d = device_of(k, l->index);

	if (d == NULL && (d = device_of(k, 0)) == NULL)
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
		if (!is_to_be_shielded(m, &links[i]))
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
	static const char *const modes[ATTACH_MODES] = {"none", "generic", "native"};
	char name[IF_NAMESIZE] = "?";

	if_indextoname((unsigned int)a->index, name);
	if (a->error == 0)
		log_event(LOG_LEVEL_INFO, "the shield stands at a device", "interface", name, "xdp",
		    modes[a->mode], NULL);
	else
		log_event(LOG_LEVEL_WARN, "no shield at a device", "interface", name, "why",
		    a->error == EBUSY || a->error == EEXIST
		        ? "another program is there, and is left alone"
		        : strerror(a->error),
		    "then", m->shield.filter ? "junk is dropped at the socket" : BEHIND, NULL);
}

bool main_take_shield_attached(
    void *context, const struct message_shield_attached *a, struct message_fds *fds)
{
	struct child *child = context;
	struct main_process *m = child->main;
	struct shielded_device *d = a->index > 0 ? device_of(&m->shield, a->index) : NULL;

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
	m->shield.place = find_place(&m->shield);
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
	enum control_shield before = m->shield.place;

	if (m->shield.source.fd < 0)
		return;
	put_addresses(&m->shield);
	check_devices(m);
	m->shield.place = find_place(&m->shield);
	if (m->shield.place != before)
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
