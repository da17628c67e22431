/* firewall: none. Says what would be done and does nothing. */
#include "fw/fw.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static int none_open(struct fw *fw)
{
	(void)fw;
	return 0;
}

static void none_close(struct fw *fw)
{
	(void)fw;
}

static int none_install(struct fw *fw, const struct snapshot *s, const struct fw_live *live)
{
	char *text = fw_nft_ruleset(s, live);
	char *rest = text, *line;

	(void)fw;
	if (text == NULL)
		return -errno;
	log_line(LOG_LEVEL_INFO, "dry run: would put these rules in place");
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line != '\0')
			log_line(LOG_LEVEL_INFO, "    %s", line + strspn(line, "\t"));
	}
	free(text);
	return 0;
}

static void say(const char *message, const struct fw_grant *grant)
{
	char address[ADDR_TEXT_BYTES], policy[16], timeout[24];

	snprintf(policy, sizeof policy, "%" PRIu32, grant->policy);
	snprintf(timeout, sizeof timeout, "%" PRIu64 "ms", grant->timeout_ms);
	log_event(LOG_LEVEL_INFO, message, "address", addr_text(&grant->address, address), "policy",
	    policy, "timeout", timeout, "owner", grant->owner, NULL);
}

static int none_grant(struct fw *fw, const struct fw_grant *grants, size_t count)
{
	(void)fw;
	for (size_t i = 0; i < count; i++)
		say("dry run: would open", &grants[i]);
	return 0;
}

static int none_revoke(struct fw *fw, const struct fw_grant *grant)
{
	(void)fw;
	say("dry run: would close", grant);
	return 0;
}

static void say_ports(const char *message, const struct fw_opening *o)
{
	char address[ADDR_TEXT_BYTES], protocol[8], ports[16], timeout[24];

	snprintf(protocol, sizeof protocol, "%u", o->ports.protocol);
	snprintf(ports, sizeof ports, "%u-%u", o->ports.first, o->ports.last);
	snprintf(timeout, sizeof timeout, "%" PRIu64 "ms", o->timeout_ms);
	log_event(LOG_LEVEL_INFO, message, "address", addr_text(&o->address, address), "protocol",
	    protocol, "ports", ports, "timeout", timeout, "owner", o->owner, NULL);
}

static int none_open_ports(struct fw *fw, const struct fw_opening *openings, size_t count)
{
	(void)fw;
	for (size_t i = 0; i < count; i++)
		say_ports("dry run: would open", &openings[i]);
	return 0;
}

static int none_close_ports(struct fw *fw, const struct fw_opening *opening)
{
	(void)fw;
	say_ports("dry run: would close", opening);
	return 0;
}

static int none_remove(struct fw *fw)
{
	(void)fw;
	log_line(LOG_LEVEL_INFO, "dry run: would take all rules away");
	return 0;
}

static int none_adopt(struct fw *fw, const struct snapshot *s, struct fw_grant *out, size_t most)
{
	(void)fw;
	(void)s;
	(void)out;
	(void)most;
	return 0;
}

static int none_adopt_ports(struct fw *fw, struct fw_opening *out, size_t most)
{
	(void)fw;
	(void)out;
	(void)most;
	return 0;
}

static int none_watch(struct fw *fw)
{
	(void)fw;
	return -1;
}

static bool none_disturbed(struct fw *fw)
{
	(void)fw;
	return false;
}

const struct fw_ops fw_none_ops = {
    .name = "none",
    .open = none_open,
    .close = none_close,
    .install = none_install,
    .grant = none_grant,
    .revoke = none_revoke,
    .open_ports = none_open_ports,
    .close_ports = none_close_ports,
    .remove = none_remove,
    .adopt = none_adopt,
    .adopt_ports = none_adopt_ports,
    .watch = none_watch,
    .disturbed = none_disturbed,
};
