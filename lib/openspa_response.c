#include "lib/openspa_internal.h"

#include <string.h>

#include "base/secret.h"
#include "proto/openspa.h"

_Static_assert(POSTERN_OPENSPA_RESPONSE_BYTES == 562, "as OPENSPA_RESPONSE_BYTES");

static struct openspa_response response_in(const struct postern_openspa_response *from)
{
	struct openspa_response to = {
	    .timestamp_s = from->timestamp_s,
	    .ports.protocol = from->protocol,
	    .ports.first = from->first_port,
	    .ports.last = from->last_port,
	    .duration_s = from->duration_s,
	};

	memcpy(to.nonce, from->nonce, sizeof to.nonce);
	return to;
}

static void response_out(struct postern_openspa_response *to, const struct openspa_response *from)
{
	memset(to, 0, sizeof *to);
	to->timestamp_s = from->timestamp_s;
	memcpy(to->nonce, from->nonce, sizeof to->nonce);
	to->protocol = from->ports.protocol;
	to->first_port = from->ports.first;
	to->last_port = from->ports.last;
	to->duration_s = from->duration_s;
}

static enum postern_error seal(uint8_t packet[static POSTERN_OPENSPA_RESPONSE_BYTES],
    const struct postern_openspa_response *response, const struct postern_openspa_private *server,
    const struct postern_openspa_public *client, const struct envelope_randomness *randomness)
{
	struct openspa_response inner = response_in(response);

	if (!ports_fit(&inner.ports) || inner.duration_s == 0)
		return POSTERN_BAD_ARGUMENT;
	return openspa_response_build(packet, &inner, server->key, &client->value, randomness)
	           ? POSTERN_OK
	           : POSTERN_CRYPTO_FAILED;
}

enum postern_error postern_openspa_response_seal(
    uint8_t packet[static POSTERN_OPENSPA_RESPONSE_BYTES],
    const struct postern_openspa_response *response, const struct postern_openspa_private *server,
    const struct postern_openspa_public *client,
    const struct postern_openspa_randomness *randomness)
{
	struct envelope_randomness inner;
	enum postern_error error = POSTERN_BAD_ARGUMENT;

	memset(packet, 0, POSTERN_OPENSPA_RESPONSE_BYTES);
	if (randomness_given(&inner, randomness))
		error = seal(packet, response, server, client, &inner);
	secret_wipe(&inner, sizeof inner);
	return error;
}

enum postern_error postern_openspa_response_build(
    uint8_t packet[static POSTERN_OPENSPA_RESPONSE_BYTES],
    struct postern_openspa_response *response, const struct postern_openspa_private *server,
    const struct postern_openspa_public *client)
{
	struct envelope_randomness randomness;
	enum postern_error error = POSTERN_NO_RANDOMNESS;

	memset(packet, 0, POSTERN_OPENSPA_RESPONSE_BYTES);
	if (randomness_fresh(&randomness, &response->timestamp_s, response->nonce))
		error = seal(packet, response, server, client, &randomness);
	secret_wipe(&randomness, sizeof randomness);
	return error;
}

enum postern_error postern_openspa_response_open(struct postern_openspa_response *response,
    const struct postern_openspa_private *client, const struct postern_openspa_public *server,
    const void *packet, size_t size)
{
	struct openspa_response inner;
	bool opened = openspa_response_open(&inner, packet, size, client->key, &server->value);

	/* zeros where it failed */
	response_out(response, &inner);
	return opened ? POSTERN_OK : POSTERN_BAD_PACKET;
}
