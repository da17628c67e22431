#include "spa_sides.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "openspa_pem.h"

static struct postern_openspa_private *private_of(const char *text)
{
	struct postern_openspa_private *key = NULL;

	assert_int_equal(
	    postern_openspa_private_from_pem(&key, text, strlen(text), NULL), POSTERN_OK);
	return key;
}

static struct postern_openspa_public *public_of(const char *text)
{
	struct postern_openspa_public *key = NULL;

	assert_int_equal(postern_openspa_public_from_pem(&key, text, strlen(text)), POSTERN_OK);
	return key;
}

struct spa_sides spa_sides_of(const struct openspa_v1_vector *v)
{
	char server_public[PEM_ROOM];
	EVP_PKEY *server = pem_key(v->server_private_key_pem);

	pem_write_public(server_public, server);
	EVP_PKEY_free(server);
	return (struct spa_sides){private_of(v->client_private_key_pem),
	    private_of(v->server_private_key_pem), public_of(v->client_public_key_pem),
	    public_of(server_public)};
}

void spa_sides_free(struct spa_sides *s)
{
	postern_openspa_private_free(s->client);
	postern_openspa_private_free(s->server);
	postern_openspa_public_free(s->client_public);
	postern_openspa_public_free(s->server_public);
}

bool spa_accepts(struct postern_openspa_request *request, const struct spa_sides *s,
    const void *packet, size_t size)
{
	struct postern_openspa_proof proof;
	uint8_t key[POSTERN_OPENSPA_KEY_BYTES];

	return postern_openspa_request_unseal(key, s->server, packet, size) == POSTERN_OK &&
	       postern_openspa_request_open(request, &proof, key, packet, size) == POSTERN_OK &&
	       postern_openspa_request_verify(&proof, s->client_public) == POSTERN_OK;
}

static uint8_t number_of(const char *protocol)
{
	static const struct {
		const char *name;
		enum postern_openspa_protocol number;
	} known[] = {{"ICMP", POSTERN_OPENSPA_ICMP}, {"IPV4", POSTERN_OPENSPA_IPV4},
	    {"TCP", POSTERN_OPENSPA_TCP}, {"UDP", POSTERN_OPENSPA_UDP},
	    {"ICMPV6", POSTERN_OPENSPA_ICMPV6}};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(known[i].name, protocol) == 0)
			return (uint8_t)known[i].number;
	}
	return 0;
}

static int64_t timestamp_of(const uint8_t *payload)
{
	uint64_t value = 0;

	for (size_t i = 0; i < 8; i++)
		value = value << 8 | payload[i];
	return (int64_t)value;
}

struct postern_openspa_request spa_request_of(const struct openspa_v1_vector *v)
{
	struct postern_openspa_request r = {.timestamp_s = timestamp_of(v->signed_payload),
	    .protocol = number_of(v->protocol),
	    .first_port = (uint16_t)v->start_port,
	    .last_port = (uint16_t)v->end_port,
	    .behind_nat = v->behind_nat != 0};
	const char *at = v->client_device_id;

	for (size_t i = 0; i < sizeof r.device; i++) {
		at += *at == '-';
		assert_int_equal(sscanf(at, "%2hhx", &r.device[i]), 1);
		at += 2;
	}
	memcpy(r.nonce, v->signed_payload + 24, sizeof r.nonce);
	assert_int_equal(postern_address_from_text(r.client_address, v->client_ip), POSTERN_OK);
	assert_int_equal(postern_address_from_text(r.server_address, v->server_ip), POSTERN_OK);
	return r;
}

struct postern_openspa_response spa_response_of(const struct openspa_v1_vector *v)
{
	struct postern_openspa_response r = {.timestamp_s = timestamp_of(v->response_payload),
	    .protocol = number_of(v->protocol),
	    .first_port = (uint16_t)v->start_port,
	    .last_port = (uint16_t)v->end_port,
	    .duration_s = (uint16_t)v->duration_s};

	memcpy(r.nonce, v->response_payload + 8, sizeof r.nonce);
	return r;
}

struct postern_openspa_randomness spa_some_dice(void)
{
	struct postern_openspa_randomness randomness;

	for (size_t i = 0; i < sizeof randomness; i++)
		((uint8_t *)&randomness)[i] = (uint8_t)(i % 255 + 1);
	return randomness;
}
