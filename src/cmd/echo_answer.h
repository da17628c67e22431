/* What an Echo-IP service answers, read strictly: JSON as in RFC 8259, and in it success, ip and
 * ipDetails. Everything else may be there and is passed over. */
#ifndef CMD_ECHO_ANSWER_H
#define CMD_ECHO_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

#define ECHO_ANSWER_MOST 4096 /* bytes */

struct echo_answer {
	struct addr address; /* who the service says that we are */
	bool proxied;        /* it was told so by the proxy below */
	struct addr proxy;
};

/* False, and *out zeroed, for anything but one whole JSON object that tells of success and of an
 * address. */
bool echo_answer_read(struct echo_answer *out, const char *text, size_t size);

#endif
