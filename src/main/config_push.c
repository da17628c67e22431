#include "main/config_push.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "client/hint_keys.h"
#include "intake/steer.h"
#include "main/port.h"
#include "main/workers.h"
#include "proto/openme.h"

void config_push_close(struct config_push *h)
{
	hint_keys_unmap_of(h->hint_keys, h->snapshot.client_count);
	fd_close(h->hints);
	snapshot_unmap(&h->snapshot);
	fd_close(h->fd);
	for (unsigned int i = 0; i < DOORMEN_MOST; i++) {
		fd_close(h->udp[i]);
		fd_close(h->udp6[i]);
		fd_close(h->openspa[i]);
	}
	fd_close(h->health);
}

struct config_push config_push_empty(void)
{
	struct config_push h = {.fd = -1, .doormen = 1, .health = -1, .hints = -1};

	for (unsigned int i = 0; i < DOORMEN_MOST; i++)
		h.udp[i] = h.udp6[i] = h.openspa[i] = -1;
	return h;
}

void config_push_take_sockets(struct config_push *h, int out[static CONFIG_PUSH_SOCKETS])
{
	for (unsigned int i = 0; i < DOORMEN_MOST; i++) {
		*out++ = h->udp[i];
		*out++ = h->udp6[i];
		*out++ = h->openspa[i];
		h->udp[i] = h->udp6[i] = h->openspa[i] = -1;
	}
	*out = h->health;
	h->health = -1;
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

#define WISH_NAME_BYTES 24
#define WISHES_MOST     CONFIG_PUSH_SOCKETS

struct wish {
	char name[WISH_NAME_BYTES]; /* in the service manager's store */
	int *fd;
	struct socket_place place;
};

struct wishes {
	size_t count;
	struct wish all[WISHES_MOST];
};

static void wish_for(struct wishes *to, const char *name, int *fd, const struct socket_place *place)
{
	struct wish *w = &to->all[to->count++];

	*w = (struct wish){.fd = fd, .place = *place};
	snprintf(w->name, sizeof w->name, "%s", name);
}

/* One for each doorman, the others' with their number, from 2. */
static void wish_for_each(struct wishes *to, const char *name, int fds[],
    const struct socket_place *place, unsigned int count)
{
	struct socket_place numbered = *place;

	for (unsigned int i = 0; i < count; i++) {
		char numbered_name[WISH_NAME_BYTES];

		snprintf(numbered_name, sizeof numbered_name, "%s-%u", name, i + 1);
		numbered.doorman = (uint8_t)i;
		wish_for(to, i == 0 ? name : numbered_name, &fds[i], &numbered);
	}
}

/* Of each family by itself, as the kernel's code for it gets them. */
static void wish_for_captures(struct wishes *to, struct config_push *h, const struct steer_key *key)
{
	const struct settings *s = h->snapshot.settings;
	struct socket_place place = {.type = SOCK_DGRAM,
	    .port = s->udp_port,
	    .interface = s->interface,
	    .ether_type = ETH_P_IP,
	    .size = OPENME_PACKET_BYTES,
	    .first = OPENME_VERSION,
	    .doormen = (uint8_t)h->doormen,
	    .key = *key};

	wish_for_each(to, "capture", h->udp, &place, h->doormen);
	place.ether_type = ETH_P_IPV6;
	wish_for_each(to, "capture6", h->udp6, &place, h->doormen);
}

static bool has_openme_socket(const struct config_push *h)
{
	const struct settings *s = h->snapshot.settings;

	return s->openme && s->intake != CONF_INTAKE_CAPTURE && !h->rings;
}

static bool has_groups(const struct config_push *h)
{
	return h->doormen > 1 && (has_openme_socket(h) || h->snapshot.settings->openspa.enabled);
}

/* The sockets that a configuration asks for. Without a gate an open health port would show us to
 * everyone. `owner`: of those in groups; `key`: of captures. */
static struct wishes wishes_of(struct config_push *h, uid_t owner, const struct steer_key *key)
{
	const struct settings *s = h->snapshot.settings;
	const struct socket_place knocks = {.type = SOCK_DGRAM,
	    .port = s->udp_port,
	    .interface = s->interface,
	    .shared = h->doormen > 1,
	    .owner = owner};
	struct socket_place requests = knocks;
	struct wishes wishes = {.count = 0};

	requests.address = s->openspa.bind;
	requests.port = s->openspa.port;
	if (s->openme && s->intake == CONF_INTAKE_CAPTURE)
		wish_for_captures(&wishes, h, key);
	if (has_openme_socket(h))
		wish_for_each(&wishes, "openme", h->udp, &knocks, h->doormen);
	if (s->openspa.enabled)
		wish_for_each(&wishes, "openspa", h->openspa, &requests, h->doormen);
	if (s->health_port != 0 && s->firewall != CONF_FIREWALL_NONE)
		wish_for(&wishes, "health", &h->health,
		    &(struct socket_place){
		        .type = SOCK_STREAM, .port = s->health_port, .interface = s->interface});
	return wishes;
}

/* Whether nobody is there: another daemon of ours could have the same owner. */
static bool is_free(struct socket_place place)
{
	int fd;

	place.shared = false;
	fd = socket_open(&place);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Of those that share its port: none is open yet. */
static bool is_first(const struct wishes *wishes, const struct wish *w)
{
	bool first = w->place.shared;

	for (size_t i = 0; i < wishes->count; i++)
		first = first &&
		        (!wishes->all[i].place.shared ||
		            wishes->all[i].place.port != w->place.port || *wishes->all[i].fd < 0);
	return first;
}

/* False when the daemon cannot do without. `first`: of those that share the port. */
static bool open_wish(const struct wish *w, bool first)
{
	*w->fd = !first || is_free(w->place) ? intake_open(&w->place) : -1;
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
static bool open_wishes(struct wishes *wishes, struct socket_store *store)
{
	bool cleared;

	for (size_t i = 0; i < wishes->count; i++)
		*wishes->all[i].fd =
		    socket_store_take(store, wishes->all[i].name, &wishes->all[i].place);
	cleared = socket_store_clear(store);
	for (size_t i = 0; i < wishes->count; i++) {
		const struct wish *w = &wishes->all[i];
		bool kept = *w->fd >= 0 && !cleared;

		if (*w->fd < 0 && !open_wish(w, is_first(wishes, w)))
			return false;
		if (*w->fd >= 0 && !kept)
			socket_store_keep(w->name, *w->fd);
	}
	return true;
}

/* Copies of one datagram meet the same doorman, whatever their source, and so does what is made of
 * one by changing its end. */
static bool steer(const struct config_push *h)
{
	if (!has_groups(h) ||
	    ((!has_openme_socket(h) || socket_steer(h->udp[0], h->doormen, STEER_KNOCKS)) &&
	        (h->openspa[0] < 0 || socket_steer(h->openspa[0], h->doormen, STEER_REQUESTS))))
		return true;
	log_event(LOG_LEVEL_ERROR, "cannot share out what arrives", "error", strerror(errno), NULL);
	return false;
}

bool config_push_open_sockets(struct config_push *h, struct socket_store *store)
{
	const struct steer_key key = workers_key(store);
	struct wishes wishes;
	uid_t owner = 0;
	bool answers = true;

	reserve_ports(h->snapshot.settings);
	if (has_groups(h) && !workers_owner(&owner, store)) {
		log_line(LOG_LEVEL_ERROR, "there is no unused uid for the sockets");
		return false;
	}
	wishes = wishes_of(h, owner, &key);
	if (!open_wishes(&wishes, store) || !steer(h))
		return false;
	say_without_ipv6();
	for (unsigned int i = 0; answers && i < h->doormen; i++)
		answers = h->openspa[i] < 0 || socket_want_local(h->openspa[i]);
	return answers;
}
