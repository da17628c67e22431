#include "cmd/shut_ports.h"

#include <string.h>

static void set(uint8_t *map, uint32_t first, uint32_t last, bool shut)
{
	for (uint32_t port = first; port <= last; port++) {
		uint8_t bit = (uint8_t)(1U << port % 8);

		map[port / 8] = (uint8_t)(shut ? map[port / 8] | bit : map[port / 8] & ~bit);
	}
}

static bool has(const uint8_t *map, uint32_t port)
{
	return (map[port / 8] >> port % 8 & 1) != 0;
}

static void set_all(struct shut_ports *p, const struct snapshot *s, struct span span, bool shut)
{
	const struct ports *ports = snapshot_ports(s, span);

	for (uint32_t i = 0; i < span.count; i++) {
		if (ports[i].protocol == IPPROTO_TCP)
			set(p->tcp, ports[i].first, ports[i].last, shut);
		if (ports[i].protocol == IPPROTO_UDP)
			set(p->udp, ports[i].first, ports[i].last, shut);
	}
}

struct shut_ports shut_ports_of(const struct snapshot *s)
{
	const struct settings *settings = s->settings;
	struct shut_ports p = {{0}, {0}};

	if (settings->firewall != CONF_FIREWALL_NFT)
		return p;
	if (settings->guard == CONF_GUARD_ALL) {
		set(p.tcp, 1, UINT16_MAX, true);
		set(p.udp, 1, UINT16_MAX, true);
		set_all(&p, s, settings->guard_allow_ports, false);
	} else if (settings->drop_ports) {
		set_all(&p, s, settings->managed_ports, true);
	}
	if (settings->health_port != 0)
		set(p.tcp, settings->health_port, settings->health_port, true);
	if (settings->open_knock_port && settings->openme)
		set(p.udp, settings->udp_port, settings->udp_port, false);
	if (settings->open_knock_port && settings->openspa.enabled)
		set(p.udp, settings->openspa.port, settings->openspa.port, false);
	return p;
}

bool shut_ports_tcp(const struct shut_ports *p, uint16_t port)
{
	return has(p->tcp, port);
}

static size_t gained(struct ports *out, size_t most, size_t count, uint8_t protocol,
    const uint8_t *before, const uint8_t *next)
{
	for (uint32_t port = 0, first; port <= UINT16_MAX; port++) {
		if (!has(next, port) || has(before, port))
			continue;
		first = port;
		while (port < UINT16_MAX && has(next, port + 1) && !has(before, port + 1))
			port++;
		if (count < most)
			out[count] = (struct ports){
			    .protocol = protocol, .first = (uint16_t)first, .last = (uint16_t)port};
		count++;
	}
	return count;
}

size_t shut_ports_gained(
    struct ports *out, size_t most, const struct shut_ports *before, const struct shut_ports *next)
{
	size_t count = gained(out, most, 0, IPPROTO_TCP, before->tcp, next->tcp);

	return gained(out, most, count, IPPROTO_UDP, before->udp, next->udp);
}
