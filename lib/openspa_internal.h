/* Shared by the files of libpostern-openspa, never installed. */
#ifndef LIB_OPENSPA_INTERNAL_H
#define LIB_OPENSPA_INTERNAL_H

#include <stdbool.h>

#include "postern-openspa.h"
#include "proto/envelope.h"
#include "proto/rsa_key.h"

/* What is behind the handles. */
struct postern_openspa_private {
	struct rsa_key *key;
};

struct postern_openspa_public {
	struct rsa_public value;
};

/* The caller's randomness as the codec takes them. False: there is a zero in the filler. Wipe them
 * either way. */
bool randomness_given(
    struct envelope_randomness *out, const struct postern_openspa_randomness *randomness);
/* Fresh ones, with the time and the nonce that every packet has. False: no randomness to be had;
 * all of it is zeroed then. */
bool randomness_fresh(struct envelope_randomness *out, int64_t *timestamp_s,
    uint8_t nonce[static POSTERN_OPENSPA_NONCE_BYTES]);

#endif
