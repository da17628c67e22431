/* What a snapshot may hold: a role believes nothing that it has not checked. */
#include "snapshot/snapshot_check.h"

#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

static bool span_inside(struct span span, uint32_t count)
{
	return span.first <= count && span.count <= count - span.first;
}

/* A bool that came from memory of another process may hold anything. */
static bool is_bool(const bool *value)
{
	uint8_t raw;

	memcpy(&raw, value, 1);
	return raw <= 1;
}

static bool is_text(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	for (size_t i = 0; i < length; i++) {
		if (text[i] <= 0x20 || text[i] >= 0x7f || text[i] == '"' || text[i] == '\\')
			return false;
	}
	return length < size;
}

static bool openspa_sound(const struct snapshot_header *h)
{
	const struct openspa_settings *s = &h->settings.openspa;

	return is_bool(&s->enabled) && s->directory <= CONF_ASKED_HELPER &&
	       s->authorization <= CONF_ASKED_HELPER && s->firewall <= CONF_ASKED_HELPER &&
	       s->answer <= CONF_ANSWER_NEVER && s->targets <= CONF_TARGETS_LIST &&
	       span_inside(s->target_list, h->counts.cidrs) &&
	       span_inside(s->server_addresses, h->counts.cidrs) &&
	       span_inside(s->rules, h->counts.rules) &&
	       (!s->enabled || (s->port != 0 && s->window_ns > 0));
}

bool snapshot_settings_sound(const struct snapshot_header *h)
{
	const struct settings *s = &h->settings;

	return is_bool(&s->openme) && openspa_sound(h) && s->knock_timeout_ns > 0 &&
	       s->replay_window_ns > 0 && s->udp_port != 0 && s->firewall <= CONF_FIREWALL_NONE &&
	       s->guard <= CONF_GUARD_ALL && s->hook <= CONF_HOOK_FORWARD &&
	       s->established <= CONF_ESTABLISHED_CUT && s->shutdown <= CONF_SHUTDOWN_KEEP &&
	       s->host_chains <= CONF_HOST_CHAINS_NONE && s->sandbox <= CONF_SANDBOX_BEST &&
	       s->workers <= CONF_WORKERS_MOST && s->shield <= CONF_SHIELD_REQUIRE &&
	       s->shield_at <= CONF_SHIELD_AT_USER && s->intake <= CONF_INTAKE_XDP &&
	       s->notrack <= CONF_NOTRACK_YES &&
	       is_bool(&s->drop_ports) && is_bool(&s->open_knock_port) &&
	       is_text(s->interface, sizeof s->interface) && s->mark != 0 &&
	       (s->mark & (s->mark - 1)) == 0 && s->client_quota > 0 &&
	       span_inside(s->managed_ports, h->counts.ports) &&
	       span_inside(s->guard_allow_ports, h->counts.ports) &&
	       span_inside(s->guard_allow_networks, h->counts.cidrs) &&
	       span_inside(s->own_addresses, h->counts.cidrs);
}

static bool client_sound(const struct snapshot_header *h, const struct client *c)
{
	return c->name[0] != '\0' && is_text(c->name, sizeof c->name) &&
	       c->policy < h->counts.policies && c->targets <= CONF_TARGETS_LIST &&
	       span_inside(c->target_list, h->counts.cidrs) && is_bool(&c->wildcard) &&
	       is_bool(&c->hint_only) && is_bool(&c->revoked);
}

static bool range_sound(const struct ports *r)
{
	return ports_numbered(r) && r->zero == 0 && ports_fit(r);
}

static bool rule_sound(const struct openspa_rule *r)
{
	static const struct ports any = {.last = UINT16_MAX};

	return r->ports.zero == 0 && r->duration_s > 0 &&
	       (memcmp(&r->ports, &any, sizeof any) == 0 || ports_fit(&r->ports));
}

/* 2048 bits, odd; an odd exponent of at least 65537. */
static bool key_sound(const struct snapshot_header *h, const struct device *d)
{
	static const size_t modulus_end = sizeof d->modulus - 1, end = sizeof d->exponent - 1;
	bool above_16_bits = !sodium_is_zero(d->exponent, sizeof d->exponent - 2);

	if (sodium_is_zero(d->modulus, sizeof d->modulus))
		return h->settings.openspa.directory != CONF_ASKED_NATIVE &&
		       sodium_is_zero(d->exponent, sizeof d->exponent);
	return (d->modulus[0] & 0x80) != 0 && (d->modulus[modulus_end] & 1) != 0 &&
	       (d->exponent[end] & 1) != 0 && above_16_bits;
}

static bool device_sound(const struct snapshot_header *h, const struct device *d)
{
	return d->name[0] != '\0' && is_text(d->name, sizeof d->name) && key_sound(h, d) &&
	       d->targets <= CONF_TARGETS_LIST && span_inside(d->rules, h->counts.rules) &&
	       span_inside(d->target_list, h->counts.cidrs) && is_bool(&d->revoked);
}

/* The search for a uuid counts on their order. */
static bool device_placed(const struct device *devices, uint32_t i)
{
	return i == 0 || memcmp(devices[i - 1].uuid, devices[i].uuid, DEVICE_UUID_BYTES) < 0;
}

/* As does that for a key; in their order none can stand twice, so all stand there. */
static bool key_placed(const struct snapshot *s, uint32_t i)
{
	const uint32_t *place = &s->by_key[i];

	return place[0] < s->client_count &&
	       (i == 0 || memcmp(s->clients[place[-1]].public_key, s->clients[place[0]].public_key,
	                      CLIENT_KEY_BYTES) < 0);
}

/* Of each array the one of that number. */
static bool elements_sound(const struct snapshot *s, uint32_t i)
{
	const struct snapshot_header *h = s->header;
	const struct snapshot_counts *n = &h->counts;

	return (i >= n->clients || (client_sound(h, &s->clients[i]) && key_placed(s, i))) &&
	       (i >= n->policies || span_inside(s->policies[i].ports, n->ports)) &&
	       (i >= n->ports || range_sound(&s->ports[i])) &&
	       (i >= n->cidrs || s->cidrs[i].bits <= 128) &&
	       (i >= n->devices ||
	           (device_sound(h, &s->devices[i]) && device_placed(s->devices, i))) &&
	       (i >= n->rules || rule_sound(&s->rules[i]));
}

bool snapshot_elements_sound(const struct snapshot *s, uint32_t first, uint32_t end)
{
	while (first < end && elements_sound(s, first))
		first++;
	return first == end;
}

uint32_t snapshot_longest(const struct snapshot_header *h)
{
	const struct snapshot_counts *n = &h->counts;
	const uint32_t counts[] = {
	    n->clients, n->policies, n->ports, n->cidrs, n->devices, n->rules};
	uint32_t most = 0;

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		most = counts[i] > most ? counts[i] : most;
	return most;
}
