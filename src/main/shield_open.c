/* What of the shield main does before its sandbox closes: taking away what an earlier daemon has
 * left, loading, and, where knocks come from devices, attaching. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "bpf/clear.h"
#include "bpf/note.h"
#include "bpf/pages.h"
#include "intake/ring.h"
#include "intake/socket.h"
#include "main/kernel_shield.h"

/* --- Loading */

static bool load(struct kernel_shield *k, const struct settings *s, enum kernel_shield_parts parts)
{
	const bool with_xdp = parts != KERNEL_SHIELD_FILTER;
	const struct kernel_shield_wanted wanted = {s->udp_port, *s->interface != '\0', parts, 0};
	char why[KERNEL_SHIELD_WHY_BYTES];

	if (kernel_shield_load(&k->loaded, &wanted, why))
		return true;
	log_event(s->shield_at == CONF_SHIELD_AT_AUTO ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	    with_xdp ? "no shield at the device" : "no shield in the kernel", "why", why, "then",
	    with_xdp ? "trying the socket" : KERNEL_SHIELD_BEHIND, NULL);
	return false;
}

/* --- Devices */

bool kernel_shield_is_for(const char *interface, const struct link *l)
{
	if (*interface != '\0')
		return strcmp(l->name, interface) == 0;
	return l->ethernet && *l->kind == '\0';
}

struct shielded_device *kernel_shield_device(struct kernel_shield *k, int index)
{
	for (size_t i = 0; i < SHIELDED_MOST; i++)
		if (k->devices[i].index == index)
			return &k->devices[i];
	return NULL;
}

const char *kernel_shield_refused(int error)
{
	return error == EBUSY || error == EEXIST ? "another program is there, and is left alone"
	                                         : strerror(error);
}

void kernel_shield_say_stands(const char *device, uint8_t mode)
{
	static const char *const modes[ATTACH_MODES] = {"none", "generic", "native"};

	log_event(LOG_LEVEL_INFO, "the shield stands at a device", "interface", device, "xdp",
	    modes[mode], NULL);
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

/* Of those who hear by devices. */
static enum control_intake find_intake(const struct kernel_shield *k)
{
	size_t hear = 0, deaf = 0;

	for (size_t i = 0; i < SHIELDED_MOST; i++) {
		hear += k->devices[i].mode != ATTACH_NONE;
		deaf += k->devices[i].index != 0 && k->devices[i].mode == ATTACH_NONE;
	}
	if (hear == 0)
		return CONTROL_INTAKE_XDP_NOWHERE;
	return deaf > 0 ? CONTROL_INTAKE_XDP_IN_PART : CONTROL_INTAKE_XDP;
}

bool kernel_shield_look(struct kernel_shield *k)
{
	const enum control_shield place = k->place;
	const enum control_intake intake = k->intake;

	k->place = find_place(k);
	if (k->loaded.rings > 0)
		k->intake = find_intake(k);
	return k->place != place || k->intake != intake;
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
		    KERNEL_SHIELD_BEHIND, NULL);
	kernel_shield_look(k);
}

/* --- Knocks past the stack: a device without the program would be deaf, so each that is there has
 * it before anything else is done, or a socket takes its place. */

void kernel_shield_let_go(struct kernel_shield *k)
{
	int socket = k->loaded.rings == 0 ? -1 : attach_open();

	for (size_t i = 0; socket >= 0 && i < SHIELDED_MOST; i++)
		if (k->devices[i].mode != ATTACH_NONE)
			attach_remove(socket, k->devices[i].index, k->loaded.xdp);
	fd_close(socket);
	memset(k->devices, 0, sizeof k->devices);
}

/* NULL, or why not. */
static const char *attach_to(struct kernel_shield *k, int socket, const struct link *l)
{
	struct shielded_device *d = kernel_shield_device(k, 0);
	int error = 0;

	if (d == NULL)
		return "there are too many devices";
	d->mode = (uint8_t)attach_program(socket, l->index, k->loaded.xdp, &error);
	if (d->mode == ATTACH_NONE)
		return kernel_shield_refused(error);
	d->index = l->index;
	kernel_shield_say_stands(l->name, d->mode);
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
		if (!kernel_shield_is_for(s->interface, &links[i]))
			continue;
		why = attach_to(k, socket, &links[i]);
		if (why != NULL)
			break;
	}
	free(links);
	fd_close(socket);
	return why;
}

static void note_program(const char *control, uint32_t program)
{
	if (!shield_note_write(control, program))
		log_line(LOG_LEVEL_WARN, "cannot note which shield is ours, for the next daemon");
}

static void take_up(struct kernel_shield *k, const char *control)
{
	if (k->loaded.xdp_id != 0)
		note_program(control, k->loaded.xdp_id);
	k->addresses = kernel_shield_map_addresses(k->loaded.addresses);
}

/* False, having said why, when it is not to be had. */
static bool open_rings(
    struct kernel_shield *k, const struct settings *s, unsigned int doormen, const char *control)
{
	const struct kernel_shield_wanted wanted = {
	    s->udp_port, *s->interface != '\0', KERNEL_SHIELD_RING, doormen};
	char room[KERNEL_SHIELD_WHY_BYTES];
	const char *why = room;

	if (!ring_fits())
		why = "this program is for another kind of kernel";
	else if (kernel_shield_load(&k->loaded, &wanted, room))
		why = attach_to_all(k, s);
	if (why == NULL) {
		take_up(k, control);
		kernel_shield_look(k);
		return true;
	}
	log_event(LOG_LEVEL_WARN, "knocks cannot be taken at the network device (intake: xdp)",
	    "why", why, "then", "a socket listens at the knock port", NULL);
	kernel_shield_let_go(k);
	kernel_shield_unload(&k->loaded);
	return false;
}

/* Our own rules would let nothing through to a socket. */
static bool can_do_without_rings(const struct settings *s)
{
	if (s->guard != CONF_GUARD_ALL || s->open_knock_port)
		return true;
	log_line(LOG_LEVEL_ERROR, "no knock could reach that socket, with guard: all and "
	                          "open_knock_port: false");
	return false;
}

bool kernel_shield_open(
    struct kernel_shield *k, const struct settings *s, unsigned int doormen, const char *control)
{
	const bool xdp = s->shield_at == CONF_SHIELD_AT_XDP || s->intake == CONF_INTAKE_XDP;
	size_t left = kernel_shield_clear(shield_note_read(control));

	if (left > 0)
		log_line(LOG_LEVEL_INFO,
		    "the shield of an earlier daemon is taken away (devices: %zu)", left);
	/* Whoever wants to read of each refusal gets them all. */
	if (!s->openme)
		return true;
	k->intake =
	    s->intake == CONF_INTAKE_CAPTURE ? CONTROL_INTAKE_CAPTURE : CONTROL_INTAKE_SOCKET;
	if (s->intake == CONF_INTAKE_XDP) {
		if (open_rings(k, s, doormen, control))
			return true;
		if (!can_do_without_rings(s))
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
