#include "proto/openspa.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "base/secret.h"

_Static_assert(OPENSPA_REQUEST_PAYLOAD_BYTES == 68, "request payload");
_Static_assert(OPENSPA_RESPONSE_PAYLOAD_BYTES == 24, "response payload");
_Static_assert(OPENSPA_REQUEST_HIDDEN_BYTES == 324, "request payload, signature");
_Static_assert(OPENSPA_RESPONSE_HIDDEN_BYTES == 280, "response payload, signature");
_Static_assert(OPENSPA_REQUEST_BYTES == 610, "a request is 610 bytes");
_Static_assert(OPENSPA_RESPONSE_BYTES == 562, "a response is 562 bytes");
_Static_assert(ENVELOPE_PADDED(OPENSPA_REQUEST_HIDDEN_BYTES) <= ENVELOPE_MAX, "request");
_Static_assert(ENVELOPE_PADDED(OPENSPA_RESPONSE_HIDDEN_BYTES) <= ENVELOPE_MAX, "response");
_Static_assert(OPENSPA_REPLAY_BYTES == crypto_hash_sha256_BYTES, "SHA-256");
_Static_assert(RSA_DIGEST_BYTES == crypto_hash_sha256_BYTES, "SHA-256");

#define SIGNATURE_RSA_SHA256 1
#define FLAG_BEHIND_NAT      0x80

/* Version 1 in the upper four bits, then the type bit (0 request, 1 response), reserved bits, and
 * encryption method 1. */
static const uint8_t request_header[OPENSPA_HEADER_BYTES] = {0x10, 0x01};
static const uint8_t response_header[OPENSPA_HEADER_BYTES] = {0x18, 0x01};

static bool response_fits(const struct openspa_response *response)
{
	return ports_fit(&response->ports) && response->duration_s != 0;
}

static void request_read(
    struct openspa_request *out, const uint8_t payload[static OPENSPA_REQUEST_PAYLOAD_BYTES])
{
	struct reader r = reader_of(payload, OPENSPA_REQUEST_PAYLOAD_BYTES);
	uint8_t method = 0;
	uint8_t flags = 0;
	uint16_t reserved = 0;

	out->timestamp_s = (int64_t)reader_u64(&r);
	reader_take(&r, out->device, sizeof out->device);
	reader_take(&r, out->nonce, sizeof out->nonce);
	out->ports = (struct ports){.protocol = reader_u8(&r)};
	out->ports.first = reader_u16(&r);
	out->ports.last = reader_u16(&r);
	method = reader_u8(&r);
	flags = reader_u8(&r);
	reserved = reader_u16(&r);
	reader_take(&r, out->client_address.bytes, sizeof out->client_address.bytes);
	reader_take(&r, out->server_address.bytes, sizeof out->server_address.bytes);
	out->behind_nat = flags == FLAG_BEHIND_NAT;
	out->known = reader_done(&r) && method == SIGNATURE_RSA_SHA256 &&
	             (flags & ~FLAG_BEHIND_NAT) == 0 && reserved == 0 && ports_fit(&out->ports);
}

static void request_write(struct writer *w, const struct openspa_request *request)
{
	writer_put(w, request_header, sizeof request_header);
	writer_u64(w, (uint64_t)request->timestamp_s);
	writer_put(w, request->device, sizeof request->device);
	writer_put(w, request->nonce, sizeof request->nonce);
	writer_u8(w, request->ports.protocol);
	writer_u16(w, request->ports.first);
	writer_u16(w, request->ports.last);
	writer_u8(w, SIGNATURE_RSA_SHA256);
	writer_u8(w, request->behind_nat ? FLAG_BEHIND_NAT : 0);
	writer_u16(w, 0);
	writer_put(w, request->client_address.bytes, sizeof request->client_address.bytes);
	writer_put(w, request->server_address.bytes, sizeof request->server_address.bytes);
}

static bool response_read(
    struct openspa_response *out, const uint8_t payload[static OPENSPA_RESPONSE_PAYLOAD_BYTES])
{
	struct reader r = reader_of(payload, OPENSPA_RESPONSE_PAYLOAD_BYTES);
	uint8_t method = 0;
	uint64_t reserved = 0;

	out->timestamp_s = (int64_t)reader_u64(&r);
	reader_take(&r, out->nonce, sizeof out->nonce);
	out->ports = (struct ports){.protocol = reader_u8(&r)};
	out->ports.first = reader_u16(&r);
	out->ports.last = reader_u16(&r);
	out->duration_s = reader_u16(&r);
	method = reader_u8(&r);
	reserved = reader_u8(&r) | reader_u32(&r);
	return reader_done(&r) && method == SIGNATURE_RSA_SHA256 && reserved == 0 &&
	       response_fits(out);
}

static void response_write(struct writer *w, const struct openspa_response *response)
{
	writer_put(w, response_header, sizeof response_header);
	writer_u64(w, (uint64_t)response->timestamp_s);
	writer_put(w, response->nonce, sizeof response->nonce);
	writer_u8(w, response->ports.protocol);
	writer_u16(w, response->ports.first);
	writer_u16(w, response->ports.last);
	writer_u16(w, response->duration_s);
	writer_u8(w, SIGNATURE_RSA_SHA256);
	writer_u8(w, 0);
	writer_u32(w, 0);
}

bool openspa_right_size(size_t size)
{
	return size == OPENSPA_REQUEST_BYTES;
}

bool openspa_right_header(const uint8_t packet[static OPENSPA_REQUEST_BYTES])
{
	return memcmp(packet, request_header, sizeof request_header) == 0;
}

void openspa_unseal(uint8_t key[static OPENSPA_KEY_BYTES], const struct rsa_key *server,
    const uint8_t packet[static OPENSPA_REQUEST_BYTES])
{
	envelope_unseal(key, server, packet + OPENSPA_HEADER_BYTES);
}

/* Every packet runs through all of this: what is wrong with it shows neither in the answer nor,
 * but for the zeroing at the end, in the time. */
bool openspa_open(struct openspa_request *out, struct openspa_proof *proof,
    const uint8_t key[static OPENSPA_KEY_BYTES], const uint8_t packet[static OPENSPA_REQUEST_BYTES])
{
	uint8_t hidden[OPENSPA_REQUEST_HIDDEN_BYTES] = {0};
	struct reader r = reader_of(hidden, sizeof hidden);
	struct writer w = writer_of(proof->statement, sizeof proof->statement);
	uint8_t payload[OPENSPA_REQUEST_PAYLOAD_BYTES];
	bool opened = envelope_open(hidden, sizeof hidden, key, packet + OPENSPA_HEADER_BYTES) &&
	              openspa_right_header(packet);

	reader_take(&r, payload, sizeof payload);
	reader_take(&r, proof->signature, sizeof proof->signature);
	writer_put(&w, request_header, sizeof request_header);
	writer_put(&w, payload, sizeof payload);
	request_read(out, payload);
	secret_wipe(hidden, sizeof hidden);
	secret_wipe(payload, sizeof payload);
	if (!opened) {
		memset(out, 0, sizeof *out);
		memset(proof, 0, sizeof *proof);
	}
	return opened;
}

bool openspa_verify(const struct openspa_proof *proof, const struct rsa_public *client)
{
	uint8_t digest[RSA_DIGEST_BYTES];

	crypto_hash_sha256(digest, proof->statement, sizeof proof->statement);
	return rsa_public_verify(client, digest, proof->signature);
}

void openspa_replay_id(uint8_t id[static OPENSPA_REPLAY_BYTES], const struct openspa_proof *proof)
{
	crypto_hash_sha256(id, proof->statement, sizeof proof->statement);
}

/* Signs the statement (header and payload), hides payload and signature, writes the whole packet,
 * and wipes the statement. `fits`: what is said may be said. */
static bool build(struct writer *packet, const struct writer *statement, bool fits,
    const struct rsa_key *signer, const struct rsa_public *receiver,
    const struct envelope_randomness *randomness)
{
	const uint8_t *payload = statement->data + OPENSPA_HEADER_BYTES;
	uint8_t digest[RSA_DIGEST_BYTES];
	uint8_t signature[OPENSPA_SIGNATURE_BYTES];
	uint8_t hidden[OPENSPA_REQUEST_HIDDEN_BYTES];
	uint8_t envelope[ENVELOPE_BYTES(OPENSPA_REQUEST_HIDDEN_BYTES)];
	struct writer w = writer_of(hidden, sizeof hidden);
	bool ok = fits && writer_filled(statement, statement->size);

	if (ok) {
		crypto_hash_sha256(digest, statement->data, statement->used);
		ok = rsa_key_sign(signature, signer, digest);
		writer_put(&w, payload, statement->used - OPENSPA_HEADER_BYTES);
		writer_put(&w, signature, sizeof signature);
	}
	ok = ok && !w.failed && envelope_seal(envelope, hidden, w.used, receiver, randomness);
	if (ok) {
		writer_put(packet, statement->data, OPENSPA_HEADER_BYTES);
		writer_put(packet, envelope, ENVELOPE_BYTES(w.used));
		ok = writer_filled(packet, packet->size);
	}
	if (!ok)
		memset(packet->data, 0, packet->size);
	secret_wipe(statement->data, statement->size);
	secret_wipe(signature, sizeof signature);
	secret_wipe(hidden, sizeof hidden);
	return ok;
}

bool openspa_request_build(uint8_t packet[static OPENSPA_REQUEST_BYTES],
    const struct openspa_request *request, const struct rsa_key *client,
    const struct rsa_public *server, const struct envelope_randomness *randomness)
{
	struct writer w = writer_of(packet, OPENSPA_REQUEST_BYTES);
	uint8_t statement[OPENSPA_REQUEST_SIGNED_BYTES];
	struct writer s = writer_of(statement, sizeof statement);

	request_write(&s, request);
	return build(&w, &s, ports_fit(&request->ports), client, server, randomness);
}

bool openspa_response_build(uint8_t packet[static OPENSPA_RESPONSE_BYTES],
    const struct openspa_response *response, const struct rsa_key *server,
    const struct rsa_public *client, const struct envelope_randomness *randomness)
{
	struct writer w = writer_of(packet, OPENSPA_RESPONSE_BYTES);
	uint8_t statement[OPENSPA_RESPONSE_SIGNED_BYTES];
	struct writer s = writer_of(statement, sizeof statement);

	response_write(&s, response);
	return build(&w, &s, response_fits(response), server, client, randomness);
}

/* True when the server signed the payload that `hidden` starts with. */
static bool response_verify(
    const uint8_t hidden[static OPENSPA_RESPONSE_HIDDEN_BYTES], const struct rsa_public *server)
{
	uint8_t statement[OPENSPA_RESPONSE_SIGNED_BYTES];
	struct writer w = writer_of(statement, sizeof statement);
	uint8_t digest[RSA_DIGEST_BYTES];

	writer_put(&w, response_header, sizeof response_header);
	writer_put(&w, hidden, OPENSPA_RESPONSE_PAYLOAD_BYTES);
	crypto_hash_sha256(digest, statement, sizeof statement);
	return rsa_public_verify(server, digest, hidden + OPENSPA_RESPONSE_PAYLOAD_BYTES);
}

bool openspa_response_open(struct openspa_response *out, const void *packet, size_t size,
    const struct rsa_key *client, const struct rsa_public *server)
{
	struct reader r = reader_of(packet, size);
	uint8_t header[OPENSPA_HEADER_BYTES];
	uint8_t envelope[ENVELOPE_BYTES(OPENSPA_RESPONSE_HIDDEN_BYTES)];
	uint8_t hidden[OPENSPA_RESPONSE_HIDDEN_BYTES];
	uint8_t key[OPENSPA_KEY_BYTES];
	bool ok = false;

	memset(out, 0, sizeof *out);
	reader_take(&r, header, sizeof header);
	reader_take(&r, envelope, sizeof envelope);
	if (!reader_done(&r) || memcmp(header, response_header, sizeof header) != 0)
		return false;
	envelope_unseal(key, client, envelope);
	ok = envelope_open(hidden, sizeof hidden, key, envelope) &&
	     response_verify(hidden, server) && response_read(out, hidden);
	if (!ok)
		memset(out, 0, sizeof *out);
	secret_wipe(key, sizeof key);
	secret_wipe(hidden, sizeof hidden);
	return ok;
}
