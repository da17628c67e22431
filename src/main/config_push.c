#include "main/config_push.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "client/hint_keys.h"
#include "main/port.h"
#include "proto/openme.h"

void config_push_close(struct config_push *h)
{
	hint_keys_unmap(h->hint_keys);
	fd_close(h->hints);
	snapshot_unmap(&h->snapshot);
	fd_close(h->fd);
	fd_close(h->udp);
	fd_close(h->udp6);
	fd_close(h->openspa);
	fd_close(h->health);
}

static void open_hints(struct config_push *h)
{
	if (!h->snapshot.settings->openme || h->snapshot.client_count == 0)
		return;
	h->hints = hint_keys_create(h->snapshot.client_count, &h->hint_keys);
	if (h->hints < 0)
		log_event(LOG_LEVEL_WARN, "no memory for hint keys: knocks are served, slower",
		    "error", strerror(errno), NULL);
}

bool config_push_open(struct config_push *h, int snapshot)
{
	h->fd = snapshot;
	if (h->fd >= 0 && snapshot_map(&h->snapshot, h->fd)) {
		open_hints(h);
		return true;
	}
	log_event(
	    LOG_LEVEL_ERROR, "cannot lay out the configuration", "error", strerror(errno), NULL);
	return false;
}

/* Before they are opened: when somebody has one, it is free for the next start once it is given
 * back. */
static void reserve_ports(const struct settings *s)
{
	if (s->openme)
		port_reserve(s->udp_port);
	if (s->openspa.enabled)
		port_reserve(s->openspa.port);
	if (s->health_port != 0)
		port_reserve(s->health_port);
}

/* Says why a socket was not to be had, from errno. */
static void say_why(enum log_level level, const char *what, const char *table, uint16_t port)
{
	char holder[PORT_HOLDER_BYTES] = "";
	int reason = errno;

	if (reason == EADDRINUSE)
		port_holder(holder, table, port);
	log_line(level, "cannot listen on %s %u: %s%s%s", what, port, strerror(reason),
	    *holder != '\0' ? ", by " : "", holder);
	if (reason == EAFNOSUPPORT)
		log_line(level, "this host has no IPv6, and openspa.bind is an address of it; "
		                "expected one of IPv4");
}

static void say_without_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 && errno == EAFNOSUPPORT)
		log_line(LOG_LEVEL_INFO, "this host has no IPv6: only IPv4 is served");
	fd_close(fd);
}

struct wish {
	const char *name; /* in the service manager's store */
	int *fd;
	struct socket_place place;
};

#define WISHES_MOST 4

/* Of each family by itself, as the kernel's code for it gets them. */
static size_t captures_of(struct wish out[static 2], struct config_push *h)
{
	const struct settings *s = h->snapshot.settings;
	struct socket_place place = {.type = SOCK_DGRAM,
	    .port = s->udp_port,
	    .interface = s->interface,
	    .ether_type = ETH_P_IP,
	    .size = OPENME_PACKET_BYTES,
	    .first = OPENME_VERSION};

	out[0] = (struct wish){"capture", &h->udp, place};
	place.ether_type = ETH_P_IPV6;
	out[1] = (struct wish){"capture6", &h->udp6, place};
	return 2;
}

/* The sockets that a configuration asks for. Without a gate an open health port would show us to
 * everyone. */
static size_t wishes_of(struct wish out[static WISHES_MOST], struct config_push *h)
{
	const struct settings *s = h->snapshot.settings;
	size_t count = 0;

	if (s->openme && s->intake == CONF_INTAKE_CAPTURE)
		count = captures_of(out, h);
	else if (s->openme && !h->ring)
		out[count++] = (struct wish){"openme", &h->udp,
		    {.type = SOCK_DGRAM, .port = s->udp_port, .interface = s->interface}};
	if (s->openspa.enabled)
		out[count++] = (struct wish){"openspa", &h->openspa,
		    {.type = SOCK_DGRAM,
		        .address = s->openspa.bind,
		        .port = s->openspa.port,
		        .interface = s->interface}};
	if (s->health_port != 0 && s->firewall != CONF_FIREWALL_NONE)
		out[count++] = (struct wish){"health", &h->health,
		    {.type = SOCK_STREAM, .port = s->health_port, .interface = s->interface}};
	return count;
}

/* False when the daemon cannot do without. */
static bool open_wish(const struct wish *w)
{
	*w->fd = intake_open(&w->place);
	if (*w->fd >= 0)
		return true;
	if (w->place.ether_type != 0) {
		log_event(LOG_LEVEL_ERROR, "cannot capture what is sent to the knock port", "error",
		    strerror(errno), "remedy",
		    errno == EAFNOSUPPORT ? "packet sockets: AF_PACKET in the unit's "
		                            "RestrictAddressFamilies, CONFIG_PACKET in the kernel"
		                          : "CAP_NET_RAW, or intake: socket",
		    NULL);
		return false;
	}
	if (w->place.type == SOCK_DGRAM) {
		say_why(LOG_LEVEL_ERROR, "UDP port", "udp", w->place.port);
		return false;
	}
	say_why(LOG_LEVEL_WARN, "the health port (knocks work, status does not), TCP", "tcp",
	    w->place.port);
	return true;
}

/* What is kept for nothing goes first: it may have a port that is wanted. */
bool config_push_open_sockets(struct config_push *h, struct socket_store *store)
{
	struct wish wishes[WISHES_MOST];
	size_t count = wishes_of(wishes, h);
	bool cleared;

	reserve_ports(h->snapshot.settings);
	for (size_t i = 0; i < count; i++)
		*wishes[i].fd = socket_store_take(store, wishes[i].name, &wishes[i].place);
	cleared = socket_store_clear(store);
	for (size_t i = 0; i < count; i++) {
		const struct wish *w = &wishes[i];
		bool kept = *w->fd >= 0 && !cleared;

		if (*w->fd < 0 && !open_wish(w))
			return false;
		if (*w->fd >= 0 && !kept)
			socket_store_keep(w->name, *w->fd);
	}
	say_without_ipv6();
	return h->openspa < 0 || socket_want_local(h->openspa);
}
