/* Public keys of as many clients as wanted, which crowd.py can make the private ones of.
 *
 * crowd COUNT: a line for each, in base64. The seed of number i is the SHA-256 of SEED and i in
 * decimal: keys for tests alone. */
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#define SEED "Postern's key for tests "

static void print_public(unsigned long number)
{
	unsigned char seed[crypto_hash_sha256_BYTES], public[crypto_sign_PUBLICKEYBYTES];
	unsigned char secret[crypto_sign_SECRETKEYBYTES];
	char text[sizeof SEED + 20];
	char line[sodium_base64_ENCODED_LEN(sizeof public, sodium_base64_VARIANT_ORIGINAL)];
	int size = snprintf(text, sizeof text, SEED "%lu", number);

	crypto_hash_sha256(seed, (const unsigned char *)text, (unsigned long long)size);
	crypto_sign_seed_keypair(public, secret, seed);
	puts(sodium_bin2base64(
	    line, sizeof line, public, sizeof public, sodium_base64_VARIANT_ORIGINAL));
}

int main(int argc, char **argv)
{
	unsigned long count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

	if (sodium_init() < 0 || count == 0) {
		fprintf(stderr, "usage: crowd COUNT\n");
		return 2;
	}
	for (unsigned long i = 0; i < count; i++)
		print_public(i);
	return fflush(stdout) == 0 ? 0 : 1;
}
