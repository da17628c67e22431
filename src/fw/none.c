/* firewall: none. Says what would be done and does nothing. */
#include "fw/fw.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* What is left of its time is rounded up. */
static void say(const char *what, const struct fw_change *c)
{
	const struct opening *o = &c->opening;
	int64_t left = o->until_ns - clock_boot_ns();
	char address[ADDR_TEXT_BYTES], number[16], ports[16], timeout[24];

	addr_text(&o->address, address);
	snprintf(timeout, sizeof timeout, "%" PRId64 "ms",
	    left > 0 ? (int64_t)((left + NS_PER_MS - 1) / NS_PER_MS) : 0);
	snprintf(ports, sizeof ports, "%u-%u", o->ports.first, o->ports.last);
	snprintf(number, sizeof number, "%" PRIu32,
	    o->ports.protocol == 0 ? o->policy : o->ports.protocol);
	if (o->ports.protocol == 0)
		log_event(LOG_LEVEL_INFO, what, "address", address, "policy", number, "timeout",
		    timeout, "owner", c->owner, NULL);
	else
		log_event(LOG_LEVEL_INFO, what, "address", address, "protocol", number, "ports",
		    ports, "timeout", timeout, "owner", c->owner, NULL);
}

static int none_install(
    struct fw *fw, const struct snapshot *s, const struct fw_change *open, size_t count)
{
	char *text = fw_nft_ruleset(s);
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
	for (size_t i = 0; i < count; i++)
		say("dry run: would keep open", &open[i]);
	return 0;
}

static int none_change(struct fw *fw, struct fw_change *changes, size_t count)
{
	(void)fw;
	for (size_t i = 0; i < count; i++) {
		say(changes[i].close ? "dry run: would close" : "dry run: would open", &changes[i]);
		changes[i].outcome = 0;
	}
	return 0;
}

static int none_remove(struct fw *fw)
{
	(void)fw;
	log_line(LOG_LEVEL_INFO, "dry run: would take all rules away");
	return 0;
}

const struct fw_ops fw_none_ops = {
    .name = "none",
    .install = none_install,
    .change = none_change,
    .remove = none_remove,
};
