/* Any text as a private and as a public key. What is accepted must be good, and come back the same
 * when it is written and read again. */
#include <sodium.h>
#include <string.h>

#include "fuzz.h"
#include "proto/rsa_pem.h"

static void read_secret(const char *text, size_t size, const char *passphrase)
{
	char written[RSA_PEM_BYTES];
	struct rsa_secret key, again;

	if (rsa_pem_read_secret(&key, text, size, passphrase) != RSA_FINE) {
		must(sodium_is_zero((const unsigned char *)&key, sizeof key));
		return;
	}
	must(rsa_secret_check(&key) == RSA_FINE);
	must(rsa_pem_write_secret(written, &key, NULL));
	must(rsa_pem_read_secret(&again, written, strlen(written), NULL) == RSA_FINE);
	must(memcmp(&key, &again, sizeof key) == 0);
}

static void read_public(const char *text, size_t size)
{
	char written[RSA_PEM_BYTES];
	struct rsa_public key, again;

	if (rsa_pem_read_public(&key, text, size) != RSA_FINE) {
		must(sodium_is_zero((const unsigned char *)&key, sizeof key));
		return;
	}
	must(rsa_public_check(&key) == RSA_FINE);
	must(rsa_pem_write_public(written, &key));
	must(rsa_pem_read_public(&again, written, strlen(written)) == RSA_FINE);
	must(memcmp(&key, &again, sizeof key) == 0);
}

/* No passphrase: how often the key of an encrypted one is to be hashed stands in the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	must(sodium_init() >= 0);
	read_secret((const char *)data, size, NULL);
	read_public((const char *)data, size);
	return 0;
}
