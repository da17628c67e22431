/* Which address this host has for others: on its own wire, and behind NAT. */
#ifndef CMD_OWN_ADDRESS_H
#define CMD_OWN_ADDRESS_H

#include "base/addr.h"
#include "cmd/echo_ask.h"
#include "cmd/option.h"

#define OWN_ADDRESS_ECHO_IPV4  "https://ipv4.ip.openspa.org"
#define OWN_ADDRESS_ECHO_IPV6  "https://ipv6.ip.openspa.org"
#define OWN_ADDRESS_TIMEOUT_NS (5LL * 1000000000)

/* Everything there is to know of one family. */
struct own_address {
	bool has_outbound;
	struct addr outbound; /* towards the Internet at large */
	bool has_public;
	struct echo_answer public;
	char why[ECHO_WHY_BYTES]; /* there is no public one */
	bool behind_nat;          /* only when both are there */
};

void own_address_look(struct own_address *out, const struct echo_question *question);

/* How a client finds the address to ask a server to open for. */
struct own_search {
	const struct addr *server;
	struct echo_question echo;
	bool echo_named; /* by the user of the command: it is asked, whatever else is known */
};

/* What Echo-IP says: a global outbound address may be translated on the way, too. A server that is
 * not global itself sees the outbound one, as far as we know: so it is when the well-known Echo-IP
 * service, which knows of global addresses alone, is all there is to ask. When no answer comes, the
 * outbound one is named where it may be right, with a warning. Failures are reported, with
 * cli->status set. */
bool own_address_find(
    struct cli *cli, const struct own_search *search, struct addr *out, bool *behind_nat);

/* A URL; one without http:// or https:// gets the latter. Place: char[OSPA_URL_BYTES]. */
option_fn own_address_take_url;

#endif
