#include "lib/openspa_internal.h"

#include <string.h>

#include "base/secret.h"
#include "proto/openspa.h"

_Static_assert(POSTERN_OPENSPA_REQUEST_BYTES == 610, "as OPENSPA_REQUEST_BYTES");
_Static_assert(POSTERN_OPENSPA_DEVICE_BYTES == OPENSPA_DEVICE_BYTES, "device");
_Static_assert(POSTERN_OPENSPA_NONCE_BYTES == OPENSPA_NONCE_BYTES, "nonce");
_Static_assert(POSTERN_OPENSPA_REPLAY_BYTES == OPENSPA_REPLAY_BYTES, "replay id");
_Static_assert(sizeof(struct postern_openspa_proof) == sizeof(struct openspa_proof), "proof");
_Static_assert((int)POSTERN_OPENSPA_ICMP == (int)OPENSPA_ICMP, "protocol");
_Static_assert((int)POSTERN_OPENSPA_IPV4 == (int)OPENSPA_IPV4, "protocol");
_Static_assert((int)POSTERN_OPENSPA_TCP == (int)OPENSPA_TCP, "protocol");
_Static_assert((int)POSTERN_OPENSPA_UDP == (int)OPENSPA_UDP, "protocol");
_Static_assert((int)POSTERN_OPENSPA_ICMPV6 == (int)OPENSPA_ICMPV6, "protocol");

static struct openspa_request request_in(const struct postern_openspa_request *from)
{
	struct openspa_request to = {
	    .timestamp_s = from->timestamp_s,
	    .ports.protocol = from->protocol,
	    .ports.first = from->first_port,
	    .ports.last = from->last_port,
	    .behind_nat = from->behind_nat,
	};

	memcpy(to.device, from->device, sizeof to.device);
	memcpy(to.nonce, from->nonce, sizeof to.nonce);
	memcpy(to.client_address.bytes, from->client_address, ADDR_BYTES);
	memcpy(to.server_address.bytes, from->server_address, ADDR_BYTES);
	return to;
}

static void request_out(struct postern_openspa_request *to, const struct openspa_request *from)
{
	memset(to, 0, sizeof *to);
	to->timestamp_s = from->timestamp_s;
	memcpy(to->device, from->device, sizeof to->device);
	memcpy(to->nonce, from->nonce, sizeof to->nonce);
	to->protocol = from->ports.protocol;
	to->first_port = from->ports.first;
	to->last_port = from->ports.last;
	to->behind_nat = from->behind_nat;
	memcpy(to->client_address, from->client_address.bytes, sizeof to->client_address);
	memcpy(to->server_address, from->server_address.bytes, sizeof to->server_address);
}

static struct openspa_proof proof_in(const struct postern_openspa_proof *from)
{
	struct openspa_proof to;

	memcpy(to.statement, from->statement, sizeof to.statement);
	memcpy(to.signature, from->signature, sizeof to.signature);
	return to;
}

static enum postern_error seal(uint8_t packet[static POSTERN_OPENSPA_REQUEST_BYTES],
    const struct postern_openspa_request *request, const struct postern_openspa_private *client,
    const struct postern_openspa_public *server, const struct envelope_randomness *randomness)
{
	struct openspa_request inner = request_in(request);

	if (!ports_fit(&inner.ports))
		return POSTERN_BAD_ARGUMENT;
	return openspa_request_build(packet, &inner, client->key, &server->value, randomness)
	           ? POSTERN_OK
	           : POSTERN_CRYPTO_FAILED;
}

enum postern_error postern_openspa_request_seal(
    uint8_t packet[static POSTERN_OPENSPA_REQUEST_BYTES],
    const struct postern_openspa_request *request, const struct postern_openspa_private *client,
    const struct postern_openspa_public *server,
    const struct postern_openspa_randomness *randomness)
{
	struct envelope_randomness inner;
	enum postern_error error = POSTERN_BAD_ARGUMENT;

	memset(packet, 0, POSTERN_OPENSPA_REQUEST_BYTES);
	if (randomness_given(&inner, randomness))
		error = seal(packet, request, client, server, &inner);
	secret_wipe(&inner, sizeof inner);
	return error;
}

enum postern_error postern_openspa_request_build(
    uint8_t packet[static POSTERN_OPENSPA_REQUEST_BYTES], struct postern_openspa_request *request,
    const struct postern_openspa_private *client, const struct postern_openspa_public *server)
{
	struct envelope_randomness randomness;
	enum postern_error error = POSTERN_NO_RANDOMNESS;

	memset(packet, 0, POSTERN_OPENSPA_REQUEST_BYTES);
	if (randomness_fresh(&randomness, &request->timestamp_s, request->nonce))
		error = seal(packet, request, client, server, &randomness);
	secret_wipe(&randomness, sizeof randomness);
	return error;
}

static bool is_request(const void *packet, size_t size)
{
	return openspa_right_size(size) && openspa_right_header(packet);
}

enum postern_error postern_openspa_request_unseal(uint8_t key[static POSTERN_OPENSPA_KEY_BYTES],
    const struct postern_openspa_private *server, const void *packet, size_t size)
{
	memset(key, 0, POSTERN_OPENSPA_KEY_BYTES);
	if (!is_request(packet, size))
		return POSTERN_BAD_PACKET;
	openspa_unseal(key, server->key, packet);
	return POSTERN_OK;
}

enum postern_error postern_openspa_request_open(struct postern_openspa_request *request,
    struct postern_openspa_proof *proof, const uint8_t key[static POSTERN_OPENSPA_KEY_BYTES],
    const void *packet, size_t size)
{
	struct openspa_request inner = {0};
	struct openspa_proof inner_proof = {{0}, {0}};
	/* Both stay zeros, or are zeroed, where it fails. */
	bool opened = openspa_right_size(size) && openspa_open(&inner, &inner_proof, key, packet);

	if (!inner.known) {
		memset(&inner, 0, sizeof inner);
		memset(&inner_proof, 0, sizeof inner_proof);
	}
	request_out(request, &inner);
	memcpy(proof->statement, inner_proof.statement, sizeof proof->statement);
	memcpy(proof->signature, inner_proof.signature, sizeof proof->signature);
	return opened && inner.known ? POSTERN_OK : POSTERN_BAD_PACKET;
}

enum postern_error postern_openspa_request_verify(
    const struct postern_openspa_proof *proof, const struct postern_openspa_public *client)
{
	struct openspa_proof inner = proof_in(proof);

	return openspa_verify(&inner, &client->value) ? POSTERN_OK : POSTERN_BAD_SIGNATURE;
}

void postern_openspa_request_id(
    uint8_t id[static POSTERN_OPENSPA_REPLAY_BYTES], const struct postern_openspa_proof *proof)
{
	struct openspa_proof inner = proof_in(proof);

	openspa_replay_id(id, &inner);
}
