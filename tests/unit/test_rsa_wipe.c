/* Nothing of a private key is in what libcrypto frees. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "proto/rsa_pem.h"
#include "proto/rsa_value.h"
#include "proto/rsa_wipe.h"

#define PIECE      16 /* bytes in a row that count as a part of the key */
#define TEXT_BYTES RSA_PEM_LIMIT
#define PASSPHRASE "open, sesame"

struct part {
	const char *name;
	const uint8_t *bytes;
	size_t size;
};

/* What is looked for, in the order of its file and in that of the numbers in memory. */
static struct rsa_secret key, reversed;
static const struct part parts[] = {
    {"d", key.exponent, sizeof key.exponent},
    {"p", key.p, sizeof key.p},
    {"q", key.q, sizeof key.q},
    {"dp", key.exponent_p, sizeof key.exponent_p},
    {"dq", key.exponent_q, sizeof key.exponent_q},
    {"d reversed", reversed.exponent, sizeof key.exponent},
    {"p reversed", reversed.p, sizeof key.p},
    {"q reversed", reversed.q, sizeof key.q},
    {"dp reversed", reversed.exponent_p, sizeof key.exponent_p},
    {"dq reversed", reversed.exponent_q, sizeof key.exponent_q},
};
static bool watching;
static size_t freed;      /* by libcrypto, through the functions under test */
static const char *found; /* the first part that was left */

static bool holds(const void *memory, size_t size, const struct part *part)
{
	for (size_t at = 0; at + PIECE <= part->size; at += PIECE) {
		if (memmem(memory, size, part->bytes + at, PIECE) != NULL)
			return true;
	}
	return false;
}

static void look(const void *memory, size_t size)
{
	if (size < PIECE)
		return;
	freed++;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0] && found == NULL; i++) {
		if (holds(memory, size, &parts[i]))
			found = parts[i].name;
	}
}

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
	if (watching && p != NULL)
		look(p, malloc_usable_size(p));
	__real_free(p);
}

static void reverse(uint8_t *to, const uint8_t *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = from[size - 1 - i];
}

static int make_key(void **state)
{
	(void)state;
	for (int times = 0; times < 2; times++) {
		if (!rsa_wipe_init())
			return -1;
	}
	if (rsa_secret_generate(&key) != RSA_FINE)
		return -1;
	reverse(reversed.exponent, key.exponent, sizeof key.exponent);
	reverse(reversed.p, key.p, sizeof key.p);
	reverse(reversed.q, key.q, sizeof key.q);
	reverse(reversed.exponent_p, key.exponent_p, sizeof key.exponent_p);
	reverse(reversed.exponent_q, key.exponent_q, sizeof key.exponent_q);
	return 0;
}

static void assert_nothing_is_left(const char *text, const char *passphrase)
{
	static struct rsa_secret got;
	enum rsa_error result;

	freed = 0;
	found = NULL;
	watching = true;
	result = rsa_pem_read_secret(&got, text, strlen(text), passphrase);
	watching = false;
	assert_int_equal(result, RSA_FINE);
	assert_memory_equal(&got, &key, sizeof key);
	assert_true(freed > 0);
	if (found != NULL)
		fail_msg("%s was left", found);
}

static void of_pkcs1(void **state)
{
	char text[RSA_PEM_BYTES];

	(void)state;
	assert_true(rsa_pem_write_secret(text, &key, NULL));
	assert_nothing_is_left(text, NULL);
}

static void of_pkcs8(void **state)
{
	const char *const passphrases[] = {NULL, PASSPHRASE};
	static char text[TEXT_BYTES];
	EVP_PKEY *pkey = rsa_secret_to_pkey(&key);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const EVP_CIPHER *cipher = passphrases[i] == NULL ? NULL : EVP_aes_256_cbc();
		BIO *to = BIO_new(BIO_s_mem());

		memset(text, 0, sizeof text);
		assert_int_equal(PEM_write_bio_PKCS8PrivateKey(to, pkey, cipher, passphrases[i],
		                     i == 0 ? 0 : sizeof PASSPHRASE - 1, NULL, NULL),
		    1);
		assert_true(BIO_read(to, text, sizeof text - 1) > 0);
		BIO_free(to);
		assert_nothing_is_left(text, passphrases[i]);
	}
	EVP_PKEY_free(pkey);
}

static void of_what_is_moved(void **state)
{
	size_t large = 1 << 20;
	uint8_t *p = OPENSSL_malloc(sizeof key.exponent);

	(void)state;
	assert_non_null(p);
	memcpy(p, key.exponent, sizeof key.exponent);
	freed = 0;
	found = NULL;
	watching = true;
	p = OPENSSL_realloc(p, large);
	watching = false;
	assert_non_null(p);
	assert_memory_equal(p, key.exponent, sizeof key.exponent);
	assert_true(freed == 1 && found == NULL);
	p = OPENSSL_realloc(p, PIECE);
	assert_non_null(p);
	assert_memory_equal(p, key.exponent, PIECE);
	assert_null(OPENSSL_realloc(p, 0));
	p = OPENSSL_realloc(NULL, PIECE);
	assert_non_null(p);
	OPENSSL_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(of_pkcs1),
	    cmocka_unit_test(of_pkcs8),
	    cmocka_unit_test(of_what_is_moved),
	};

	return cmocka_run_group_tests(tests, make_key, NULL);
}
