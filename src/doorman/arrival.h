/* The way of a datagram from its socket into a ring, and from there into the doorman's hands. What
 * is done for each is cheap, so that the sockets are emptied however many come: what costs
 * arithmetic waits in rings, where all senders have the same right. */
#ifndef DOORMAN_ARRIVAL_H
#define DOORMAN_ARRIVAL_H

#include "doorman/doorman.h"

void arrival_init(struct doorman *d);
/* A socket can be read. `context` is a struct doorman_socket. */
void arrival_ready(void *context);
/* What the last doorman had in its hands, or the keeper had not judged, begins again, and what
 * waited waits on. What it had been through with already is refused as replayed. */
void arrival_take_up_held(struct doorman *d);
/* A slice of what waits is served; true while more does. `context` is the doorman. */
bool arrival_serve(void *context);
bool arrival_waiting(const struct doorman *d);

#endif
