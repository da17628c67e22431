/* Asks an Echo-IP service which address we come from. By https:// its certificate is verified; by
 * http:// anybody on the way can answer for it. No redirect is followed and no proxy used: it would
 * be the proxy's address that we learn. */
#ifndef CMD_ECHO_ASK_H
#define CMD_ECHO_ASK_H

#include <stdint.h>

#include "cmd/echo_answer.h"

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
