/* RSA-2048 keys as fixed-size values, which cross between processes and are compared with memcmp.
 * Integers are big-endian, as long as their field. */
#ifndef PROTO_RSA_VALUE_H
#define PROTO_RSA_VALUE_H

#include <stdint.h>

#define RSA_KEY_BITS       2048
#define RSA_KEY_BYTES      (RSA_KEY_BITS / 8) /* of a modulus, a block, a signature */
#define RSA_PRIME_BYTES    (RSA_KEY_BYTES / 2)
#define RSA_EXPONENT_BYTES 8
#define RSA_EXPONENT_LEAST 65537

struct rsa_public {
	uint8_t modulus[RSA_KEY_BYTES];
	uint8_t exponent[RSA_EXPONENT_BYTES];
};

/* Wipe with secret_wipe. The two primes p and q come with what the Chinese remainder theorem
 * needs: d mod p-1, d mod q-1, q^-1 mod p (RFC 8017 3.2). */
struct rsa_secret {
	struct rsa_public public_key;
	uint8_t exponent[RSA_KEY_BYTES];
	uint8_t p[RSA_PRIME_BYTES];
	uint8_t q[RSA_PRIME_BYTES];
	uint8_t exponent_p[RSA_PRIME_BYTES];
	uint8_t exponent_q[RSA_PRIME_BYTES];
	uint8_t coefficient[RSA_PRIME_BYTES];
};

#define RSA_ERRORS(X)                                                              \
	X(FINE, "fine")                                                            \
	X(TOO_LONG, "too long to be the PEM text of an RSA-2048 key")              \
	X(NOT_PEM, "no PEM text in it")                                            \
	X(WRONG_KIND, "not the kind of RSA key that is needed here")               \
	X(MALFORMED, "damaged inside its PEM text")                                \
	X(LOCKED, "encrypted, and no passphrase was given")                        \
	X(WRONG_PASSPHRASE, "not to be decrypted with this passphrase")            \
	X(TOO_COSTLY, "encrypted so that trying a passphrase would take too long") \
	X(WRONG_SIZE, "not of exactly 2048 bits")                                  \
	X(BAD_EXPONENT, "public exponent even, below 65537 or above 64 bits")      \
	X(MISMATCHED, "its numbers do not belong together")                        \
	X(FAILED, "libcrypto failed")

enum rsa_error {
#define X(id, text) RSA_##id,
	RSA_ERRORS(X)
#undef X
};

/* What is wrong with the key, to follow "the key is ". */
const char *rsa_error_text(enum rsa_error error);

/* Size and exponent, the only things that can be told of a public key. */
enum rsa_error rsa_public_check(const struct rsa_public *key);
/* All of it, primality included: takes some 25 ms. */
enum rsa_error rsa_secret_check(const struct rsa_secret *key);

/* A new pair with exponent 65537; takes some 100 ms. RSA_FAILED leaves *out zeroed. */
enum rsa_error rsa_secret_generate(struct rsa_secret *out);

/* The same keys as libcrypto holds them, for this folder alone. The caller frees what the first
 * two return (EVP_PKEY_free); NULL: out of memory. The other two refuse keys other than RSA, other
 * sizes and exponents, more than two primes; *out is zeroed then. They check nothing else. */
struct evp_pkey_st;
struct evp_pkey_st *rsa_public_to_pkey(const struct rsa_public *key);
struct evp_pkey_st *rsa_secret_to_pkey(const struct rsa_secret *key);
enum rsa_error rsa_public_from_pkey(struct rsa_public *out, const struct evp_pkey_st *pkey);
enum rsa_error rsa_secret_from_pkey(struct rsa_secret *out, const struct evp_pkey_st *pkey);

#endif
