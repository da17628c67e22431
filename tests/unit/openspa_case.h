/* One captured exchange with its keys made ready, and a way to send a request through every stage
 * of a server as the daemon does. */
#ifndef TESTS_OPENSPA_CASE_H
#define TESTS_OPENSPA_CASE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/openspa.h"
#include "proto/rsa_pem.h"
#include "vectors.h"

#define CAPTURES (sizeof openspa_v1_vectors / sizeof openspa_v1_vectors[0])

struct openspa_case {
	const struct openspa_v1_vector *vector;
	struct rsa_key *server;
	struct rsa_key *client;
	struct rsa_public client_public;
};

void openspa_case_open(struct openspa_case *c, size_t index);
void openspa_case_close(struct openspa_case *c);

/* Size, header, unseal, open, verify: true when a server would go on to judge it. */
bool openspa_case_accepts(
    const struct openspa_case *c, const uint8_t *packet, size_t size, struct openspa_request *out);
/* The same for the client's side. */
bool openspa_case_answers(
    const struct openspa_case *c, const uint8_t *packet, size_t size, struct openspa_response *out);

#endif
