#include "main/config_diff.h"

#include <stddef.h>
#include <string.h>

struct diff {
	const struct snapshot *before, *after;
	config_diff_found *found;
	void *context;
};

/* --- Settings */

#define SETTING(key, member)                                                                \
	{                                                                                   \
		key, offsetof(struct settings, member), sizeof((struct settings){0}).member \
	}

static const struct {
	const char *key;
	size_t at, size;
} settings[] = {
    SETTING("server.private_key", public_key),
    SETTING("server.knock_timeout", knock_timeout_ns),
    SETTING("server.replay_window", replay_window_ns),
    SETTING("server.guard", guard),
    SETTING("server.hook", hook),
    SETTING("server.established", established),
    SETTING("server.shutdown", shutdown),
    SETTING("server.host_chains", host_chains),
    SETTING("server.shield", shield),
    SETTING("server.notrack", notrack),
    SETTING("server.drop_ports", drop_ports),
    SETTING("server.open_knock_port", open_knock_port),
    SETTING("server.mark", mark),
    SETTING("server.priority", priority),
    SETTING("server.client_quota", client_quota),
    SETTING("openspa.directory", openspa.directory),
    SETTING("openspa.authorization", openspa.authorization),
    SETTING("openspa.firewall", openspa.firewall),
    SETTING("openspa.answer", openspa.answer),
    SETTING("openspa.window", openspa.window_ns),
};

static bool same_ports(const struct diff *d, const struct span before, const struct span after)
{
	return before.count == after.count &&
	       (before.count == 0 ||
	           memcmp(snapshot_ports(d->before, before), snapshot_ports(d->after, after),
	               before.count * sizeof(struct ports)) == 0);
}

static bool same_networks(const struct diff *d, const struct span before, const struct span after)
{
	return before.count == after.count &&
	       (before.count == 0 ||
	           memcmp(snapshot_cidrs(d->before, before), snapshot_cidrs(d->after, after),
	               before.count * sizeof(struct cidr)) == 0);
}

static bool same_rules(const struct diff *d, const struct span before, const struct span after)
{
	const struct openspa_rule *a = snapshot_rules(d->before, before);
	const struct openspa_rule *b = snapshot_rules(d->after, after);
	bool same = before.count == after.count;

	for (uint32_t i = 0; same && i < before.count; i++)
		same = a[i].duration_s == b[i].duration_s &&
		       memcmp(&a[i].ports, &b[i].ports, sizeof a[i].ports) == 0;
	return same;
}

static void compare_settings(const struct diff *d)
{
	const struct settings *a = d->before->settings, *b = d->after->settings;

	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		if (memcmp((const char *)a + settings[i].at, (const char *)b + settings[i].at,
		        settings[i].size) != 0)
			d->found(d->context, CONFIG_SETTING, settings[i].key, NULL);
	if (!same_ports(d, a->guard_allow_ports, b->guard_allow_ports) ||
	    !same_networks(d, a->guard_allow_networks, b->guard_allow_networks))
		d->found(d->context, CONFIG_SETTING, "server.guard_allow", NULL);
	if (!same_rules(d, a->openspa.rules, b->openspa.rules))
		d->found(d->context, CONFIG_SETTING, "openspa.duration", NULL);
	if (a->openspa.targets != b->openspa.targets ||
	    !same_networks(d, a->openspa.target_list, b->openspa.target_list))
		d->found(d->context, CONFIG_SETTING, "openspa.targets", NULL);
}

static void found_new(const struct diff *d, bool revoked, const char *name)
{
	d->found(d->context, revoked ? CONFIG_REVOKED : CONFIG_ADDED, name, NULL);
}

/* --- Clients */

static const char *difference(const struct diff *d, const struct client *a, const struct client *b)
{
	if (a->revoked != b->revoked)
		return "revoked no more";
	if (!same_ports(
	        d, d->before->policies[a->policy].ports, d->after->policies[b->policy].ports))
		return "ports";
	if (a->expires_ns != b->expires_ns)
		return "expires";
	if (a->targets != b->targets || a->wildcard != b->wildcard ||
	    !same_networks(d, a->target_list, b->target_list))
		return "targets";
	if (a->hint_only != b->hint_only)
		return "legacy";
	return strcmp(a->name, b->name) != 0 ? "name" : NULL;
}

static void compare_client(const struct diff *d, const struct client *a, const struct client *b)
{
	const char *what;

	if (!a->revoked && b->revoked) {
		d->found(d->context, CONFIG_REVOKED, b->name, NULL);
		return;
	}
	what = difference(d, a, b);
	if (what != NULL)
		d->found(d->context, CONFIG_CHANGED, b->name, what);
}

/* Both in the order of their keys. */
static void compare_clients(const struct diff *d)
{
	const struct snapshot *a = d->before, *b = d->after;
	uint32_t i = 0, j = 0;

	while (i < a->client_count || j < b->client_count) {
		const struct client *old = i < a->client_count ? &a->clients[a->by_key[i]] : NULL;
		const struct client *new = j < b->client_count ? &b->clients[b->by_key[j]] : NULL;
		int order = old == NULL ? 1
		            : new == NULL
		                ? -1
		                : memcmp(old->public_key, new->public_key, CLIENT_KEY_BYTES);

		if (old != NULL && order < 0)
			d->found(d->context, CONFIG_REMOVED, old->name, NULL);
		else if (new != NULL && order > 0)
			found_new(d, new->revoked, new->name);
		else if (old != NULL && new != NULL)
			compare_client(d, old, new);
		i += order <= 0;
		j += order >= 0;
	}
}

/* --- Devices */

static const char *device_difference(
    const struct diff *d, const struct device *a, const struct device *b)
{
	if (a->revoked != b->revoked)
		return "revoked no more";
	if (memcmp(a->modulus, b->modulus, sizeof a->modulus) != 0 ||
	    memcmp(a->exponent, b->exponent, sizeof a->exponent) != 0)
		return "key";
	if (!same_rules(d, a->rules, b->rules))
		return "allow";
	if (a->expires_ns != b->expires_ns)
		return "expires";
	if (a->targets != b->targets || !same_networks(d, a->target_list, b->target_list))
		return "targets";
	return strcmp(a->name, b->name) != 0 ? "name" : NULL;
}

static void compare_device(const struct diff *d, const struct device *a, const struct device *b)
{
	const char *what;

	if (!a->revoked && b->revoked) {
		d->found(d->context, CONFIG_REVOKED, b->name, NULL);
		return;
	}
	what = device_difference(d, a, b);
	if (what != NULL)
		d->found(d->context, CONFIG_CHANGED, b->name, what);
}

/* Both in the order of their UUIDs. */
static void compare_devices(const struct diff *d)
{
	const struct snapshot *a = d->before, *b = d->after;
	uint32_t i = 0, j = 0;

	while (i < a->device_count || j < b->device_count) {
		const struct device *old = i < a->device_count ? &a->devices[i] : NULL;
		const struct device *new = j < b->device_count ? &b->devices[j] : NULL;
		int order = old == NULL   ? 1
		            : new == NULL ? -1
		                          : memcmp(old->uuid, new->uuid, DEVICE_UUID_BYTES);

		if (old != NULL && order < 0)
			d->found(d->context, CONFIG_REMOVED, old->name, NULL);
		else if (new != NULL && order > 0)
			found_new(d, new->revoked, new->name);
		else if (old != NULL && new != NULL)
			compare_device(d, old, new);
		i += order <= 0;
		j += order >= 0;
	}
}

void config_diff(const struct snapshot *before, const struct snapshot *after,
    config_diff_found *found, void *context)
{
	const struct diff d = {before, after, found, context};

	compare_settings(&d);
	compare_clients(&d);
	compare_devices(&d);
}
