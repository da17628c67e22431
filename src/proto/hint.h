/* The lookup hint: 10 of the 16 random bytes of a knock say which client's key to try first, to the
 * server alone. To everybody else they look random. It only routes: the signature decides. The
 * format is in doc/protocol.md.
 *
 * nonce = random[6] | id[4] | mac[6]. The id changes every day, the mac with every knock. */
#ifndef PROTO_HINT_H
#define PROTO_HINT_H

#include "proto/openme.h"

#define HINT_KEY_BYTES    32
#define HINT_RANDOM_BYTES 6
#define HINT_ID_BYTES     4
#define HINT_MAC_BYTES    6

/* The key that server and client share, from the secret of either and the public key of the other:
 * nothing has to be handed over. Server's: False, and `key` zeroed, for a client's key that is
 * unusable. Client's: the same for the server's. */
bool hint_key_of_server(uint8_t key[static HINT_KEY_BYTES],
    const uint8_t server_secret[static OPENME_SECRET_BYTES],
    const uint8_t server_public[static OPENME_PUBLIC_BYTES],
    const uint8_t client_public[static OPENME_PUBLIC_BYTES]);
bool hint_key_of_client(uint8_t key[static HINT_KEY_BYTES],
    const uint8_t client_secret[static OPENME_SIGN_BYTES],
    const uint8_t server_public[static OPENME_PUBLIC_BYTES]);

/* For one knock, whose ephemeral public key it is bound to. */
void hint_make(uint8_t nonce[static OPENME_NONCE_BYTES], const uint8_t key[static HINT_KEY_BYTES],
    const uint8_t random[static HINT_RANDOM_BYTES], int64_t timestamp_ns,
    const uint8_t target[static ADDR_BYTES], const uint8_t ephemeral[static OPENME_PUBLIC_BYTES]);

/* The day of a timestamp, counted from the Unix epoch; before that it is negative. */
int64_t hint_day(int64_t timestamp_ns);
/* When the next day begins. */
int64_t hint_day_ends_ns(int64_t timestamp_ns);
/* How the client with that key is called on that day. Two may be called the same. */
uint32_t hint_id(const uint8_t key[static HINT_KEY_BYTES], int64_t day);
/* The id that a nonce names; any, where there is no hint in it. */
uint32_t hint_named(const uint8_t nonce[static OPENME_NONCE_BYTES]);
/* Whether whoever has this key made the nonce, for this knock. In constant time. */
bool hint_fits(const uint8_t key[static HINT_KEY_BYTES],
    const uint8_t nonce[static OPENME_NONCE_BYTES], int64_t timestamp_ns,
    const uint8_t target[static ADDR_BYTES], const uint8_t ephemeral[static OPENME_PUBLIC_BYTES]);

#endif
