#include "intake/intake.h"

#include "intake/packet.h"

int intake_open(const struct socket_place *place)
{
	return place->ether_type != 0 ? packet_open(place) : socket_open(place);
}

const char *intake_take_over(int fd, const struct socket_place *place)
{
	return place->ether_type != 0 ? packet_take_over(fd, place) : socket_take_over(fd, place);
}

bool intake_follow(int fd, unsigned int device, bool *changed)
{
	return packet_is(fd) ? packet_follow(fd, device, changed)
	                     : socket_follow(fd, device, changed);
}

size_t intake_receive(const struct intake *in, struct record *const records[], size_t most)
{
	if (in->kind == INTAKE_XDP)
		return ring_receive(in->ring, records, most);
	return in->kind == INTAKE_CAPTURE ? packet_receive(in->fd, in->losses, records, most)
	                                  : socket_receive(in->fd, in->losses, records, most);
}
