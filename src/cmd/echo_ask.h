/* Asks an Echo-IP service which address we come from. By https:// its certificate is verified; by
 * http:// anybody on the way can answer for it. No redirect is followed and no proxy used: it would
 * be the proxy's address that we learn. */
#ifndef CMD_ECHO_ASK_H
#define CMD_ECHO_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define ECHO_ANSWER_MOST 4096 /* bytes */

struct echo_answer {
	struct addr address; /* who the service says that we are */
	bool proxied;        /* it was told so by the proxy below */
	struct addr proxy;
};

/* Reads an answer strictly: JSON as in RFC 8259, and in it success, ip and ipDetails. Everything
 * else may be there and is passed over. False, and *out zeroed, for anything but one whole JSON
 * object that tells of success and of an address. */
bool echo_answer_read(struct echo_answer *out, const char *text, size_t size);

#define ECHO_WHY_BYTES 320 /* libcurl wants 256 */

struct echo_question {
	const char *url; /* passes value_url */
	bool ipv6;       /* go there by IPv6, else by IPv4 */
	int64_t timeout_ns;
};

/* False with `why` filled, ready to be shown. The address is of the family asked for. */
bool echo_ask(
    struct echo_answer *out, const struct echo_question *question, char why[static ECHO_WHY_BYTES]);

#endif
