/* The captured exchanges of OpenSPA as a stranger to this tree would use them: through the headers
 * and shared libraries that are installed, with libcrypto to say what is right. */
#ifndef TESTS_SPA_SIDES_H
#define TESTS_SPA_SIDES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "postern-openspa.h"
#include "vectors.h"

#define SPA_CAPTURES (sizeof openspa_v1_vectors / sizeof openspa_v1_vectors[0])
/* Where what is under AES starts: behind header, block and IV. */
#define SPA_BODY \
	(POSTERN_OPENSPA_HEADER_BYTES + POSTERN_OPENSPA_RSA_BYTES + POSTERN_OPENSPA_IV_BYTES)

/* The keys of both sides of one capture. */
struct spa_sides {
	struct postern_openspa_private *client, *server;
	struct postern_openspa_public *client_public, *server_public;
};

struct spa_sides spa_sides_of(const struct openspa_v1_vector *v);
void spa_sides_free(struct spa_sides *s);

/* The words of a capture, from the text that came with it. */
struct postern_openspa_request spa_request_of(const struct openspa_v1_vector *v);
struct postern_openspa_response spa_response_of(const struct openspa_v1_vector *v);

/* All different, none zero. */
struct postern_openspa_randomness spa_some_dice(void);

/* Unseal, open, verify. */
bool spa_accepts(struct postern_openspa_request *request, const struct spa_sides *s,
    const void *packet, size_t size);

#endif
