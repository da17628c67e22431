#include "doorman/response.h"

#include <limits.h>
#include <malloc.h>
#include <stdlib.h>

#include "admit/codec.h"
#include "base/clock.h"
#include "base/secret.h"
#include "proc/process.h"

#ifdef HAVE_OPENSPA

_Static_assert(OPENSPA_RESPONSE_BYTES <= RECORD_BYTES_MAX, "an answer fits a record");

/* Room for libcrypto's keys and numbers, many times over. */
#define LOCKED_HEAP_BYTES (1 << 20)

/* Gives nothing of the heap back; what is as large as this is no part of it. */
static void keep_heap(int outside)
{
#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_MMAP_THRESHOLD, outside);
#else
	/* musl cannot be told: of its heap, what comes later is not locked. */
	(void)outside;
#endif
}

bool answer_prepare(void)
{
	void *room;

	if (!codec_prepare(true))
		return false;
	/* The heap is made as large as it will ever be and never given back, to be locked as it is:
	 * locking what comes later as well would need a right that we are about to give up. */
	keep_heap(LOCKED_HEAP_BYTES * 2);
	room = malloc(LOCKED_HEAP_BYTES);
	free(room);
	/* Tables of clients stay outside of it. */
	keep_heap(PROCESS_TABLE_BYTES);
	return room != NULL;
}

bool answer_change_key(struct rsa_key **key, const struct message_secret *m)
{
	struct rsa_key *next = m->openspa ? rsa_key_new(&m->rsa) : NULL;

	if (m->openspa && next == NULL)
		return false;
	rsa_key_free(*key);
	*key = next;
	return true;
}

size_t answer_build(uint8_t packet[static RECORD_BYTES_MAX], const struct message_granted *m,
    const struct rsa_key *key)
{
	struct openspa_response response = {.timestamp_s = clock_real_ns() / NS_PER_SECOND,
	    .ports = m->ports,
	    .duration_s = m->duration_s};
	struct envelope_randomness randomness;
	bool built;

	if (key == NULL)
		return 0;
	secret_random(response.nonce, sizeof response.nonce);
	envelope_randomness_fill(&randomness);
	built = openspa_response_build(packet, &response, key, &m->signer_key, &randomness);
	secret_wipe(&randomness, sizeof randomness);
	return built ? OPENSPA_RESPONSE_BYTES : 0;
}

#else

bool answer_prepare(void)
{
	return false;
}

bool answer_change_key(struct rsa_key **key, const struct message_secret *m)
{
	*key = NULL;
	return !m->openspa;
}

size_t answer_build(uint8_t packet[static RECORD_BYTES_MAX], const struct message_granted *m,
    const struct rsa_key *key)
{
	(void)packet;
	(void)m;
	(void)key;
	return 0;
}

#endif
