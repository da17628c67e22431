#include "fw_case.h"

#include <stdio.h>
#include <string.h>

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

struct fw_grant fw_case_grant(
    const char *address, uint32_t policy, uint64_t timeout_ms, const char *owner)
{
	struct fw_grant g = {.policy = policy, .timeout_ms = timeout_ms};

	if (!addr_parse(&g.address, address))
		g.policy = UINT32_MAX;
	snprintf(g.owner, sizeof g.owner, "%s", owner);
	return g;
}
