/* Blocks that hide a key, padded rightly and in every wrong way. */
#ifndef TESTS_ENVELOPE_BLOCKS_H
#define TESTS_ENVELOPE_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/envelope.h"

#define ENVELOPE_BAD_BLOCKS 10

/* A fresh key pair. */
struct rsa_key *envelope_new_receiver(void);

/* `key` is what was put into the block. */
void envelope_block_good(uint8_t block[static RSA_KEY_BYTES],
    uint8_t key[static ENVELOPE_KEY_BYTES], const struct rsa_public *receiver);
/* The index is below ENVELOPE_BAD_BLOCKS. Returns what is wrong; `key` is what stands where a key
 * would. */
const char *envelope_block_bad(uint8_t block[static RSA_KEY_BYTES],
    uint8_t key[static ENVELOPE_KEY_BYTES], const struct rsa_public *receiver, size_t index);

#endif
