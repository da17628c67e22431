#include "bpf/load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/secret.h"
#include "bpf/kernel_shield.h"
#include "intake/ring_knock.h"
#include "shield.skel.h"

static char *complaint; /* where the first one goes; libbpf has no context to give */

/* What libbpf warns of first says most. */
__attribute__((format(printf, 2, 0))) static int take_complaint(
    enum libbpf_print_level level, const char *format, va_list values)
{
	if (level != LIBBPF_WARN || complaint == NULL || *complaint != '\0')
		return 0;
	vsnprintf(complaint, KERNEL_SHIELD_WHY_BYTES, format, values);
	complaint[strcspn(complaint, "\n")] = '\0';
	for (char *c = complaint; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return 0;
}

static uint32_t id_of(int program)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof info;

	return bpf_obj_get_info_by_fd(program, &info, &size) == 0 ? info.id : 0;
}

static int copy_of(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* Whatever there is of them is counted, to be closed. False with errno. */
static bool make_rings(
    struct kernel_shield_loaded *out, const struct shield_object *o, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		int ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "knocks", 0, 0, RING_BYTES, NULL);

		if (ring < 0)
			return false;
		out->ring[out->rings++] = ring;
		if (bpf_map_update_elem(bpf_map__fd(o->maps.rings), &i, &ring, BPF_ANY) != 0)
			return false;
	}
	return true;
}

static bool take(struct kernel_shield_loaded *out, const struct shield_object *o,
    const struct kernel_shield_wanted *wanted)
{
	const bool with_xdp = wanted->parts != KERNEL_SHIELD_FILTER;

	out->xdp = with_xdp ? copy_of(bpf_program__fd(o->progs.postern_shield)) : -1;
	out->xdp_id = with_xdp ? id_of(out->xdp) : 0;
	out->socket = copy_of(bpf_program__fd(o->progs.postern_socket));
	out->control = copy_of(bpf_map__fd(o->maps.data_control));
	out->addresses = copy_of(bpf_map__fd(o->maps.data_address));
	out->counts = copy_of(bpf_map__fd(o->maps.data_counts));
	return (out->xdp >= 0 || !with_xdp) && out->socket >= 0 && out->control >= 0 &&
	       out->addresses >= 0 && out->counts >= 0 &&
	       (wanted->parts != KERNEL_SHIELD_RING || make_rings(out, o, wanted->doormen));
}

static void set_up_rings(struct shield_object *o, uint32_t count)
{
	uint32_t key[2];

	secret_random(key, sizeof key);
	o->rodata->settings.rings = count;
	o->rodata->settings.steer_mask = key[0];
	o->rodata->settings.steer_factor = key[1] | 1;
	bpf_map__set_max_entries(o->maps.rings, count == 0 ? 1 : count);
}

static void set_up(struct shield_object *o, const struct kernel_shield_wanted *wanted)
{
	o->rodata->settings.port = __builtin_bswap16(wanted->port);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	o->rodata->settings.port = wanted->port;
#endif
	o->rodata->settings.one_interface = wanted->one_interface;
	set_up_rings(o, wanted->parts == KERNEL_SHIELD_RING ? wanted->doormen : 0);
	bpf_program__set_autoload(o->progs.postern_shield, wanted->parts != KERNEL_SHIELD_FILTER);
	secret_random(o->rodata->settings.sender_key, sizeof o->rodata->settings.sender_key);
}

bool kernel_shield_load(struct kernel_shield_loaded *out, const struct kernel_shield_wanted *wanted,
    char why[static KERNEL_SHIELD_WHY_BYTES])
{
	struct shield_object *o;
	int error = ENOMEM;
	bool done = false;

	*out = (struct kernel_shield_loaded)KERNEL_SHIELD_NONE;
	*why = '\0';
	complaint = why;
	libbpf_set_print(take_complaint);
	o = shield_object__open();
	if (o == NULL) {
		error = errno;
	} else {
		set_up(o, wanted);
		error = -shield_object__load(o);
		done = error == 0 && take(out, o, wanted);
		error = error == 0 ? errno : error;
	}
	complaint = NULL;
	/* That libbpf puts down to memory. */
	if (!done && error == EPERM)
		snprintf(why, KERNEL_SHIELD_WHY_BYTES,
		    "bpf() is not permitted here; under systemd a drop-in permits it");
	else if (!done && *why == '\0')
		snprintf(why, KERNEL_SHIELD_WHY_BYTES, "%s", strerror(error));
	if (!done)
		kernel_shield_unload(out);
	shield_object__destroy(o);
	return done;
}

void kernel_shield_unload(struct kernel_shield_loaded *loaded)
{
	fd_close(loaded->xdp);
	fd_close(loaded->socket);
	fd_close(loaded->control);
	fd_close(loaded->addresses);
	fd_close(loaded->counts);
	for (uint32_t i = 0; i < loaded->rings; i++)
		fd_close(loaded->ring[i]);
	*loaded = (struct kernel_shield_loaded)KERNEL_SHIELD_NONE;
}
