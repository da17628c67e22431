/* The ports that the daemon listens on, among those of everybody else. */
#ifndef MAIN_PORT_H
#define MAIN_PORT_H

#include <stdint.h>

/* Takes a port out of those that the kernel gives to sockets which ask for none, beside what is
 * taken out already; where that may not be written, nothing. */
void port_reserve(uint16_t port);

#define PORT_HOLDER_BYTES 160
/* Who has the port; `table` is "udp" or "tcp". Printable; "": nobody. */
const char *port_holder(char out[static PORT_HOLDER_BYTES], const char *table, uint16_t port);

#endif
