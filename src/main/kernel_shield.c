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
#include "intake/ring.h"
#include "intake/socket.h"
#include "main/processes.h"

#define BEHIND "junk is dropped in the daemon alone"

/* --- Loading */

static bool load(struct kernel_shield *k, const struct settings *s, enum kernel_shield_parts parts)
{
	const bool with_xdp = parts != KERNEL_SHIELD_FILTER;
	char why[KERNEL_SHIELD_WHY_BYTES];

	if (kernel_shield_load(&k->loaded, s->udp_port, *s->interface != '\0', parts, why))
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
static bool is_to_be_shielded(const char *interface, const struct link *l)
{
	if (*interface != '\0')
		return strcmp(l->name, interface) == 0;
	return l->ethernet && *l->kind == '\0';
}

static struct shielded_device *device_of(struct kernel_shield *k, int index)
{
	for (size_t i = 0; i < SHIELDED_MOST; i++)
		if (k->devices[i].index == index)
			return &k->devices[i];
	return NULL;
}

static const char *say_refused(int error)
{
	return error == EBUSY || error == EEXIST ? "another program is there, and is left alone"
	                                         : strerror(error);
}

static void say_stands(const char *device, uint8_t mode)
{
	static const char *const modes[ATTACH_MODES] = {"none", "generic", "native"};

	log_event(LOG_LEVEL_INFO, "the shield stands at a device", "interface", device, "xdp",
	    modes[mode], NULL);
}

/* --- Knocks past the stack: a device without the program would be deaf, so each that is there has
 * it before anything else is done, or a socket takes its place. */

void kernel_shield_let_go(struct kernel_shield *k)
{
	int socket = k->loaded.ring < 0 ? -1 : attach_open();

	for (size_t i = 0; socket >= 0 && i < SHIELDED_MOST; i++)
		if (k->devices[i].mode != ATTACH_NONE)
			attach_remove(socket, k->devices[i].index, k->loaded.xdp);
	fd_close(socket);
	memset(k->devices, 0, sizeof k->devices);
}

/* NULL, or why not. */
static const char *attach_to(struct kernel_shield *k, int socket, const struct link *l)
{
	struct shielded_device *d = device_of(k, 0);
	int error = 0;

	if (d == NULL)
		return "there are too many devices";
	d->mode = (uint8_t)attach_program(socket, l->index, k->loaded.xdp, &error);
	if (d->mode == ATTACH_NONE)
		return say_refused(error);
	d->index = l->index;
	say_stands(l->name, d->mode);
	return NULL;
}

static const char *attach_to_all(struct kernel_shield *k, const struct settings *s)
{
	const char *why = "there is no such device";
	struct link *links = NULL;
	int socket = attach_open();
	size_t count = 0;

	if (socket < 0 || !links_read(&links, &count, s->interface))
		why = strerror(errno);
	for (size_t i = 0; socket >= 0 && i < count; i++) {
		if (!is_to_be_shielded(s->interface, &links[i]))
			continue;
		why = attach_to(k, socket, &links[i]);
		if (why != NULL)
			break;
	}
	free(links);
	fd_close(socket);
	return why;
}

static void take_up(struct kernel_shield *k, const char *control)
{
	if (k->loaded.xdp_id != 0)
		write_note(control, k->loaded.xdp_id);
	k->addresses = kernel_shield_map_addresses(k->loaded.addresses);
}

/* False, having said why, when it is not to be had. */
static bool open_ring(struct kernel_shield *k, const struct settings *s, const char *control)
{
	char room[KERNEL_SHIELD_WHY_BYTES];
	const char *why = room;

	if (!ring_fits())
		why = "this program is for another kind of kernel";
	else if (kernel_shield_load(
	             &k->loaded, s->udp_port, *s->interface != '\0', KERNEL_SHIELD_RING, room))
		why = attach_to_all(k, s);
	if (why == NULL) {
		take_up(k, control);
		k->place = find_place(k);
		return true;
	}
	log_event(LOG_LEVEL_WARN, "knocks cannot be taken at the network device (intake: xdp)",
	    "why", why, "then", "a socket listens at the knock port", NULL);
	kernel_shield_let_go(k);
	kernel_shield_unload(&k->loaded);
	return false;
}

/* Our own rules would let nothing through to a socket. */
static bool can_do_without_ring(const struct settings *s)
{
	if (s->guard != CONF_GUARD_ALL || s->open_knock_port)
		return true;
	log_line(LOG_LEVEL_ERROR, "no knock could reach that socket, with guard: all and "
	                          "open_knock_port: false");
	return false;
}

enum control_intake kernel_shield_intake(const struct kernel_shield *k, const struct settings *s)
{
	size_t hear = 0, deaf = 0;

	if (!s->openme)
		return CONTROL_INTAKE_NONE;
	if (k->loaded.ring < 0)
		return s->intake == CONF_INTAKE_CAPTURE ? CONTROL_INTAKE_CAPTURE
		                                        : CONTROL_INTAKE_SOCKET;
	for (size_t i = 0; i < SHIELDED_MOST; i++) {
		hear += k->devices[i].mode != ATTACH_NONE;
		deaf += k->devices[i].index != 0 && k->devices[i].mode == ATTACH_NONE;
	}
	if (hear == 0)
		return CONTROL_INTAKE_XDP_NOWHERE;
	return deaf > 0 ? CONTROL_INTAKE_XDP_IN_PART : CONTROL_INTAKE_XDP;
}

bool kernel_shield_open(struct kernel_shield *k, const struct settings *s, const char *control)
{
	const bool xdp = s->shield_at == CONF_SHIELD_AT_XDP || s->intake == CONF_INTAKE_XDP;
	size_t left = kernel_shield_clear(read_note(control));

	if (left > 0)
		log_line(LOG_LEVEL_INFO,
		    "the shield of an earlier daemon is taken away (devices: %zu)", left);
	/* Whoever wants to read of each refusal gets them all. */
	if (!s->openme)
		return true;
	if (s->intake == CONF_INTAKE_XDP) {
		if (open_ring(k, s, control))
			return true;
		if (!can_do_without_ring(s))
			return false;
	}
	if (!xdp && (s->shield_at == CONF_SHIELD_AT_USER ||
	                (s->shield_at == CONF_SHIELD_AT_AUTO &&
	                    log_get_settings().level == LOG_LEVEL_DEBUG)))
		return true;
	if ((xdp && load(k, s, KERNEL_SHIELD_DEVICE)) || load(k, s, KERNEL_SHIELD_FILTER))
		take_up(k, control);
	return true;
}

/* --- Watching */

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
		if (!is_to_be_shielded(m->settings.interface, &links[i]))
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
	const bool ring = m->shield.loaded.ring >= 0;
	char name[IF_NAMESIZE] = "?";

	if_indextoname((unsigned int)a->index, name);
	if (a->error == 0 && a->mode == ATTACH_NONE)
		return; /* taken away, as it was to be */
	if (a->error == 0)
		say_stands(name, a->mode);
	else
		log_event(ring ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "no shield at a device",
		    "interface", name, "why", say_refused(a->error), "then",
		    ring               ? "what knocks there is NOT HEARD"
		    : m->shield.filter ? "junk is dropped at the socket"
		                       : BEHIND,
		    NULL);
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
	enum control_intake heard = kernel_shield_intake(&m->shield, &m->settings);

	if (m->shield.source.fd < 0)
		return;
	put_addresses(&m->shield);
	check_devices(m);
	m->shield.place = find_place(&m->shield);
	if (m->shield.place != before || kernel_shield_intake(&m->shield, &m->settings) != heard)
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
