/* This server's address as others see it, where OpenSPA's section names an Echo-IP service and no
 * server_ip. Main asks once, before there are other roles, by the tool `postern`, so that nothing
 * that speaks HTTP is ever part of the daemon. */
#ifndef MAIN_PUBLIC_ADDRESS_H
#define MAIN_PUBLIC_ADDRESS_H

#include "conf/conf.h"

/* IPv4, IPv6; all zeros: not known. */
struct public_address {
	struct addr found[2];
};

/* Asks what the configuration says to ask, and hands it the answers; `out` keeps them for the next
 * one, and is all zeros before. Takes 5 seconds at most. What could not be learned is in the log,
 * and no failure. */
void public_address_learn(struct public_address *out, struct conf *conf);

#endif
