/* From the configuration as written to the snapshot that the roles work by. */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/openspa_layout.h"
#include "conf/values.h"

/* Ports and, for `allowed_ports`, the ports of the groups named. */
static bool ranges_add_list(struct ranges *r, const struct conf *conf, const struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct conf_group *group = conf_group_named(conf, list->items[i].text);
		const char *ignored = NULL;
		struct port_spec spec;

		/* Ports first: a group that is called "80" cannot be named, as with openme. */
		if (value_port_spec(&spec, list->items[i].text, &ignored)) {
			if (!ranges_add_spec(r, &spec))
				return false;
		} else if (group != NULL) {
			if (!ranges_add_list(r, conf, &group->specs))
				return false;
		}
	}
	return true;
}

static bool wish_for(
    struct wish *wish, const struct conf *conf, const struct conf_client *client, uint32_t number)
{
	uint16_t health = (uint16_t)conf->server.health_port;

	wish->client = number;
	if (client->skipped)
		return true;
	if (!ranges_add_list(&wish->ports, conf, conf_client_ports(client)))
		return false;
	if (client->disable_health_port != 1 && health != 0 &&
	    !ranges_add(&wish->ports, IPPROTO_TCP, health, health))
		return false;
	ranges_merge(&wish->ports);
	return true;
}

static int by_ports(const void *a, const void *b)
{
	const struct wish *x = a, *y = b;

	if (x->ports.count != y->ports.count)
		return x->ports.count < y->ports.count ? -1 : 1;
	for (uint32_t i = 0; i < x->ports.count; i++) {
		int order = ranges_compare(&x->ports.items[i], &y->ports.items[i]);

		if (order != 0)
			return order;
	}
	return 0;
}

/* Clients with equal ports stand side by side once sorted: each run is one policy. */
static bool build_policies(struct parts *p, const struct conf *conf)
{
	uint32_t count = 0;

	for (size_t i = 0; i < conf->client_count; i++) {
		if (conf->clients[i].aside)
			continue;
		if (!wish_for(&p->wishes[count], conf, &conf->clients[i], count))
			return false;
		count++;
	}
	p->client_count = count;
	qsort(p->wishes, count, sizeof *p->wishes, by_ports);
	for (uint32_t i = 0; i < count; i++) {
		if (i == 0 || by_ports(&p->wishes[i - 1], &p->wishes[i]) != 0) {
			uint32_t first = p->ports.count;

			if (!ranges_add_all(&p->ports, &p->wishes[i].ports))
				return false;
			p->policies[p->policy_count++].ports = span_from(first, p->ports.count);
		}
		p->clients[p->wishes[i].client].policy = p->policy_count - 1;
	}
	return true;
}

static void free_wishes(struct parts *p, const struct conf *conf)
{
	for (size_t i = 0; p->wishes != NULL && i < conf->client_count; i++)
		free(p->wishes[i].ports.items);
	free(p->wishes);
	p->wishes = NULL;
}

static bool build_clients(struct parts *p, const struct conf *conf)
{
	struct client server = {0}; /* what its targets are to those who name none */
	uint32_t number = 0;

	if (!build_targets(p, &server.targets, &server.target_list, &conf->server.targets))
		return false;
	for (size_t i = 0; i < conf->client_count; i++) {
		const struct conf_client *from = &conf->clients[i];
		struct client *to = &p->clients[number];
		int wildcard =
		    from->wildcard == CONF_NOT_GIVEN ? conf->server.wildcard : from->wildcard;
		int legacy = from->legacy == CONF_NOT_GIVEN ? conf->server.legacy : from->legacy;

		if (from->aside)
			continue;
		number++;
		value_label(to->name, from->name);
		memcpy(to->public_key, from->ed25519_pubkey.bytes, sizeof to->public_key);
		to->expires_ns = from->expires;
		to->wildcard = wildcard == 1;
		to->hint_only = legacy != 1;
		p->settings.hint_only_clients += to->hint_only ? 1 : 0;
		to->revoked = from->revoked.yes;
		to->targets = server.targets;
		to->target_list = server.target_list;
		if (from->targets.count > 0 &&
		    !build_targets(p, &to->targets, &to->target_list, &from->targets))
			return false;
	}
	return true;
}

static bool add_merged(struct parts *p, struct ranges *r, struct span *span)
{
	uint32_t first = p->ports.count;
	bool ok;

	ranges_merge(r);
	ok = ranges_add_all(&p->ports, r);
	*span = span_from(first, p->ports.count);
	free(r->items);
	return ok;
}

static bool build_managed_ports(struct parts *p, const struct conf *conf)
{
	struct ranges all = {NULL, 0, 0};
	bool ok = ranges_add_all(&all, &p->ports) && openspa_add_ports(&all, conf);

	for (size_t i = 0; i < conf->group_count && ok; i++)
		ok = ranges_add_list(&all, conf, &conf->groups[i].specs);
	/* Of those that are skipped, the ports stay shut. */
	for (size_t i = 0; i < conf->client_count && ok; i++)
		ok = !conf->clients[i].skipped ||
		     ranges_add_list(&all, conf, &conf->clients[i].allowed_ports);
	return add_merged(p, &all, &p->settings.managed_ports) && ok;
}

static bool build_guard_allow(struct parts *p, const struct conf *conf)
{
	const struct conf_list *list = &conf->server.guard_allow;
	struct ranges ports = {NULL, 0, 0};
	uint32_t first = p->networks.count;
	bool ok = true;

	for (size_t i = 0; i < list->count && ok; i++) {
		const char *ignored = NULL;
		struct port_spec spec;

		if (value_port_spec(&spec, list->items[i].text, &ignored))
			ok = ranges_add_spec(&ports, &spec);
		else
			ok = networks_add(&p->networks, list->items[i].text);
	}
	p->settings.guard_allow_networks = span_from(first, p->networks.count);
	return add_merged(p, &ports, &p->settings.guard_allow_ports) && ok;
}

/* Nobody outside has an address of ours: a grant for one would be of use to nobody, or to somebody
 * who pretends. */
static bool build_own_addresses(struct parts *p)
{
	uint32_t first = p->networks.count;
	struct ifaddrs *all = NULL;
	bool ok = getifaddrs(&all) == 0;

	for (const struct ifaddrs *i = all; i != NULL && ok; i = i->ifa_next) {
		struct cidr own = {.bits = 128};
		uint16_t port;

		if (i->ifa_addr != NULL && addr_from_sockaddr(&own.address, &port, i->ifa_addr))
			ok = networks_put(&p->networks, &own);
	}
	freeifaddrs(all);
	p->settings.own_addresses = span_from(first, p->networks.count);
	return ok;
}

/* Rules of the old kind that is no nftables are not seen by who sees the others. */
static bool has_legacy_rules(void)
{
	static const char *const names[] = {
	    "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"};
	bool found = false;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		FILE *file = fopen(names[i], "re");

		found = found || (file != NULL && fgetc(file) != EOF);
		if (file != NULL)
			fclose(file);
	}
	return found;
}

static int notrack_of(const struct conf_server *from)
{
	return from->notrack == CONF_NOTRACK_AUTO && has_legacy_rules() ? CONF_NOTRACK_NO
	                                                                : from->notrack;
}

static void build_settings(struct settings *to, const struct conf *conf)
{
	const struct conf_server *from = &conf->server;

	to->openme = conf_has_openme(conf);
	memcpy(to->public_key, conf->public_key, sizeof to->public_key);
	to->knock_timeout_ns = from->knock_timeout;
	to->replay_window_ns = from->replay_window;
	to->udp_port = (uint16_t)from->udp_port;
	to->health_port = to->openme ? (uint16_t)from->health_port : 0;
	to->firewall =
	    from->firewall == CONF_FIREWALL_NONE ? CONF_FIREWALL_NONE : CONF_FIREWALL_NFT;
	to->guard = (uint8_t)from->guard;
	to->hook = (uint8_t)from->hook;
	to->established = (uint8_t)from->established;
	to->shutdown = (uint8_t)from->shutdown;
	to->shield = (uint8_t)(from->shield_key.bytes == NULL ? CONF_SHIELD_OFF : from->shield);
	to->host_chains = (uint8_t)from->host_chains;
	to->shield_at = (uint8_t)from->shield_at;
	to->sandbox = (uint8_t)from->sandbox;
	to->intake = (uint8_t)from->intake;
	to->notrack = (uint8_t)notrack_of(from);
	to->workers = (uint8_t)from->workers;
	to->drop_ports = from->drop_ports == 1;
	to->open_knock_port = from->open_knock_port == 1;
	memcpy(to->interface, conf->interface, sizeof to->interface);
	to->mark = (uint32_t)from->mark;
	to->priority = (int32_t)from->priority;
	to->client_quota = (uint32_t)from->client_quota;
}

static int create_snapshot(const struct parts *p, uint64_t generation)
{
	struct snapshot_parts parts = {
	    .generation = generation,
	    .settings = p->settings,
	    .counts = {p->client_count, p->policy_count, p->ports.count, p->networks.count,
	        p->device_count, p->rule_count},
	    .clients = p->clients,
	    .policies = p->policies,
	    .ports = p->ports.items,
	    .cidrs = p->networks.items,
	    .devices = p->devices,
	    .rules = p->rules,
	};

	return snapshot_create(&parts);
}

int conf_write_snapshot(const struct conf *conf, uint64_t generation)
{
	size_t count = conf->client_count;
	struct parts p;
	int fd = -1;
	bool ok;

	/* Zeroed with its padding: what the roles map must hold nothing else of ours. */
	memset(&p, 0, sizeof p);
	p.wishes = calloc(count + 1, sizeof *p.wishes);
	p.clients = calloc(count + 1, sizeof *p.clients);
	p.policies = calloc(count + 1, sizeof *p.policies);
	errno = ENOMEM;
	if (p.wishes == NULL || p.clients == NULL || p.policies == NULL)
		goto out;
	build_settings(&p.settings, conf);
	ok = build_policies(&p, conf);
	free_wishes(&p, conf);
	if (ok && build_clients(&p, conf) && build_managed_ports(&p, conf) &&
	    build_guard_allow(&p, conf) && build_own_addresses(&p) && build_openspa(&p, conf))
		fd = create_snapshot(&p, generation);
out:
	free_wishes(&p, conf);
	free(p.clients);
	free(p.policies);
	free(p.ports.items);
	free(p.networks.items);
	free(p.devices);
	free(p.rules);
	return fd;
}
