/* OpenSPA's part of the snapshot. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/openspa_layout.h"
#include "conf/values.h"

static uint16_t seconds(int64_t ns)
{
	return (uint16_t)(ns / NS_PER_SECOND); /* at most 65535 by its table */
}

/* Up to two: ports without a protocol mean TCP and UDP. There must be room. */
static void put_rule(
    struct parts *p, uint8_t protocol, uint16_t first, uint16_t last, uint16_t duration_s)
{
	p->rules[p->rule_count++] =
	    (struct openspa_rule){{.protocol = protocol, .first = first, .last = last}, duration_s};
}

static void put_spec(struct parts *p, const struct rule_spec *spec, uint16_t duration_s)
{
	const struct port_spec *ports = &spec->ports;

	if (spec->protocol == -1) {
		if (ports->tcp)
			put_rule(p, IPPROTO_TCP, ports->first, ports->last, duration_s);
		if (ports->udp)
			put_rule(p, IPPROTO_UDP, ports->first, ports->last, duration_s);
	} else if (spec->protocol == 0) {
		put_rule(p, 0, 0, UINT16_MAX, duration_s);
	} else if (spec->protocol == IPPROTO_TCP || spec->protocol == IPPROTO_UDP) {
		put_rule(p, (uint8_t)spec->protocol, 1, UINT16_MAX, duration_s);
	} else {
		put_rule(p, (uint8_t)spec->protocol, 0, 0, duration_s);
	}
}

/* A device without rules of its own may ask for anything, for the duration that applies; without
 * one, for nothing. NULL: a device that is in no row. */
static struct span build_rules(
    struct parts *p, const struct conf *conf, const struct conf_device *device)
{
	int64_t own = device == NULL ? 0 : device->duration;
	int64_t duration = own != 0 ? own : conf->openspa.duration;
	size_t count = device == NULL ? 0 : device->rules.count;
	uint32_t first = p->rule_count;

	for (size_t i = 0; i < count; i++) {
		const char *ignored = NULL;
		struct rule_spec spec;

		if (value_rule(&spec, device->rules.items[i].text, &ignored))
			put_spec(
			    p, &spec, spec.duration_s != 0 ? spec.duration_s : seconds(duration));
	}
	if (count == 0 && duration != 0)
		put_rule(p, 0, 0, UINT16_MAX, seconds(duration));
	return span_from(first, p->rule_count);
}

static bool build_device(struct parts *p, const struct conf *conf, const struct conf_device *from)
{
	struct device *to = &p->devices[p->device_count++];

	memcpy(to->uuid, from->uuid, sizeof to->uuid);
	value_label(to->name, from->name.text);
	memcpy(to->modulus, from->modulus, sizeof to->modulus);
	memcpy(to->exponent, from->exponent, sizeof to->exponent);
	to->expires_ns = from->expires;
	to->revoked = from->revoked.yes;
	to->rules = build_rules(p, conf, from);
	to->targets = p->settings.openspa.targets;
	to->target_list = p->settings.openspa.target_list;
	return from->targets.count == 0 ||
	       build_targets(p, &to->targets, &to->target_list, &from->targets);
}

static bool build_devices(struct parts *p, const struct conf *conf)
{
	bool native = conf->programs[CONF_TASK_PUBLIC_KEY].asked == CONF_ASKED_NATIVE;
	size_t rules = 2;

	for (size_t i = 0; i < conf->device_count; i++)
		rules += 1 + 2 * conf->devices[i].rules.count;
	if (rules > UINT32_MAX)
		return false;
	p->devices = calloc(conf->device_count + 1, sizeof *p->devices);
	p->rules = calloc(rules, sizeof *p->rules);
	if (p->devices == NULL || p->rules == NULL)
		return false;
	p->settings.openspa.rules = build_rules(p, conf, NULL);
	for (size_t i = 0; i < conf->device_count; i++) {
		/* A revoked device may have no key any more. */
		if (native && !conf->devices[i].has_key)
			continue;
		if (!build_device(p, conf, &conf->devices[i]))
			return false;
	}
	return true;
}

static bool put_named(struct parts *p, const struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct cidr own = {.bits = 128};

		if (!addr_parse(&own.address, list->items[i].text) ||
		    addr_is_wildcard(&own.address))
			continue;
		if (!networks_put(&p->networks, &own))
			return false;
	}
	return true;
}

/* Of a family that no service has told of, every address is ours: behind address translation the
 * one that clients name is not on this host, and they are not to be locked out. */
static bool put_family(struct parts *p, const struct addr *found, const char *const *family)
{
	struct cidr network = {.address = *found, .bits = 128};

	if (!addr_is_wildcard(found))
		return networks_put(&p->networks, &network);
	for (; *family != NULL; family++) {
		if (!networks_add(&p->networks, *family))
			return false;
	}
	return true;
}

static bool put_public(struct parts *p, const struct conf *conf)
{
	static const char *const all_v4[] = {"0.0.0.0/0", NULL};
	/* Global, private, and translated from IPv4; the whole would hold IPv4, too. */
	static const char *const all_v6[] = {"2000::/3", "fc00::/7", "64:ff9b::/32", NULL};
	struct span own = p->settings.own_addresses;
	struct addr found[2] = {0};

	if (*conf->openspa.echo_ipv4_server.text != '\0')
		found[0] = conf->public[0];
	if (*conf->openspa.echo_ipv6_server.text != '\0')
		found[1] = conf->public[1];
	if (addr_is_wildcard(&found[0]) && addr_is_wildcard(&found[1]))
		return true;
	for (uint32_t i = 0; i < own.count; i++) {
		struct cidr ours = p->networks.items[own.first + i];

		if (!networks_put(&p->networks, &ours))
			return false;
	}
	return put_family(p, &found[0], all_v4) && put_family(p, &found[1], all_v6);
}

/* None, when any address is taken for ours. */
static bool build_addresses(struct parts *p, const struct conf *conf)
{
	uint32_t first = p->networks.count;
	bool ok =
	    conf_wants_public(conf) ? put_public(p, conf) : put_named(p, &conf->openspa.server_ip);

	p->settings.openspa.server_addresses = span_from(first, p->networks.count);
	return ok;
}

bool openspa_add_ports(struct ranges *r, const struct conf *conf)
{
	bool native = conf->programs[CONF_TASK_RULE_ADD].asked == CONF_ASKED_NATIVE;

	for (size_t i = 0; i < conf->device_count && native; i++) {
		const struct conf_list *rules = &conf->devices[i].rules;

		for (size_t j = 0; j < rules->count; j++) {
			const char *ignored = NULL;
			struct rule_spec spec;

			if (value_rule(&spec, rules->items[j].text, &ignored) &&
			    spec.protocol == -1 && !ranges_add_spec(r, &spec.ports))
				return false;
		}
	}
	return true;
}

bool build_openspa(struct parts *p, const struct conf *conf)
{
	const struct conf_openspa *from = &conf->openspa;
	struct openspa_settings *to = &p->settings.openspa;

	if (!conf->has_openspa)
		return true;
	to->enabled = true;
	to->directory = conf->programs[CONF_TASK_PUBLIC_KEY].asked;
	to->authorization = conf->programs[CONF_TASK_AUTHORIZE].asked;
	to->firewall = conf->programs[CONF_TASK_RULE_ADD].asked;
	to->answer = (uint8_t)from->answer;
	to->port = (uint16_t)from->port;
	if (!addr_parse(&to->bind, from->bind.text) || addr_is_wildcard(&to->bind))
		memset(&to->bind, 0, sizeof to->bind);
	to->window_ns = from->window;
	return build_targets(p, &to->targets, &to->target_list, &from->targets) &&
	       build_addresses(p, conf) && build_devices(p, conf);
}
