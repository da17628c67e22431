/* A snapshot laid out by hand for the tests of the firewall. */
#ifndef TESTS_FW_CASE_H
#define TESTS_FW_CASE_H

#include "fw/fw.h"

#define CASE_MARK 0x00100000U

struct fw_case {
	struct snapshot s;
	struct settings settings;
	struct policy policies[3];
	struct ports ports[8];
	struct cidr cidrs[4];
};

/* Policy 0: 22/tcp, 8080-8090/tcp, 53/udp; policy 1: 443/tcp; policy 2: none. Guard: ports, all of
 * them managed, knock port 54154 open, health port 54155. Everything may be changed afterwards. */
void fw_case_fill(struct fw_case *c);
/* The same with policies 0 and 1 in each other's place. */
void fw_case_swap(struct fw_case *c);
/* What a test opens, or finds open: for so long from now. */
struct fw_case_element {
	struct addr address;
	uint32_t policy;
	struct ports ports;
	uint64_t timeout_ms;
	bool fresh; /* it is taken for closed */
	char owner[CLIENT_NAME_BYTES];
};
struct fw_case_element fw_case_grant(
    const char *address, uint32_t policy, uint64_t timeout_ms, const char *owner);

/* The calls of a back-end, as they answer. */
int fw_case_install(
    struct fw *fw, const struct snapshot *s, const struct fw_case_element *e, size_t count);
int fw_case_open(struct fw *fw, const struct fw_case_element *e, size_t count);
int fw_case_close(struct fw *fw, const struct fw_case_element *e);
/* How many were left that name their ports, or that do not: stored in `out`. */
int fw_case_adopt(struct fw *fw, const struct snapshot *s, bool by_ports,
    struct fw_case_element *out, size_t most);

#endif
