/* RSA-2048 keys as PEM text (RFC 7468, RFC 1421 for the old encrypted form). Never prompts. */
#ifndef PROTO_RSA_PEM_H
#define PROTO_RSA_PEM_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/rsa_value.h"

#define RSA_PEM_LIMIT      8192 /* bytes of text that are looked at */
#define RSA_PEM_BYTES      2560 /* of text that we write, closing zero included */
#define RSA_PASSPHRASE_MAX 1023

/* Work for a passphrase: of keys that we write, and the most that a key may ask of us (some 5 s).
 */
#define RSA_ROUNDS      600000
#define RSA_ROUNDS_MOST 10000000

/* `RSA PRIVATE KEY` and `PRIVATE KEY`, plain or encrypted; `passphrase` is NULL when there is none
 * (RSA_LOCKED asks for it). The first PEM block of the text counts, the rest is ignored. The key
 * has passed rsa_secret_check, or *out is zeroed. */
enum rsa_error rsa_pem_read_secret(
    struct rsa_secret *out, const char *text, size_t size, const char *passphrase);
/* `PUBLIC KEY` and `RSA PUBLIC KEY`. */
enum rsa_error rsa_pem_read_public(struct rsa_public *out, const char *text, size_t size);

/* `RSA PRIVATE KEY`; with a passphrase `ENCRYPTED PRIVATE KEY` (PBES2, AES-256, RSA_ROUNDS of
 * PBKDF2). False, and `text`
 * wiped, when libcrypto fails or the passphrase is empty or longer than RSA_PASSPHRASE_MAX. */
bool rsa_pem_write_secret(
    char text[static RSA_PEM_BYTES], const struct rsa_secret *key, const char *passphrase);
/* `PUBLIC KEY`. */
bool rsa_pem_write_public(char text[static RSA_PEM_BYTES], const struct rsa_public *key);

#endif
