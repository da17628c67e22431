#include "admit/policy.h"

#include <string.h>

static bool in_list(const struct snapshot *s, struct span list, const struct addr *a)
{
	return addr_in_any(a, snapshot_cidrs(s, list), list.count);
}

static bool may_open_for(const struct snapshot *s, const struct target_policy *policy,
    const struct addr *target, const struct addr *source)
{
	switch (policy->targets) {
	case CONF_TARGETS_ANY:
		return true;
	case CONF_TARGETS_SOURCE:
		return addr_equal(target, source);
	case CONF_TARGETS_LIST:
		return in_list(s, policy->list, target);
	}
	return false;
}

enum verdict policy_target(struct addr *out, const struct snapshot *s,
    const struct target_policy *policy, const struct addr *asked, const struct addr *source)
{
	const struct addr *target = asked;

	if (addr_is_wildcard(asked)) {
		if (!policy->wildcard)
			return VERDICT_WILDCARD_REFUSED;
		target = source;
	}
	/* Where a packet came from is an address that something can come from, if it is one at
	 * all; one that is only claimed has to look like it. */
	if (!addr_equal(target, source) &&
	    (!addr_is_usable_target(target) || in_list(s, s->settings->own_addresses, target)))
		return VERDICT_TARGET_REFUSED;
	if (addr_is_wildcard(target) || !may_open_for(s, policy, target, source))
		return VERDICT_TARGET_REFUSED;
	*out = *target;
	return VERDICT_PASS;
}

struct device policy_unlisted(
    const struct snapshot *s, const uint8_t uuid[static DEVICE_UUID_BYTES])
{
	const struct openspa_settings *settings = &s->settings->openspa;
	struct device unlisted = {.expires_ns = NEVER_NS,
	    .rules = settings->rules,
	    .target_list = settings->target_list,
	    .targets = settings->targets};

	memcpy(unlisted.uuid, uuid, sizeof unlisted.uuid);
	return unlisted;
}

uint16_t policy_duration(
    const struct snapshot *s, const struct device *device, const struct asked *asked)
{
	const struct openspa_rule *rules = snapshot_rules(s, device->rules);

	if (!addr_is_wildcard(&asked->target) && !ports_suit(&asked->ports, &asked->target))
		return 0;
	for (uint32_t i = 0; i < device->rules.count; i++) {
		if (ports_contain(&rules[i].ports, &asked->ports))
			return rules[i].duration_s;
	}
	return 0;
}

bool policy_is_our_address(const struct snapshot *s, const struct addr *server)
{
	struct span ours = s->settings->openspa.server_addresses;

	return ours.count == 0 || in_list(s, ours, server);
}
