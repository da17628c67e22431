/* Datagrams of every kind that reaches a gate, made from the text of the protocol and libsodium
 * alone: nothing of Postern is in them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KNOCK_BYTES   165
#define REQUEST_BYTES 610
#define PACKET_MOST   REQUEST_BYTES
#define SHIELD_BYTES  32

/*        name        text */
#define PACKET_KINDS(X)                                                            \
	X(RANDOM, "random", "nothing but random bytes, 165 of them")               \
	X(MALFORMED, "malformed", "version right, the top bit of the key set")     \
	X(JUNK, "junk", "well-formed: every test without a key passes")            \
	X(UNSIGNED, "unsigned", "sealed for the server, signed by nobody")         \
	X(COPY, "copy", "the datagrams of --packets, over and over")               \
	X(PREFIX, "prefix", "the first 45 bytes of those of --packets, then junk") \
	X(VALID, "valid", "knocks of --clients clients in turn, made ahead")       \
	X(OPENSPA, "openspa", "610 random bytes behind the head of a request")

enum packet_kind {
#define PACKET_KIND(name, text, what) PACKET_##name,
	PACKET_KINDS(PACKET_KIND)
#undef PACKET_KIND
};

struct packet_recipe {
	enum packet_kind kind;
	uint8_t server_public[32];        /* for UNSIGNED, VALID */
	unsigned long clients, first;     /* for VALID: how many, and the number of the first */
	bool hint;                        /* for VALID: with a lookup hint */
	bool tag;                         /* for VALID, UNSIGNED: with a shield tag */
	uint8_t shield_key[SHIELD_BYTES]; /* for `tag` */
	size_t count;                     /* that are made ahead, for UNSIGNED and VALID */
	const uint8_t *captured;          /* for COPY, PREFIX: `captured_count` of `size` bytes */
	size_t captured_count;
};

struct packets;

/* Makes ahead what is to be made ahead; ends the program when there is no memory. Key pair i is
 * that of tests/system/crowd.c. */
struct packets *packets_new(const struct packet_recipe *recipe);
void packets_free(struct packets *p);

/* Bytes of each. */
size_t packets_size(const struct packets *p);

/* Number i; those of VALID and COPY come again after the last. */
void packets_make(struct packets *p, uint8_t *packet, uint64_t i);
