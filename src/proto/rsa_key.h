/* RSA-2048 operations, by libcrypto. Public keys are plain values; a private key is made
 * ready once. */
#ifndef PROTO_RSA_KEY_H
#define PROTO_RSA_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/rsa_value.h"

#define RSA_DIGEST_BYTES 32 /* SHA-256 */
#define RSA_MARK_BYTES   32

struct rsa_key;

/* Once per process, before its sandbox and before anything else that uses libcrypto: keeps it from
 * reading its configuration file, and loads everything that would otherwise be looked up at first
 * use. Programs that do not call it work too, on libcrypto's own terms. False: libcrypto cannot do
 * what we need. */
bool rsa_init(void);

/* NULL when out of memory. The secret must have passed rsa_secret_check, in this process or in the
 * one that it came from. */
struct rsa_key *rsa_key_new(const struct rsa_secret *secret);
/* Wipes. NULL is fine. */
void rsa_key_free(struct rsa_key *key);
const struct rsa_public *rsa_key_public(const struct rsa_key *key);
/* A value that only the private key gives away, the same whenever it is loaded: a key for
 * pseudo-random answers (implicit rejection). */
const uint8_t *rsa_key_mark(const struct rsa_key *key);

/* PKCS#1 v1.5 signature of a SHA-256 digest. False, and `signature` zeroed: libcrypto failed. */
bool rsa_key_sign(uint8_t signature[static RSA_KEY_BYTES], const struct rsa_key *key,
    const uint8_t digest[static RSA_DIGEST_BYTES]);
/* False, too, for an unusable key. */
bool rsa_public_verify(const struct rsa_public *key, const uint8_t digest[static RSA_DIGEST_BYTES],
    const uint8_t signature[static RSA_KEY_BYTES]);

/* The bare operations on a block below the modulus; padding is the caller's. False, and `out`
 * zeroed: the block is not below the modulus, or libcrypto failed. */
bool rsa_key_decrypt(uint8_t out[static RSA_KEY_BYTES], const struct rsa_key *key,
    const uint8_t block[static RSA_KEY_BYTES]);
bool rsa_public_encrypt(uint8_t out[static RSA_KEY_BYTES], const struct rsa_public *key,
    const uint8_t block[static RSA_KEY_BYTES]);

#endif
