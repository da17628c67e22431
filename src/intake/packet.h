/* Packet sockets. Each is for one family and gets what the kernel's own IP code gets, at the same
 * point: once, without its VLAN tag, behind bridges and bonds, before every chain of netfilter. */
#ifndef INTAKE_PACKET_H
#define INTAKE_PACKET_H

#include "intake/record.h"
#include "intake/socket.h"

/* As socket_open, socket_take_over and socket_follow. */
int packet_open(const struct socket_place *place);
const char *packet_take_over(int fd, const struct socket_place *place);
bool packet_is(int fd);
bool packet_follow(int fd, unsigned int device, bool *changed);
/* The key of the choice among doormen in the filter of `fd`, which is from elsewhere. False when it
 * has no such filter. */
bool packet_key_of(struct steer_key *out, int fd);
/* As intake_receive. */
size_t packet_receive(int fd, struct losses *losses, struct record *const records[], size_t most);

#endif
