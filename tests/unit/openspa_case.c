#include "openspa_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"

static struct rsa_key *key_of(const char *pem)
{
	struct rsa_secret secret;
	struct rsa_key *key = NULL;

	assert_int_equal(rsa_pem_read_secret(&secret, pem, strlen(pem), NULL), RSA_FINE);
	key = rsa_key_new(&secret);
	assert_non_null(key);
	secret_wipe(&secret, sizeof secret);
	return key;
}

void openspa_case_open(struct openspa_case *c, size_t index)
{
	const struct openspa_v1_vector *v = &openspa_v1_vectors[index];

	c->vector = v;
	c->server = key_of(v->server_private_key_pem);
	c->client = key_of(v->client_private_key_pem);
	assert_int_equal(rsa_pem_read_public(&c->client_public, v->client_public_key_pem,
	                     strlen(v->client_public_key_pem)),
	    RSA_FINE);
	assert_memory_equal(&c->client_public, rsa_key_public(c->client), sizeof c->client_public);
}

void openspa_case_close(struct openspa_case *c)
{
	rsa_key_free(c->server);
	rsa_key_free(c->client);
}

bool openspa_case_accepts(
    const struct openspa_case *c, const uint8_t *packet, size_t size, struct openspa_request *out)
{
	uint8_t key[OPENSPA_KEY_BYTES];
	struct openspa_proof proof;

	if (!openspa_right_size(size) || !openspa_right_header(packet))
		return false;
	openspa_unseal(key, c->server, packet);
	if (!openspa_open(out, &proof, key, packet) || !openspa_verify(&proof, &c->client_public))
		return false;
	if (out->known)
		return true;
	memset(out, 0, sizeof *out);
	return false;
}

bool openspa_case_answers(
    const struct openspa_case *c, const uint8_t *packet, size_t size, struct openspa_response *out)
{
	return openspa_response_open(out, packet, size, c->client, rsa_key_public(c->server));
}
