/* OpenSPA v1: a request of 610 bytes, a response of 562. Bytes in, values or a refusal out; no I/O,
 * no clock, no globals. The format is in doc/protocol.md.
 *
 * A server's way through a request, shared by two processes: right_size, right_header, then unseal
 * (the one with the private key), then open (both), then verify (the one that grants). */
#ifndef PROTO_OPENSPA_H
#define PROTO_OPENSPA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/ports.h"
#include "proto/envelope.h"
#include "proto/rsa_key.h"

#define OPENSPA_HEADER_BYTES    2
#define OPENSPA_KEY_BYTES       ENVELOPE_KEY_BYTES
#define OPENSPA_DEVICE_BYTES    16 /* a UUID */
#define OPENSPA_NONCE_BYTES     3
#define OPENSPA_SIGNATURE_BYTES RSA_KEY_BYTES
#define OPENSPA_REPLAY_BYTES    32

/* timestamp, device, nonce, protocol, first and last port, signature method, flags, reserved, two
 * addresses */
#define OPENSPA_REQUEST_PAYLOAD_BYTES \
	(8 + OPENSPA_DEVICE_BYTES + OPENSPA_NONCE_BYTES + 1 + 2 + 2 + 1 + 1 + 2 + 2 * ADDR_BYTES)
/* timestamp, nonce, protocol, first and last port, duration, signature method, reserved */
#define OPENSPA_RESPONSE_PAYLOAD_BYTES (8 + OPENSPA_NONCE_BYTES + 1 + 2 + 2 + 2 + 1 + 5)

#define OPENSPA_REQUEST_SIGNED_BYTES  (OPENSPA_HEADER_BYTES + OPENSPA_REQUEST_PAYLOAD_BYTES)
#define OPENSPA_RESPONSE_SIGNED_BYTES (OPENSPA_HEADER_BYTES + OPENSPA_RESPONSE_PAYLOAD_BYTES)
#define OPENSPA_REQUEST_HIDDEN_BYTES  (OPENSPA_REQUEST_PAYLOAD_BYTES + OPENSPA_SIGNATURE_BYTES)
#define OPENSPA_RESPONSE_HIDDEN_BYTES (OPENSPA_RESPONSE_PAYLOAD_BYTES + OPENSPA_SIGNATURE_BYTES)
#define OPENSPA_REQUEST_BYTES         (OPENSPA_HEADER_BYTES + ENVELOPE_BYTES(OPENSPA_REQUEST_HIDDEN_BYTES))
#define OPENSPA_RESPONSE_BYTES \
	(OPENSPA_HEADER_BYTES + ENVELOPE_BYTES(OPENSPA_RESPONSE_HIDDEN_BYTES))

/* IP protocol numbers. */
enum openspa_protocol {
	OPENSPA_ICMP = 1,
	OPENSPA_IPV4 = 4,
	OPENSPA_TCP = 6,
	OPENSPA_UDP = 17,
	OPENSPA_ICMPV6 = 58,
};

/* What a request asks for, once opened. */
struct openspa_request {
	int64_t timestamp_s; /* since the Unix epoch; any value may arrive */
	uint8_t device[OPENSPA_DEVICE_BYTES];
	uint8_t nonce[OPENSPA_NONCE_BYTES];
	struct ports ports; /* enum openspa_protocol */
	/* Of what was opened: signature method, flags, reserved bytes and ports are such as there
	 * are. Judged by whoever has verified the signature. */
	bool known;
	bool behind_nat;
	struct addr client_address; /* any; nothing but the signature vouches for it */
	struct addr server_address;
};

/* What a response grants. Nothing in it names the request that it answers. */
struct openspa_response {
	int64_t timestamp_s;
	uint8_t nonce[OPENSPA_NONCE_BYTES]; /* the server's own, not the request's */
	struct ports ports;
	uint16_t duration_s; /* never 0 */
};

/* What the client of an opened request signed, and how: the rest of the packet (envelope, cipher
 * blocks) is nobody's statement. */
struct openspa_proof {
	uint8_t statement[OPENSPA_REQUEST_SIGNED_BYTES]; /* header, payload */
	uint8_t signature[OPENSPA_SIGNATURE_BYTES];
};

/* Cheap tests that no honest client fails. */
bool openspa_right_size(size_t size);
bool openspa_right_header(const uint8_t packet[static OPENSPA_REQUEST_BYTES]);

/* The key that hides the request. Never fails and tells nothing about the packet: a key that hides
 * nothing is told from a good one by openspa_open alone (see envelope_unseal). */
void openspa_unseal(uint8_t key[static OPENSPA_KEY_BYTES], const struct rsa_key *server,
    const uint8_t packet[static OPENSPA_REQUEST_BYTES]);
/* Opens the request with `key`. False, and *out and *proof zeroed, for a wrong header, a wrong key
 * and damage. Neither the signature nor out->known is checked. */
bool openspa_open(struct openspa_request *out, struct openspa_proof *proof,
    const uint8_t key[static OPENSPA_KEY_BYTES],
    const uint8_t packet[static OPENSPA_REQUEST_BYTES]);
/* RSA PKCS#1 v1.5 with SHA-256 over the statement. Judge nothing else before this is true. */
bool openspa_verify(const struct openspa_proof *proof, const struct rsa_public *client);
/* SHA-256 of the statement, the same however the packet around it was changed. Its first 16 bytes
 * do as well for telling a device's requests apart. */
void openspa_replay_id(uint8_t id[static OPENSPA_REPLAY_BYTES], const struct openspa_proof *proof);

/* The other three build or take a packet whole. Building is false, and `packet` zeroed, for values
 * that the other side would refuse, an unusable key, or randomness with a zero in the filler. */
bool openspa_request_build(uint8_t packet[static OPENSPA_REQUEST_BYTES],
    const struct openspa_request *request, const struct rsa_key *client,
    const struct rsa_public *server, const struct envelope_randomness *randomness);
bool openspa_response_build(uint8_t packet[static OPENSPA_RESPONSE_BYTES],
    const struct openspa_response *response, const struct rsa_key *server,
    const struct rsa_public *client, const struct envelope_randomness *randomness);
/* Opens and verifies. False, and *out zeroed, for any fault. Whether it answers what was asked, and
 * is fresh, is the caller's to judge. */
bool openspa_response_open(struct openspa_response *out, const void *packet, size_t size,
    const struct rsa_key *client, const struct rsa_public *server);

#endif
