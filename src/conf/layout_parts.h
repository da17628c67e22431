/* A snapshot while it is being built. Inside src/conf only. */
#ifndef CONF_LAYOUT_PARTS_H
#define CONF_LAYOUT_PARTS_H

#include "conf/private.h"
#include "conf/values.h"

struct ranges {
	struct ports *items;
	uint32_t count;
	uint32_t room;
};

struct networks {
	struct cidr *items;
	uint32_t count;
	uint32_t room;
};

/* The ports of one client, before equal ones become one policy. */
struct wish {
	struct ranges ports;
	uint32_t client;
};

/* Everything a snapshot points to. */
struct parts {
	struct wish *wishes;
	struct client *clients;
	uint32_t client_count;
	struct policy *policies;
	uint32_t policy_count;
	struct ranges ports;
	struct networks networks;
	struct device *devices;
	uint32_t device_count;
	struct openspa_rule *rules;
	uint32_t rule_count;
	struct settings settings;
};

static inline struct span span_from(uint32_t first, uint32_t end)
{
	return (struct span){first, end - first};
}

/* What adds returns false when memory is short. */
bool ranges_add(struct ranges *r, uint8_t protocol, uint16_t first, uint16_t last);
bool ranges_add_spec(struct ranges *r, const struct port_spec *spec);
bool ranges_add_all(struct ranges *r, const struct ranges *more);
/* Sorts, and makes one of what overlaps or touches. */
void ranges_merge(struct ranges *r);
/* Of two struct ports, for qsort. */
int ranges_compare(const void *a, const void *b);
bool networks_put(struct networks *n, const struct cidr *network);
bool networks_add(struct networks *n, const char *text);
bool build_targets(
    struct parts *p, uint8_t *kind, struct span *list, const struct conf_list *targets);

#endif
