/* Secrets: constant-time comparison, wiping that the compiler cannot drop, memory that is neither
 * swapped nor dumped. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Once per process, before anything else here or in proto/. False: no randomness to be had. */
bool secret_init(void);

void secret_wipe(void *secret, size_t size);
bool secret_equal(const void *a, const void *b, size_t size);
void secret_random(void *out, size_t size);

#define SECRET_HASH_BYTES 16
/* SipHash: with a key that is nobody's to know, nobody can choose what clashes. */
uint64_t secret_hash(const uint8_t key[static SECRET_HASH_BYTES], const void *data, size_t size);

/* Memory between guard pages, locked where the limit allows; NULL when none is to be had.
 * secret_free wipes it. */
void *secret_alloc(size_t size);
/* Locks all memory of this process that is its own and can be written, as it is now: what libraries
 * make of a secret may be anywhere in it. False with errno; `needed` is how much of it there is.
 * That may be a page more than it takes: glibc's getrandom has one that is never in swap. */
bool secret_lock_all(size_t *needed);
void secret_free(void *secret);

/* Strict base64 (RFC 4648 4, with padding) of exactly `size` bytes. On failure `out` is wiped. */
bool secret_from_base64(void *out, size_t size, const char *text);
/* The same, but for line breaks, which are passed over. */
bool secret_from_base64_lines(void *out, size_t size, const char *text);
#define SECRET_BASE64_BYTES(size) (((size) + 2) / 3 * 4 + 1)
/* `text` holds SECRET_BASE64_BYTES(size). */
void secret_to_base64(char *text, size_t text_size, const void *bytes, size_t size);

#endif
