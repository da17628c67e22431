/* Whose a hinted knock is: a table of the clients' ids for yesterday, today and tomorrow, in which
 * one look-up costs the same among any number of clients. It is filled a slice at a time, between
 * knocks; who is not in it yet is not found, and has to be looked for in other ways. */
#ifndef CLIENT_HINT_TABLE_H
#define CLIENT_HINT_TABLE_H

#include "client/directory.h"
#include "client/hint_keys.h"

struct hint_table;

/* For the clients of `s`, of which it keeps a copy; what that maps must outlive the table. `keys`
 * is a file of hint keys for them, and stays the caller's. NULL with errno. */
struct hint_table *hint_table_new(const struct snapshot *s, int keys);
/* Safe on NULL. */
void hint_table_free(struct hint_table *t);
/* After a change of the configuration: takes over the table of the one before, or NULL, and that
 * configuration, which is unmapped and zeroed here or later. Until `t` is complete, clients of
 * before are found by that table, so that a reload leaves no gap. `t` may be NULL: then both go. */
void hint_table_follow(
    struct hint_table *t, struct hint_table *before, struct snapshot *config_before);

/* The client whose hint is in the nonce, or DIRECTORY_NOBODY. */
uint32_t hint_table_find(const struct hint_table *t, const uint8_t nonce[static OPENME_NONCE_BYTES],
    int64_t timestamp_ns, const uint8_t target[static ADDR_BYTES],
    const uint8_t ephemeral[static OPENME_PUBLIC_BYTES]);

/* A slice of what has to be done besides: takes in keys that have become ready, at most `most`, and
 * follows the clock from day to day. False when nothing is left to do for now. */
bool hint_table_work(struct hint_table *t, uint32_t most, int64_t now_ns);
/* When to look again while keys are still to come: soon, and later each time that none had. */
int64_t hint_table_pause_ns(struct hint_table *t);
/* Whether all clients are in it. */
bool hint_table_complete(const struct hint_table *t);

#endif
