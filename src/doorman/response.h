/* The doorman's OpenSPA answers: the only thing that this daemon ever sends to the network, and
 * only to somebody whose request the keeper has granted. */
#ifndef DOORMAN_RESPONSE_H
#define DOORMAN_RESPONSE_H

#include "proc/message.h"

struct rsa_key;

/* Before the sandbox closes, and before memory is locked: makes libcrypto ready, which has keys in
 * plain memory. */
bool answer_prepare(void);
/* Puts the server's key that came with a configuration in place of *key (which may be NULL). False,
 * and *key as it was, when it is no use. */
bool answer_change_key(struct rsa_key **key, const struct message_secret *m);
/* Signs with `key` and seals for the device that asked. Returns the size of the packet, 0 when
 * there is none to send. */
size_t answer_build(uint8_t packet[static RECORD_BYTES_MAX], const struct message_granted *m,
    const struct rsa_key *key);

#endif
