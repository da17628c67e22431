#include "openspa_pem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/pem.h>

EVP_PKEY *pem_key(const char *text)
{
	BIO *from = BIO_new_mem_buf(text, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(from, NULL, NULL, NULL);

	BIO_free(from);
	assert_non_null(key);
	return key;
}

static void take(char *text, BIO *from)
{
	int size = BIO_read(from, text, PEM_ROOM - 1);

	assert_true(size > 0);
	text[size] = '\0';
	BIO_free(from);
}

void pem_write_private(char *text, EVP_PKEY *key, const char *passphrase)
{
	BIO *to = BIO_new(BIO_s_mem());
	const EVP_CIPHER *cipher = passphrase == NULL ? NULL : EVP_aes_256_cbc();
	int size = passphrase == NULL ? 0 : (int)strlen(passphrase);

	assert_int_equal(
	    PEM_write_bio_PKCS8PrivateKey(to, key, cipher, passphrase, size, NULL, NULL), 1);
	take(text, to);
}

void pem_write_public(char *text, EVP_PKEY *key)
{
	BIO *to = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PUBKEY(to, key), 1);
	take(text, to);
}

static void write_pkcs1_public(char *text, EVP_PKEY *key)
{
	BIO *to = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	int size = i2d_PublicKey(key, &der);

	assert_true(size > 0);
	assert_true(PEM_write_bio(to, PEM_STRING_RSA_PUBLIC, "", der, size) > 0);
	OPENSSL_free(der);
	take(text, to);
}

void pem_write_pkcs1(char *private_text, char *public_text, EVP_PKEY *key)
{
	BIO *to = BIO_new(BIO_s_mem());

	assert_int_equal(
	    PEM_write_bio_PrivateKey_traditional(to, key, NULL, NULL, 0, NULL, NULL), 1);
	take(private_text, to);
	write_pkcs1_public(public_text, key);
}
