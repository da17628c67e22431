/* What the shield in the kernel (shield.bpf.c) shares with user space: pieces of memory that both
 * have mapped, so that nobody needs bpf() once it is loaded. */
#ifndef BPF_KERNEL_SHIELD_H
#define BPF_KERNEL_SHIELD_H

#include <stdint.h>

#include "proto/shield_tag.h"

#define KERNEL_SHIELD_NAME "postern_shield" /* of the XDP program: by it a successor knows it */

/* What becomes of a datagram that carries no tag. */
enum kernel_shield_mode {
	KERNEL_SHIELD_OFF,     /* there is no key: every well-formed one is let through */
	KERNEL_SHIELD_PREFER,  /* a bounded lane */
	KERNEL_SHIELD_REQUIRE, /* refused, as long as the keys are fresh */
};

/* Two secrets (rotation), two epochs of each. */
#define KERNEL_SHIELD_KEYS 4

struct kernel_shield_keys {
	uint64_t until_ns; /* CLOCK_MONOTONIC; past that the keys are stale, and refuse nobody */
	uint32_t mode;     /* enum kernel_shield_mode */
	uint32_t count;
	struct shield_key key[KERNEL_SHIELD_KEYS];
};

/* Written by the doorman: first what is not current, then which one is. So nobody reads half of
 * one, as long as it is not written twice while one packet is looked at. */
struct kernel_shield_control {
	uint32_t current;
	uint32_t unused;
	struct kernel_shield_keys set[2];
};

/* The addresses of this host: what is for others is none of our business. Written by main, in the
 * same way. IPv4 mapped; in the order of the network; all zeros: free. */
#define KERNEL_SHIELD_ADDRESSES 512
#define KERNEL_SHIELD_PROBES    8

struct kernel_shield_address {
	uint64_t high, low;
};

struct kernel_shield_addresses {
	uint32_t current;
	uint32_t unused;
	struct kernel_shield_address table[2][KERNEL_SHIELD_ADDRESSES];
};

/* Where an address is looked for first; then in the PROBES - 1 behind it, up to a free one. */
SHIELD_INLINE uint32_t kernel_shield_address_place(uint64_t high, uint64_t low)
{
	return (
	    uint32_t)(((high ^ (low << 1)) * 0x9e3779b97f4a7c15 + low) * 0xc2b2ae3d27d4eb4f >> 55);
}

_Static_assert(1 << (64 - 55) == KERNEL_SHIELD_ADDRESSES, "as many places as the hash tells");

/* What became of datagrams for the knock port. */
#define KERNEL_SHIELD_COUNTS(X)                                                   \
	X(TAGGED, "tagged")         /* let through */                             \
	X(UNTAGGED, "untagged")     /* let through */                             \
	X(STALE, "stale-keys")      /* let through untagged: no key is fresh */   \
	X(WRONG_SIZE, "wrong-size") /* refused, as all that follow */             \
	X(WRONG_VERSION, "wrong-version")                                         \
	X(MALFORMED, "malformed")     /* top bit of the key, S >= L */            \
	X(NO_TAG, "no-tag")           /* and `require` */                         \
	X(SENDER_LANE, "sender-lane") /* untagged, and too many of this sender */ \
	X(FULL_LANE, "full-lane")     /* untagged, and too many of all */         \
	X(RING_FULL, "ring-full")     /* the daemon has not read in time */

enum kernel_shield_count {
#define X(name, text) KERNEL_SHIELD_##name,
	KERNEL_SHIELD_COUNTS(X)
#undef X
	    KERNEL_SHIELD_COUNT_MOST,
};

enum kernel_shield_place { KERNEL_SHIELD_XDP, KERNEL_SHIELD_SOCKET, KERNEL_SHIELD_PLACES };

/* A processor counts in a row of its own (by its number, modulo): nothing is shared on the way of a
 * packet. */
#define KERNEL_SHIELD_ROWS 64

struct kernel_shield_row {
	uint64_t count[KERNEL_SHIELD_COUNT_MOST];
} __attribute__((aligned(64)));

struct kernel_shield_counts {
	struct kernel_shield_row row[KERNEL_SHIELD_PLACES][KERNEL_SHIELD_ROWS];
};

/* Set before it is loaded. */
struct kernel_shield_settings {
	uint64_t sender_key[2]; /* random: of the hash that senders share places in the lane by */
	uint32_t steer_mask;    /* random: of the choice among rings (intake/steer_choice.h) */
	uint32_t steer_factor;  /* the same, and odd */
	uint32_t rings;         /* not 0: what is let through goes there, past the stack */
	uint16_t port;          /* in the order of the network */
	uint8_t one_interface;  /* not 0: what has a VLAN's number is not for us */
};

/* The lane of untagged datagrams: of a sender (IPv4 address, IPv6 /64; some share a place by their
 * hash), and of all. Far more than honest clients send, far less than a flood. */
#define KERNEL_SHIELD_SENDERS      16384
#define KERNEL_SHIELD_SENDER_RATE  1000 /* a second */
#define KERNEL_SHIELD_SENDER_BURST 1000
#define KERNEL_SHIELD_TOTAL_RATE   200000
#define KERNEL_SHIELD_TOTAL_BURST  20000

#endif
