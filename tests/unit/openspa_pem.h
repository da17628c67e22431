/* PEM texts for tests of libpostern-openspa, made by libcrypto alone. */
#ifndef TESTS_OPENSPA_PEM_H
#define TESTS_OPENSPA_PEM_H

#include <openssl/evp.h>

#define PEM_ROOM 8192 /* as much as the library looks at */

/* The key of a private PEM text, for EVP_PKEY_free. */
EVP_PKEY *pem_key(const char *text);
/* `text` has PEM_ROOM bytes. With a passphrase: encrypted PKCS#8. */
void pem_write_private(char *text, EVP_PKEY *key, const char *passphrase);
void pem_write_public(char *text, EVP_PKEY *key);
/* RSA PRIVATE KEY, RSA PUBLIC KEY. */
void pem_write_pkcs1(char *private_text, char *public_text, EVP_PKEY *key);

#endif
