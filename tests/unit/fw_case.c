#include "fw_case.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

void fw_case_fill(struct fw_case *c)
{
	memset(c, 0, sizeof *c);
	c->ports[0] = (struct ports){6, 0, 22, 22};
	c->ports[1] = (struct ports){6, 0, 8080, 8090};
	c->ports[2] = (struct ports){17, 0, 53, 53};
	c->ports[3] = (struct ports){6, 0, 443, 443};
	c->policies[0].ports = (struct span){0, 3};
	c->policies[1].ports = (struct span){3, 1};
	c->settings = (struct settings){.openme = true,
	    .udp_port = 54154,
	    .openspa = {.port = 22211},
	    .health_port = 54155,
	    .hook = CONF_HOOK_PREROUTING,
	    .drop_ports = true,
	    .open_knock_port = true,
	    .mark = CASE_MARK,
	    .priority = -1,
	    .managed_ports = {0, 4}};
	c->s = (struct snapshot){.settings = &c->settings,
	    .policies = c->policies,
	    .ports = c->ports,
	    .cidrs = c->cidrs,
	    .policy_count = 3};
}

void fw_case_swap(struct fw_case *c)
{
	fw_case_fill(c);
	c->policies[0].ports = (struct span){3, 1};
	c->policies[1].ports = (struct span){0, 3};
}

struct fw_case_element fw_case_grant(
    const char *address, uint32_t policy, uint64_t timeout_ms, const char *owner)
{
	struct fw_case_element e = {.policy = policy, .timeout_ms = timeout_ms};

	if (!addr_parse(&e.address, address))
		e.policy = UINT32_MAX;
	snprintf(e.owner, sizeof e.owner, "%s", owner);
	return e;
}

static const struct fw_change *changes_of(const struct fw_case_element *e, size_t count, bool close)
{
	static struct fw_change changes[512];

	for (size_t i = 0; i < count && i < sizeof changes / sizeof *changes; i++)
		changes[i] = (struct fw_change){
		    .opening = {.address = e[i].address,
		        .ports = e[i].ports,
		        .policy = e[i].policy,
		        .until_ns = clock_boot_ns() + (int64_t)e[i].timeout_ms * NS_PER_MS},
		    .owner = e[i].owner,
		    .close = close,
		    .fresh = e[i].fresh,
		    .outcome = 1};
	return changes;
}

int fw_case_install(
    struct fw *fw, const struct snapshot *s, const struct fw_case_element *e, size_t count)
{
	return fw->ops->install(fw, s, changes_of(e, count, false), count);
}

static int change(struct fw *fw, const struct fw_case_element *e, size_t count, bool close)
{
	struct fw_change changes[512];
	int err;

	memcpy(changes, changes_of(e, count, close), sizeof changes);
	err = fw->ops->change(fw, changes, count);
	for (size_t i = 0; err == 0 && i < count; i++)
		err = changes[i].outcome;
	return err;
}

int fw_case_open(struct fw *fw, const struct fw_case_element *e, size_t count)
{
	return change(fw, e, count, false);
}

int fw_case_close(struct fw *fw, const struct fw_case_element *e)
{
	return change(fw, e, 1, true);
}

struct found {
	struct fw_case_element *out;
	size_t most;
	size_t count;
	bool by_ports;
};

static void found(void *context, const struct opening *o, const char *owner)
{
	struct found *f = context;
	struct fw_case_element *e = &f->out[f->count];

	if ((o->ports.protocol != 0) != f->by_ports || f->count == f->most)
		return;
	*e = (struct fw_case_element){.address = o->address,
	    .policy = o->policy,
	    .ports = o->ports,
	    .timeout_ms = (uint64_t)((o->until_ns - clock_boot_ns() + NS_PER_MS - 1) / NS_PER_MS)};
	snprintf(e->owner, sizeof e->owner, "%s", owner);
	f->count++;
}

int fw_case_adopt(struct fw *fw, const struct snapshot *s, bool by_ports,
    struct fw_case_element *out, size_t most)
{
	struct found f = {out, most, 0, by_ports};
	int err = fw->ops->adopt(fw, s, found, &f);

	return err != 0 ? err : (int)f.count;
}
