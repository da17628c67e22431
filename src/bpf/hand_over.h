/* For shield.bpf.c: how a knock gets from the network device to a doorman. Each has a ring buffer
 * of its own, so that one that has no time takes no room from the others. */
#ifndef BPF_HAND_OVER_H
#define BPF_HAND_OVER_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/kernel_shield.h"
#include "intake/ring_knock.h"
#include "intake/steer_choice.h"

#define UDP_KNOCK_BYTES (sizeof(struct udphdr) + SHIELD_PACKET_BYTES)

/* libbpf makes one of these while it loads, for the kernel to look at: the least, which it rounds
 * up to a page. */
struct knocks {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

/* By the number of the doorman; load.c puts them there. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__array(values, struct knocks);
} rings SEC(".maps");

static __always_inline uint64_t word_of(const void *at)
{
	return *(const uint64_t *)at; /* packets may be read at any place where this is loaded */
}

/* Four bytes of it, as the filters of sockets read them. */
static __always_inline uint32_t steering_word_of(const uint8_t *udp)
{
	const void *at = udp + sizeof(struct udphdr) + STEER_KNOCKS;

	return bpf_ntohl(*(const uint32_t *)at);
}

/* The knock at `udp` is there to its end. False when there is no room. */
static __always_inline bool hand_over(uint32_t doorman, const struct kernel_shield_address *from,
    const struct kernel_shield_address *to, const uint8_t *udp)
{
	void *ring = bpf_map_lookup_elem(&rings, &doorman);
	struct ring_knock *k = ring == NULL ? NULL : bpf_ringbuf_reserve(ring, sizeof *k, 0);

	if (k == NULL)
		return false;
	_Static_assert(sizeof k->datagram == UDP_KNOCK_BYTES, "all of it");
	__builtin_memcpy(k->from, from, sizeof k->from);
	__builtin_memcpy(k->to, to, sizeof k->to);
#pragma unroll
	for (unsigned int i = 0; i < UDP_KNOCK_BYTES / 8; i++)
		((uint64_t *)(void *)k->datagram)[i] = word_of(udp + i * 8);
	*(uint64_t *)(void *)(k->datagram + UDP_KNOCK_BYTES - 8) =
	    word_of(udp + UDP_KNOCK_BYTES - 8);
	bpf_ringbuf_submit(k, 0);
	return true;
}

#endif
