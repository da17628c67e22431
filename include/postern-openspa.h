/* libpostern-openspa: requests and responses of OpenSPA v1, each built and read.
 *
 * It stands beside libpostern, so that programs that only knock by openme never load libcrypto, and
 * is there only where Postern was built with OpenSPA: ask pkg-config for postern-openspa, or
 * __has_include for this header.
 *
 * What postern.h says of all its calls holds here too, with two additions. Keys are handles, made
 * and freed by the first calls below; a handle never changes, and any number of threads may use it
 * at once. Nothing but those calls allocates, except libcrypto for its own needs while a call runs.
 * libcrypto sets itself up, and reads its configuration file, when it is first used in a process: a
 * program that confines itself should call OPENSSL_init_crypto, and load a key, before it does.
 *
 * Keys are RSA of exactly 2048 bits, with an odd public exponent from 65537 up to 64 bits.
 * The format is in doc/protocol.md, OpenSPA version 1. */
#ifndef POSTERN_OPENSPA_H
#define POSTERN_OPENSPA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "postern.h"

#ifdef __cplusplus
extern "C" {
#endif

#define POSTERN_OPENSPA_PORT         22211 /* UDP, where a server listens unless told otherwise */
#define POSTERN_OPENSPA_DEVICE_BYTES 16    /* a UUID */
#define POSTERN_OPENSPA_NONCE_BYTES  3
#define POSTERN_OPENSPA_KEY_BYTES    32  /* AES-256 */
#define POSTERN_OPENSPA_IV_BYTES     16  /* a block of AES */
#define POSTERN_OPENSPA_RSA_BYTES    256 /* a signature, or a block under a public key */
#define POSTERN_OPENSPA_REPLAY_BYTES 32  /* SHA-256 */
/* 00 02 filler 00 key (RFC 8017, section 7.2.1) */
#define POSTERN_OPENSPA_FILLER_BYTES (POSTERN_OPENSPA_RSA_BYTES - 3 - POSTERN_OPENSPA_KEY_BYTES)

#define POSTERN_OPENSPA_HEADER_BYTES 2
/* timestamp, device, nonce, protocol, ports, signature method, flags, reserved, two addresses */
#define POSTERN_OPENSPA_REQUEST_PAYLOAD_BYTES                                                 \
	(8 + POSTERN_OPENSPA_DEVICE_BYTES + POSTERN_OPENSPA_NONCE_BYTES + 1 + 4 + 1 + 1 + 2 + \
	    2 * POSTERN_ADDRESS_BYTES)
/* timestamp, nonce, protocol, ports, duration, signature method, reserved */
#define POSTERN_OPENSPA_RESPONSE_PAYLOAD_BYTES (8 + POSTERN_OPENSPA_NONCE_BYTES + 1 + 4 + 2 + 1 + 5)
/* header, block with the key, IV, then payload, signature and 1 to 16 bytes of padding */
#define POSTERN_OPENSPA_PACKET_BYTES(payload)                                                  \
	(POSTERN_OPENSPA_HEADER_BYTES + POSTERN_OPENSPA_RSA_BYTES + POSTERN_OPENSPA_IV_BYTES + \
	    ((payload) + POSTERN_OPENSPA_RSA_BYTES) / 16 * 16 + 16)
#define POSTERN_OPENSPA_REQUEST_BYTES \
	POSTERN_OPENSPA_PACKET_BYTES(POSTERN_OPENSPA_REQUEST_PAYLOAD_BYTES)
#define POSTERN_OPENSPA_RESPONSE_BYTES \
	POSTERN_OPENSPA_PACKET_BYTES(POSTERN_OPENSPA_RESPONSE_PAYLOAD_BYTES)

#pragma GCC visibility push(default)

/* Keys. */

struct postern_openspa_private;
struct postern_openspa_public;

/* Makes a private key from PEM text (RFC 7468): RSA PRIVATE KEY, PRIVATE KEY, and their encrypted
 * forms. Never prompts. Takes some 25 ms, for its numbers are checked against each other, primes
 * included; a passphrase may take 5 s more, if the text asks for that much work.
 * key:        to be freed with postern_openspa_private_free. NULL when the call fails.
 * text:       `size` bytes, at most 8192, of any content; its first PEM block counts, and what
 *             stands around it is ignored. It stays the caller's to wipe.
 * passphrase: ends with a zero byte, at most 1023 before that; NULL: there is none. Not looked at
 *             when the key is not encrypted. It stays the caller's to wipe.
 * LOCKED: it is encrypted, and passphrase is NULL. WRONG_PASSPHRASE: it was not that one.
 * BAD_KEY: not such a text, not RSA, of another size or exponent, numbers that do not belong
 *          together, or encrypted so that one try would take longer.
 * CRYPTO_FAILED. */
POSTERN_CHECKED enum postern_error postern_openspa_private_from_pem(
    struct postern_openspa_private **key, const char *text, size_t size, const char *passphrase);

/* Wipes and frees. NULL is allowed. */
void postern_openspa_private_free(struct postern_openspa_private *key);

/* Makes a public key from PEM text: PUBLIC KEY (SubjectPublicKeyInfo) and RSA PUBLIC KEY.
 * key:  to be freed with postern_openspa_public_free. NULL when the call fails.
 * text: as above.
 * BAD_KEY: not such a text, not RSA, of another size or exponent.
 * CRYPTO_FAILED. */
POSTERN_CHECKED enum postern_error postern_openspa_public_from_pem(
    struct postern_openspa_public **key, const char *text, size_t size);

/* NULL is allowed. */
void postern_openspa_public_free(struct postern_openspa_public *key);

/* What packets say. The structs are fixed by the format and do not grow. */

/* IP protocol numbers; there are no others in OpenSPA. */
enum postern_openspa_protocol {
	POSTERN_OPENSPA_ICMP = 1,
	POSTERN_OPENSPA_IPV4 = 4,
	POSTERN_OPENSPA_TCP = 6,
	POSTERN_OPENSPA_UDP = 17,
	POSTERN_OPENSPA_ICMPV6 = 58
};

struct postern_openspa_request {
	int64_t timestamp_s; /* seconds since the Unix epoch; when read: any value */
	uint8_t device[POSTERN_OPENSPA_DEVICE_BYTES]; /* whose public key verifies the request */
	uint8_t nonce[POSTERN_OPENSPA_NONCE_BYTES];   /* random */
	uint8_t protocol;                             /* enum postern_openspa_protocol */
	uint16_t first_port; /* TCP, UDP: 1 <= first <= last; others: no meaning, <= last */
	uint16_t last_port;
	bool behind_nat;
	uint8_t client_address[POSTERN_ADDRESS_BYTES]; /* to open for; when read: any value */
	uint8_t server_address[POSTERN_ADDRESS_BYTES]; /* asked; when read: any value */
};

/* Nothing in it names the request that it answers. */
struct postern_openspa_response {
	int64_t timestamp_s; /* seconds since the Unix epoch; when read: any value */
	uint8_t nonce[POSTERN_OPENSPA_NONCE_BYTES]; /* random, not that of the request */
	uint8_t protocol;                           /* these three as in a request */
	uint16_t first_port;
	uint16_t last_port;
	uint16_t duration_s; /* open for so many seconds; never 0 */
};

/* What the client of an opened request signed, and how: the rest of the packet is nobody's
 * statement. */
struct postern_openspa_proof {
	uint8_t statement[POSTERN_OPENSPA_HEADER_BYTES + POSTERN_OPENSPA_REQUEST_PAYLOAD_BYTES];
	uint8_t signature[POSTERN_OPENSPA_RSA_BYTES];
};

/* All of it random and for one packet only; no byte of the filler is zero. Secret; wipe it after
 * use. */
struct postern_openspa_randomness {
	uint8_t key[POSTERN_OPENSPA_KEY_BYTES];
	uint8_t iv[POSTERN_OPENSPA_IV_BYTES];
	uint8_t filler[POSTERN_OPENSPA_FILLER_BYTES];
};

/* Packets, with everything from the caller. */

/* Signs a request as `client` and seals it for `server`; the same arguments give the same bytes.
 * BAD_ARGUMENT: a value that a server would refuse, or a zero in the filler. CRYPTO_FAILED. */
POSTERN_CHECKED enum postern_error postern_openspa_request_seal(
    uint8_t packet[POSTERN_AT_LEAST(POSTERN_OPENSPA_REQUEST_BYTES)],
    const struct postern_openspa_request *request, const struct postern_openspa_private *client,
    const struct postern_openspa_public *server,
    const struct postern_openspa_randomness *randomness);

/* Signs a response as `server` and seals it for `client`; the same arguments give the same bytes.
 * BAD_ARGUMENT: a value that a client would refuse, or a zero in the filler. CRYPTO_FAILED. */
POSTERN_CHECKED enum postern_error postern_openspa_response_seal(
    uint8_t packet[POSTERN_AT_LEAST(POSTERN_OPENSPA_RESPONSE_BYTES)],
    const struct postern_openspa_response *response, const struct postern_openspa_private *server,
    const struct postern_openspa_public *client,
    const struct postern_openspa_randomness *randomness);

/* Reading a request takes three calls, and it counts only when all three succeed: unseal, open,
 * verify. Freshness, replay and permission remain the caller's to judge. Whoever sent a packet that
 * does not count must not learn which call refused it, by any answer or by the time that it takes:
 * out of many such answers both keys could be worked against.
 *
 * unseal: the key that hides the request, by the server's private key (RFC 8017, section 7.2.2). A
 * block that is not the server's, or wrongly padded, is not refused: it gives a key that nobody can
 * foresee, the same each time and in the same time, and open fails with it.
 * key:    secret; wipe it after use.
 * packet: `size` bytes from the wire, of any length and content.
 * BAD_PACKET: wrong size or header, as anybody can see. */
POSTERN_CHECKED enum postern_error postern_openspa_request_unseal(
    uint8_t key[POSTERN_AT_LEAST(POSTERN_OPENSPA_KEY_BYTES)],
    const struct postern_openspa_private *server, const void *packet, size_t size);

/* open: what the request says, and the proof of it.
 * key: from postern_openspa_request_unseal, with the same packet.
 * BAD_PACKET: anything that is wrong: size, header, key, padding, damage, a value that the format
 *             does not know (protocol, ports that do not fit it, signature method, flags, reserved
 *             bytes). All of it takes the same way. */
POSTERN_CHECKED enum postern_error postern_openspa_request_open(
    struct postern_openspa_request *request, struct postern_openspa_proof *proof,
    const uint8_t key[POSTERN_AT_LEAST(POSTERN_OPENSPA_KEY_BYTES)], const void *packet,
    size_t size);

/* verify: whether this client signed it (PKCS#1 v1.5 with SHA-256; RFC 8017, section 8.2.2).
 * client: of the device that the request names.
 * BAD_SIGNATURE: somebody else did. */
POSTERN_CHECKED enum postern_error postern_openspa_request_verify(
    const struct postern_openspa_proof *proof, const struct postern_openspa_public *client);

/* What tells a request from all others: the SHA-256 of its statement. It stays the same when the
 * packet around the statement is made anew, which the server's public key is enough for. */
void postern_openspa_request_id(uint8_t id[POSTERN_AT_LEAST(POSTERN_OPENSPA_REPLAY_BYTES)],
    const struct postern_openspa_proof *proof);

/* Reads a response: unseals, opens and verifies in one. Whether it is fresh and grants what was
 * asked for is the caller's to judge.
 * packet: `size` bytes from the wire, of any length and content.
 * BAD_PACKET: anything that is wrong, a response signed by another server among it. */
POSTERN_CHECKED enum postern_error postern_openspa_response_open(
    struct postern_openspa_response *response, const struct postern_openspa_private *client,
    const struct postern_openspa_public *server, const void *packet, size_t size);

/* Packets, with randomness and the clock. */

/* As postern_openspa_request_seal, with fresh randomness.
 * request: its timestamp_s and nonce are set to the current time and to random bytes.
 * NO_RANDOMNESS, BAD_ARGUMENT, CRYPTO_FAILED. */
POSTERN_CHECKED enum postern_error postern_openspa_request_build(
    uint8_t packet[POSTERN_AT_LEAST(POSTERN_OPENSPA_REQUEST_BYTES)],
    struct postern_openspa_request *request, const struct postern_openspa_private *client,
    const struct postern_openspa_public *server);

/* As postern_openspa_response_seal, with fresh randomness.
 * response: its timestamp_s and nonce are set to the current time and to random bytes.
 * NO_RANDOMNESS, BAD_ARGUMENT, CRYPTO_FAILED. */
POSTERN_CHECKED enum postern_error postern_openspa_response_build(
    uint8_t packet[POSTERN_AT_LEAST(POSTERN_OPENSPA_RESPONSE_BYTES)],
    struct postern_openspa_response *response, const struct postern_openspa_private *server,
    const struct postern_openspa_public *client);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
