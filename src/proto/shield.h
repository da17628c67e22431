/* The shield: a tag in the nonce of a knock's seal that shows, before any curve arithmetic, that
 * its sender has the server's shield key. Stock servers and clients see random bytes there. It only
 * says who is served first; who gets in is decided by the signature.
 *
 * Nothing is allocated, and nothing outlives two epochs. The format is in doc/protocol.md. */
#ifndef PROTO_SHIELD_H
#define PROTO_SHIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/shield_tag.h"

#define SHIELD_SECRET_BYTES    32 /* shield_key */
#define SHIELD_NONCE_BYTES     12
#define SHIELD_EPHEMERAL_BYTES 32
#define SHIELD_EPOCH_S         128
/* The secret in force and the one before it. */
#define SHIELD_SECRETS   2
#define SHIELD_KEYS_MOST (2 * SHIELD_SECRETS)
/* A tag that has come more often may be a recorded one with something else behind it. */
#define SHIELD_SEEN_MOST 3

/* Whole epochs since 1970. */
int64_t shield_epoch(int64_t real_ns);
void shield_epoch_key(
    struct shield_key *out, const uint8_t secret[static SHIELD_SECRET_BYTES], int64_t epoch);

/* The nonce of the seal, by the time that the knock itself states. */
void shield_nonce(uint8_t nonce[static SHIELD_NONCE_BYTES],
    const uint8_t secret[static SHIELD_SECRET_BYTES],
    const uint8_t random[static SHIELD_RANDOM_BYTES], int64_t timestamp_ns,
    const uint8_t ephemeral[static SHIELD_EPHEMERAL_BYTES]);

/* The keys that tags fit at one time, in the order in which to try them: of each secret the present
 * epoch and the nearer of its neighbours. So clocks may differ by 64 s at least. Wipe after use. */
struct shield_keys {
	struct shield_key key[SHIELD_KEYS_MOST];
	uint8_t epoch[SHIELD_KEYS_MOST]; /* its lowest byte */
	uint32_t count;                  /* 0: no tag fits */
};

/* Half an epoch has a number: the keys change with it. */
int64_t shield_half(int64_t real_ns);
/* `secrets`: `count` of them, SHIELD_SECRET_BYTES each, the one in force first. */
void shield_keys_of_half(
    struct shield_keys *out, const uint8_t *secrets, size_t count, int64_t half);

enum shield_class {
	SHIELD_UNTAGGED,
	SHIELD_TAGGED,
	/* Seen more than SHIELD_SEEN_MOST times: to be served with the untagged ones, but not to be
	 * dropped where those are, for one of the copies may be the honest one. */
	SHIELD_WORN,
};

#define SHIELD_SETS 1024
#define SHIELD_WAYS 8 /* one cache line */

/* A doorman's shield, in locked memory: wipe it. All zeros is one without a key: everything is
 * untagged. */
struct shield {
	uint8_t secrets[SHIELD_SECRETS * SHIELD_SECRET_BYTES];
	size_t secret_count;
	struct shield_keys keys;
	int64_t half;               /* that `keys` are of */
	struct shield_key seen_key; /* for `seen`, so that nobody chooses where a tag goes */
	uint64_t seen[SHIELD_SETS][SHIELD_WAYS];
};

/* Takes over the secrets (the one in force, the one before it; NULL: none) of a configuration. What
 * has been seen stays known. */
void shield_configure(struct shield *s, const uint8_t *secret, const uint8_t *old_secret);

/* For a packet that is well formed. `now_real_ns` may go back and forth: the keys go with it. */
enum shield_class shield_classify(
    struct shield *s, const uint8_t packet[static SHIELD_PACKET_BYTES], int64_t now_real_ns);

#endif
