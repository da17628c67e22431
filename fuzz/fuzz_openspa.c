/* Any datagram through both readers of OpenSPA packets, with the keys of the first captured
 * exchange.
 *
 * A fuzzer cannot guess a seal or a signature. So input that has the size of a recipe also becomes
 * the payload of a request that is signed and sealed by us: it must be read exactly when its values
 * are known, come back as it was written, and be refused once the fuzzer's choice of bytes has been
 * changed in the packet. */
#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "proto/openspa.h"
#include "proto/rsa_pem.h"
#include "vectors.h"

#define RECIPE_BYTES (OPENSPA_REQUEST_PAYLOAD_BYTES + 3)

static struct rsa_key *server;
static struct rsa_key *client;

static struct rsa_key *key_of(const char *pem)
{
	struct rsa_secret secret;

	must(rsa_pem_read_secret(&secret, pem, strlen(pem), NULL) == RSA_FINE);
	return rsa_key_new(&secret);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(sodium_init() >= 0 && rsa_init());
	server = key_of(openspa_v1_vectors[0].server_private_key_pem);
	client = key_of(openspa_v1_vectors[0].client_private_key_pem);
	return 0;
}

static bool accepted(struct openspa_request *said, const uint8_t *data, size_t size)
{
	uint8_t key[OPENSPA_KEY_BYTES];
	struct openspa_proof proof;

	if (!openspa_right_size(size) || !openspa_right_header(data))
		return false;
	openspa_unseal(key, server, data);
	if (openspa_open(said, &proof, key, data) && said->known &&
	    openspa_verify(&proof, rsa_key_public(client)))
		return true;
	memset(said, 0, sizeof *said); /* of what is not known, nothing is built */
	return false;
}

static void seal_and_bend(const uint8_t *data)
{
	struct reader r = reader_of(data, RECIPE_BYTES);
	uint8_t statement[OPENSPA_REQUEST_SIGNED_BYTES] = {0x10, 0x01};
	uint8_t payload[OPENSPA_REQUEST_PAYLOAD_BYTES], hidden[OPENSPA_REQUEST_HIDDEN_BYTES];
	uint8_t digest[RSA_DIGEST_BYTES], packet[OPENSPA_REQUEST_BYTES] = {0x10, 0x01};
	uint8_t again[OPENSPA_REQUEST_BYTES], change;
	uint16_t where;
	struct envelope_randomness randomness;
	struct openspa_request said, twice;
	bool read = false;

	reader_take(&r, payload, sizeof payload);
	where = reader_u16(&r);
	change = reader_u8(&r);
	must(reader_done(&r));

	memcpy(statement + OPENSPA_HEADER_BYTES, payload, sizeof payload);
	crypto_hash_sha256(digest, statement, sizeof statement);
	memcpy(hidden, payload, sizeof payload);
	must(rsa_key_sign(hidden + sizeof payload, client, digest));
	envelope_randomness_fill(&randomness);
	must(envelope_seal(packet + OPENSPA_HEADER_BYTES, hidden, sizeof hidden,
	    rsa_key_public(server), &randomness));
	read = accepted(&said, packet, sizeof packet);
	must(openspa_request_build(again, &said, client, rsa_key_public(server), &randomness) ==
	     read);
	if (!read)
		return;
	must(memcmp(again, packet, sizeof packet) == 0);
	packet[where % sizeof packet] ^= change;
	must(accepted(&twice, packet, sizeof packet) == (change == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct openspa_request request;
	struct openspa_response response;

	(void)accepted(&request, data, size);
	(void)openspa_response_open(&response, data, size, client, rsa_key_public(server));
	if (size == RECIPE_BYTES)
		seal_and_bend(data);
	return 0;
}
