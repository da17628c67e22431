#include "main/config_push.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "intake/socket.h"
#include "main/port.h"

void config_push_close(struct config_push *h)
{
	snapshot_unmap(&h->snapshot);
	if (h->fd >= 0)
		close(h->fd);
	if (h->udp >= 0)
		close(h->udp);
	if (h->openspa >= 0)
		close(h->openspa);
	if (h->health >= 0)
		close(h->health);
}

bool config_push_open(struct config_push *h, const struct conf *conf, uint64_t generation)
{
	h->fd = conf_write_snapshot(conf, generation);
	if (h->fd >= 0 && snapshot_map(&h->snapshot, h->fd))
		return true;
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
}

/* A UDP socket, or -1 with the reason in the log. */
static int open_udp(const struct addr *address, uint16_t port, const char *interface)
{
	int fd = socket_open_udp(address, port, interface);

	if (fd < 0)
		say_why(LOG_LEVEL_ERROR, "UDP port", "udp", port);
	return fd;
}

bool config_push_open_sockets(struct config_push *h)
{
	static const struct addr every;
	const struct settings *s = h->snapshot.settings;

	reserve_ports(s);
	if (s->openme && (h->udp = open_udp(&every, s->udp_port, s->interface)) < 0)
		return false;
	if (s->openspa.enabled) {
		h->openspa = open_udp(&s->openspa.bind, s->openspa.port, s->interface);
		if (h->openspa < 0 || !socket_want_local(h->openspa))
			return false;
	}
	/* Without a gate an open port would show us to everyone. */
	if (s->health_port == 0 || s->firewall == CONF_FIREWALL_NONE)
		return true;
	h->health = socket_open_tcp(s->health_port, s->interface);
	if (h->health < 0)
		say_why(LOG_LEVEL_WARN, "the health port (knocks work, status does not), TCP",
		    "tcp", s->health_port);
	return true;
}
