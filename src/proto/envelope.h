/* The envelope of both OpenSPA packets: a fresh AES-256 key under the receiver's RSA key (PKCS#1
 * v1.5), then what it hides under AES-256-CBC (PKCS#7). */
#ifndef PROTO_ENVELOPE_H
#define PROTO_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/rsa_key.h"

#define ENVELOPE_KEY_BYTES   32
#define ENVELOPE_IV_BYTES    16
#define ENVELOPE_BLOCK_BYTES 16
/* PKCS#1 v1.5: 00 02 filler 00 key (RFC 8017 7.2.1). */
#define ENVELOPE_FILLER_BYTES (RSA_KEY_BYTES - 3 - ENVELOPE_KEY_BYTES)
#define ENVELOPE_HEAD_BYTES   (RSA_KEY_BYTES + ENVELOPE_IV_BYTES)
/* PKCS#7 always adds 1..16 bytes. */
#define ENVELOPE_PADDED(size) \
	((size) / ENVELOPE_BLOCK_BYTES * ENVELOPE_BLOCK_BYTES + ENVELOPE_BLOCK_BYTES)
#define ENVELOPE_BYTES(size) (ENVELOPE_HEAD_BYTES + ENVELOPE_PADDED(size))
#define ENVELOPE_MAX         512 /* of what is hidden, padding included */

/* All of it random, for one envelope only; no filler byte is zero. */
struct envelope_randomness {
	uint8_t key[ENVELOPE_KEY_BYTES];
	uint8_t iv[ENVELOPE_IV_BYTES];
	uint8_t filler[ENVELOPE_FILLER_BYTES];
};

/* From secret_random. Wipe after use. */
void envelope_randomness_fill(struct envelope_randomness *out);

/* The key of an envelope. There is no failure: a block that is not ours, or not padded for a
 * message of exactly 32 bytes, gives a key that its sender cannot know, the same each time, in the
 * same time (implicit rejection). So nobody can use the holder of the key to open blocks of
 * others (Bleichenbacher). */
void envelope_unseal(uint8_t key[static ENVELOPE_KEY_BYTES], const struct rsa_key *receiver,
    const uint8_t block[static RSA_KEY_BYTES]);
/* The last step of it: `key` becomes the message in `padded`, or `instead`. No branch and no index
 * depends on `padded`. */
void envelope_choose_key(uint8_t key[static ENVELOPE_KEY_BYTES],
    const uint8_t padded[static RSA_KEY_BYTES], const uint8_t instead[static ENVELOPE_KEY_BYTES]);

/* Opens the ENVELOPE_BYTES(size) bytes at `envelope` with its key. False unless exactly `size`
 * bytes were hidden; `plain` (`size` bytes) is then zeroed. All of the padding is checked at once,
 * so that its bytes cannot be tried one by one (Vaudenay). */
bool envelope_open(uint8_t *plain, size_t size, const uint8_t key[static ENVELOPE_KEY_BYTES],
    const uint8_t *envelope);

/* Writes ENVELOPE_BYTES(size) bytes. False for a receiver's key that is not usable, or randomness
 * with a zero in the filler; `envelope` is then zeroed. */
bool envelope_seal(uint8_t *envelope, const uint8_t *plain, size_t size,
    const struct rsa_public *receiver, const struct envelope_randomness *randomness);

#endif
