/* What one OpenSPA request costs a server beside the bare RSA-2048 operations that it cannot do
 * without.
 *
 * bench-openspa ROUNDS
 * Prints `name microseconds` of processor time, and the ratio last. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/secret.h"
#include "proto/openspa.h"

struct stage {
	int rounds;
	struct rsa_key *server;
	struct rsa_key *client;
	uint8_t request[OPENSPA_REQUEST_BYTES];
	EVP_PKEY_CTX *decrypt;
	EVP_PKEY_CTX *sign;
	EVP_PKEY_CTX *verify;
	uint8_t digest[RSA_DIGEST_BYTES];
	uint8_t signature[RSA_KEY_BYTES];
};

static void must(bool holds)
{
	if (!holds) {
		fprintf(stderr, "bench-openspa: libcrypto failed\n");
		exit(1);
	}
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double measure(const char *name, void (*step)(struct stage *), struct stage *s)
{
	double start;
	double each;

	for (int i = 0; i < s->rounds / 10; i++)
		step(s);
	start = now_us();
	for (int i = 0; i < s->rounds; i++)
		step(s);
	each = (now_us() - start) / s->rounds;
	printf("%s %.1f\n", name, each);
	return each;
}

/* --- the floor, with everything ready that can be */

static void bare_decrypt(struct stage *s)
{
	uint8_t out[RSA_KEY_BYTES];
	size_t size = sizeof out;

	must(EVP_PKEY_decrypt(
	         s->decrypt, out, &size, s->request + OPENSPA_HEADER_BYTES, RSA_KEY_BYTES) == 1);
}

static void bare_sign(struct stage *s)
{
	size_t size = sizeof s->signature;

	must(EVP_PKEY_sign(s->sign, s->signature, &size, s->digest, sizeof s->digest) == 1);
}

static void bare_verify(struct stage *s)
{
	must(EVP_PKEY_verify(
	         s->verify, s->signature, sizeof s->signature, s->digest, sizeof s->digest) == 1);
}

/* --- what the server does */

/* The request is opened twice, as by two processes. */
static void serve(struct stage *s)
{
	uint8_t key[OPENSPA_KEY_BYTES];
	uint8_t packet[OPENSPA_RESPONSE_BYTES];
	struct openspa_request request;
	struct openspa_proof proof;
	struct envelope_randomness randomness;

	must(openspa_right_header(s->request));
	openspa_unseal(key, s->server, s->request);
	must(openspa_open(&request, &proof, key, s->request));
	must(openspa_open(&request, &proof, key, s->request));
	must(openspa_verify(&proof, rsa_key_public(s->client)));
	envelope_randomness_fill(&randomness);
	must(openspa_response_build(packet,
	    &(struct openspa_response){.ports.protocol = OPENSPA_TCP,
	        .ports.first = 22,
	        .ports.last = 22,
	        .duration_s = 60},
	    s->server, rsa_key_public(s->client), &randomness));
}

static struct rsa_key *new_key(EVP_PKEY **pkey)
{
	struct rsa_secret secret;

	must(rsa_secret_generate(&secret) == RSA_FINE);
	*pkey = rsa_secret_to_pkey(&secret);
	return rsa_key_new(&secret);
}

static EVP_PKEY_CTX *context(EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *), int padding)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);

	must(ctx != NULL && init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1);
	if (padding == RSA_PKCS1_PADDING)
		must(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1);
	return ctx;
}

int main(int argc, char **argv)
{
	static const struct openspa_request request = {
	    .ports.protocol = OPENSPA_TCP, .ports.first = 22, .ports.last = 22};
	struct stage s = {0};
	EVP_PKEY *server = NULL;
	EVP_PKEY *client = NULL;
	struct envelope_randomness randomness;
	double floor_us = 0;
	double served_us = 0;

	if (argc != 2 || (s.rounds = (int)strtol(argv[1], NULL, 10)) < 10) {
		fprintf(stderr, "usage: bench-openspa ROUNDS\n");
		return 2;
	}
	must(secret_init() && rsa_init());
	s.server = new_key(&server);
	s.client = new_key(&client);
	envelope_randomness_fill(&randomness);
	must(openspa_request_build(
	    s.request, &request, s.client, rsa_key_public(s.server), &randomness));
	s.decrypt = context(server, EVP_PKEY_decrypt_init, RSA_NO_PADDING);
	s.sign = context(server, EVP_PKEY_sign_init, RSA_PKCS1_PADDING);
	s.verify = context(server, EVP_PKEY_verify_init, RSA_PKCS1_PADDING);

	floor_us = measure("rsa_2048_private", bare_decrypt, &s);
	floor_us += measure("rsa_2048_sign", bare_sign, &s);
	floor_us += measure("rsa_2048_verify", bare_verify, &s);
	served_us = measure("openspa_request", serve, &s);
	printf("openspa_ratio %.2f\n", served_us / floor_us);
	EVP_PKEY_CTX_free(s.decrypt);
	EVP_PKEY_CTX_free(s.sign);
	EVP_PKEY_CTX_free(s.verify);
	EVP_PKEY_free(server);
	EVP_PKEY_free(client);
	rsa_key_free(s.server);
	rsa_key_free(s.client);
	return 0;
}
