/* Any datagram through the reading calls, with the server and clients of the captured vectors.
 *
 * A fuzzer cannot guess a seal or a signature. So input that has the size of a recipe is also
 * sealed by us with a known client's key: that knock must be read back as it was written, and must
 * be refused once the fuzzer's choice of bytes has been changed in it. */
#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "proto/openme.h"
#include "vectors.h"

#define RECIPE_BYTES (OPENME_SECRET_BYTES + OPENME_AEAD_NONCE_BYTES + OPENME_PLAIN_BYTES + 2)

static const struct openme_v1_vector *const keys = &openme_v1_vectors[0];

/* Whether a known client's knock was read. */
static bool accepted(struct openme_knock *said, const uint8_t *data, size_t size)
{
	uint8_t key[OPENME_KEY_BYTES];

	if (!openme_right_size(size) || !openme_right_version(data) || !openme_well_formed(data) ||
	    !openme_unseal(key, keys->server_private_key, data) || !openme_open(said, key, data))
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (openme_verify(data, openme_v1_vectors[i].client_public_key))
			return true;
	}
	return false;
}

static void seal_and_bend(const uint8_t *data)
{
	struct reader r = reader_of(data, RECIPE_BYTES);
	struct openme_ingredients from;
	uint8_t packet[OPENME_PACKET_BYTES], where, change;
	struct openme_knock said;

	memcpy(from.server_public, keys->server_public_key, sizeof from.server_public);
	memcpy(from.client_secret, keys->client_private_key, sizeof from.client_secret);
	reader_take(&r, from.ephemeral_secret, sizeof from.ephemeral_secret);
	reader_take(&r, from.aead_nonce, sizeof from.aead_nonce);
	from.knock.timestamp_ns = (int64_t)reader_u64(&r);
	reader_take(&r, from.knock.nonce, sizeof from.knock.nonce);
	reader_take(&r, from.knock.target.bytes, sizeof from.knock.target.bytes);
	where = reader_u8(&r);
	change = reader_u8(&r);
	must(reader_done(&r));

	must(openme_seal(packet, &from));
	must(accepted(&said, packet, sizeof packet));
	must(said.timestamp_ns == from.knock.timestamp_ns);
	must(memcmp(said.nonce, from.knock.nonce, sizeof said.nonce) == 0);
	must(addr_equal(&said.target, &from.knock.target));
	packet[where % sizeof packet] ^= change;
	must(accepted(&said, packet, sizeof packet) == (change == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct openme_knock said;

	must(sodium_init() >= 0);
	(void)accepted(&said, data, size);
	if (size == RECIPE_BYTES)
		seal_and_bend(data);
	return 0;
}
