/* openme v1: one 165-byte datagram, no reply. Bytes in, values or a refusal out; no I/O, no clock,
 * no memory of its own. The format is in doc/protocol.md. */
#ifndef PROTO_OPENME_H
#define PROTO_OPENME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define OPENME_VERSION          0x01
#define OPENME_PUBLIC_BYTES     32 /* X25519, and Ed25519 public */
#define OPENME_SECRET_BYTES     32 /* X25519 scalar */
#define OPENME_SEED_BYTES       32 /* Ed25519 */
#define OPENME_SIGN_BYTES       (OPENME_SEED_BYTES + OPENME_PUBLIC_BYTES)
#define OPENME_KEY_BYTES        32 /* ChaCha20-Poly1305 */
#define OPENME_AEAD_NONCE_BYTES 12
#define OPENME_NONCE_BYTES      16
#define OPENME_PLAIN_BYTES      (8 + OPENME_NONCE_BYTES + ADDR_BYTES)
#define OPENME_SEALED_BYTES     (OPENME_PLAIN_BYTES + 16)
#define OPENME_SIGNED_BYTES \
	(1 + OPENME_PUBLIC_BYTES + OPENME_AEAD_NONCE_BYTES + OPENME_SEALED_BYTES)
#define OPENME_SIGNATURE_BYTES 64
#define OPENME_PACKET_BYTES    (OPENME_SIGNED_BYTES + OPENME_SIGNATURE_BYTES)

/* What a knock says, once opened. */
struct openme_knock {
	int64_t timestamp_ns; /* since the Unix epoch; any value may arrive */
	uint8_t nonce[OPENME_NONCE_BYTES];
	struct addr target;
};

/* Everything a knock is made of; each ephemeral secret seals exactly once. */
struct openme_ingredients {
	uint8_t server_public[OPENME_PUBLIC_BYTES];
	uint8_t client_secret[OPENME_SIGN_BYTES];
	uint8_t ephemeral_secret[OPENME_SECRET_BYTES];
	uint8_t aead_nonce[OPENME_AEAD_NONCE_BYTES];
	struct openme_knock knock;
};

/* Cheap tests that no honest client fails and most noise does. */
bool openme_right_size(size_t size);
bool openme_right_version(const uint8_t packet[static OPENME_PACKET_BYTES]);
/* The top bit of the ephemeral key is clear and S < L (RFC 7748 5, RFC 8032 5.1.7). */
bool openme_well_formed(const uint8_t packet[static OPENME_PACKET_BYTES]);

/* The key that sealed `packet`, by X25519 with the server's secret and HKDF-SHA256. False for an
 * ephemeral key of small order. */
bool openme_unseal(uint8_t key[static OPENME_KEY_BYTES],
    const uint8_t server_secret[static OPENME_SECRET_BYTES],
    const uint8_t packet[static OPENME_PACKET_BYTES]);
/* Opens the AEAD with `key`. False, and *out zeroed, when the tag does not fit. */
bool openme_open(struct openme_knock *out, const uint8_t key[static OPENME_KEY_BYTES],
    const uint8_t packet[static OPENME_PACKET_BYTES]);
/* Ed25519, cofactorless, over all bytes before the signature. */
bool openme_verify(const uint8_t packet[static OPENME_PACKET_BYTES],
    const uint8_t client_public[static OPENME_PUBLIC_BYTES]);

/* Builds a knock. False when the server's key is unusable or the client's public half is not its
 * seed's (signing with such a key gives the seed away); `packet` is then zeroed. */
bool openme_seal(
    uint8_t packet[static OPENME_PACKET_BYTES], const struct openme_ingredients *ingredients);

/* Key checks at load. */
void openme_server_public(uint8_t public_key[static OPENME_PUBLIC_BYTES],
    const uint8_t secret[static OPENME_SECRET_BYTES]);
bool openme_server_public_usable(const uint8_t public_key[static OPENME_PUBLIC_BYTES]);
/* Refuses small-order, mixed-order and non-canonical points. */
bool openme_client_public_usable(const uint8_t public_key[static OPENME_PUBLIC_BYTES]);
/* Seed to seed and public half. */
void openme_client_expand(
    uint8_t secret[static OPENME_SIGN_BYTES], const uint8_t seed[static OPENME_SEED_BYTES]);
void openme_client_public(
    uint8_t public_key[static OPENME_PUBLIC_BYTES], const uint8_t seed[static OPENME_SEED_BYTES]);
/* The public half is the seed's. */
bool openme_client_secret_usable(const uint8_t secret[static OPENME_SIGN_BYTES]);

#endif
