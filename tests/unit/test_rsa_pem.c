#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "base/secret.h"
#include "error_queue.h"
#include "proto/rsa_pem.h"
#include "vectors.h"

#define PASSPHRASE "open, sesame"
#define TEXT_BYTES (2 * RSA_PEM_LIMIT)

/* Made by libcrypto alone, for everything that our own writer does not write. */
static EVP_PKEY *good;
static struct rsa_secret good_secret;

enum form { PKCS1, PKCS8, PKCS1_AES, PKCS1_3DES, PKCS8_AES, SPKI, PKCS1_PUBLIC, FORMS };

static const char *pem_of(EVP_PKEY *pkey, enum form form)
{
	static char text[TEXT_BYTES];
	static const unsigned char pass[] = PASSPHRASE;
	int pass_size = sizeof pass - 1;
	BIO *bio = BIO_new(BIO_s_mem());
	int ok = 0;

	assert_non_null(bio);
	switch (form) {
	case PKCS1:
		ok = PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0, NULL, NULL);
		break;
	case PKCS8:
		ok = PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
		break;
	case PKCS1_AES:
		ok = PEM_write_bio_PrivateKey_traditional(
		    bio, pkey, EVP_aes_256_cbc(), pass, pass_size, NULL, NULL);
		break;
	case PKCS1_3DES:
		ok = PEM_write_bio_PrivateKey_traditional(
		    bio, pkey, EVP_des_ede3_cbc(), pass, pass_size, NULL, NULL);
		break;
	case PKCS8_AES:
		ok = PEM_write_bio_PKCS8PrivateKey(
		    bio, pkey, EVP_aes_128_cbc(), PASSPHRASE, pass_size, NULL, NULL);
		break;
	case SPKI:
		ok = PEM_write_bio_PUBKEY(bio, pkey);
		break;
	case PKCS1_PUBLIC: {
		unsigned char *der = NULL;
		int size = i2d_PublicKey(pkey, &der);

		ok = PEM_write_bio(bio, "RSA PUBLIC KEY", "", der, size);
		OPENSSL_free(der);
		break;
	}
	case FORMS:
	default:
		break;
	}
	assert_true(ok);
	memset(text, 0, sizeof text);
	assert_true(BIO_read(bio, text, sizeof text - 1) > 0);
	BIO_free(bio);
	return text;
}

/* Another kind of RSA key; `primes` and `exponent` as libcrypto takes them. */
static EVP_PKEY *generate(const char *type, int bits, unsigned long exponent, int primes)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	BIGNUM *e = BN_new();
	EVP_PKEY *pkey = NULL;

	assert_true(ctx != NULL && e != NULL && BN_set_word(e, exponent));
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits), 1);
	assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_primes(ctx, primes), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &pkey), 1);
	BN_free(e);
	EVP_PKEY_CTX_free(ctx);
	error_queue_begin(NULL); /* libcrypto's search for primes clears it */
	return pkey;
}

static enum rsa_error read_secret(const char *text, const char *passphrase)
{
	static const struct rsa_secret nothing;
	struct rsa_secret got;
	enum rsa_error result = RSA_FINE;

	memset(&got, 1, sizeof got);
	result = rsa_pem_read_secret(&got, text, strlen(text), passphrase);
	assert_memory_equal(&got, result == RSA_FINE ? &good_secret : &nothing, sizeof got);
	return result;
}

static enum rsa_error read_public(const char *text)
{
	static const struct rsa_public nothing;
	struct rsa_public got;
	enum rsa_error result = RSA_FINE;

	memset(&got, 1, sizeof got);
	result = rsa_pem_read_public(&got, text, strlen(text));
	assert_memory_equal(
	    &got, result == RSA_FINE ? &good_secret.public_key : &nothing, sizeof got);
	return result;
}

static void reads_every_form(void **state)
{
	(void)state;
	assert_int_equal(read_secret(pem_of(good, PKCS1), NULL), RSA_FINE);
	assert_int_equal(read_secret(pem_of(good, PKCS8), NULL), RSA_FINE);
	assert_int_equal(read_secret(pem_of(good, PKCS1), "needless"), RSA_FINE);
	assert_int_equal(read_secret(pem_of(good, PKCS1_AES), PASSPHRASE), RSA_FINE);
	assert_int_equal(read_secret(pem_of(good, PKCS1_3DES), PASSPHRASE), RSA_FINE);
	assert_int_equal(read_secret(pem_of(good, PKCS8_AES), PASSPHRASE), RSA_FINE);
	assert_int_equal(read_public(pem_of(good, SPKI)), RSA_FINE);
	assert_int_equal(read_public(pem_of(good, PKCS1_PUBLIC)), RSA_FINE);
}

static void encrypted_keys_need_their_passphrase(void **state)
{
	static const enum form forms[] = {PKCS1_AES, PKCS1_3DES, PKCS8_AES};
	char long_one[RSA_PASSPHRASE_MAX + 2];

	(void)state;
	memset(long_one, 'a', sizeof long_one);
	long_one[sizeof long_one - 1] = '\0';
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		const char *text = pem_of(good, forms[i]);

		assert_int_equal(read_secret(text, NULL), RSA_LOCKED);
		assert_int_equal(read_secret(text, "wrong"), RSA_WRONG_PASSPHRASE);
		assert_int_equal(read_secret(text, ""), RSA_WRONG_PASSPHRASE);
		assert_int_equal(read_secret(text, long_one), RSA_WRONG_PASSPHRASE);
	}
}

static void wrong_kinds_are_refused(void **state)
{
	EVP_PKEY *curve = EVP_EC_gen("P-256");
	EVP_PKEY *pss = generate("RSA-PSS", RSA_KEY_BITS, RSA_EXPONENT_LEAST, 2);
	EVP_PKEY *three = generate("RSA", RSA_KEY_BITS, RSA_EXPONENT_LEAST, 3);

	(void)state;
	assert_int_equal(read_public(pem_of(good, PKCS1)), RSA_WRONG_KIND);
	assert_int_equal(read_public(pem_of(good, PKCS8_AES)), RSA_WRONG_KIND);
	assert_int_equal(read_secret(pem_of(good, SPKI), NULL), RSA_WRONG_KIND);
	assert_int_equal(read_secret(pem_of(good, PKCS1_PUBLIC), NULL), RSA_WRONG_KIND);
	assert_int_equal(read_secret(pem_of(curve, PKCS1), NULL), RSA_WRONG_KIND);
	assert_int_equal(read_secret(pem_of(curve, PKCS8), NULL), RSA_WRONG_KIND);
	assert_int_equal(read_public(pem_of(curve, SPKI)), RSA_WRONG_KIND);
	assert_int_equal(read_secret(pem_of(pss, PKCS8), NULL), RSA_WRONG_KIND);
	assert_int_equal(read_public(pem_of(pss, SPKI)), RSA_WRONG_KIND);
	assert_int_equal(read_secret(pem_of(three, PKCS1), NULL), RSA_WRONG_KIND);
	EVP_PKEY_free(curve);
	EVP_PKEY_free(pss);
	EVP_PKEY_free(three);
}

static void assert_refused(int bits, unsigned long exponent, enum rsa_error expected)
{
	EVP_PKEY *pkey = generate("RSA", bits, exponent, 2);

	assert_int_equal(read_secret(pem_of(pkey, PKCS1), NULL), expected);
	assert_int_equal(read_secret(pem_of(pkey, PKCS8), NULL), expected);
	assert_int_equal(read_public(pem_of(pkey, SPKI)), expected);
	assert_int_equal(read_public(pem_of(pkey, PKCS1_PUBLIC)), expected);
	EVP_PKEY_free(pkey);
}

static void wrong_sizes_and_exponents_are_refused(void **state)
{
	(void)state;
	assert_refused(1024, RSA_EXPONENT_LEAST, RSA_WRONG_SIZE);
	assert_refused(2040, RSA_EXPONENT_LEAST, RSA_WRONG_SIZE);
	assert_refused(2047, RSA_EXPONENT_LEAST, RSA_WRONG_SIZE);
	assert_refused(2050, RSA_EXPONENT_LEAST, RSA_WRONG_SIZE);
	assert_refused(4096, RSA_EXPONENT_LEAST, RSA_WRONG_SIZE);
	assert_refused(RSA_KEY_BITS, 3, RSA_BAD_EXPONENT);
	assert_refused(RSA_KEY_BITS, 65535, RSA_BAD_EXPONENT);
}

/* What does not fit its field. */
static void an_exponent_above_64_bits_is_refused(void **state)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	uint8_t modulus[RSA_KEY_BYTES];
	uint8_t exponent[9] = {[0] = 1, [8] = 1}; /* the same in either order of bytes */
	OSSL_PARAM params[] = {OSSL_PARAM_construct_BN("n", modulus, sizeof modulus),
	    OSSL_PARAM_construct_BN("e", exponent, sizeof exponent), OSSL_PARAM_construct_end()};
	BIGNUM *number = NULL;
	EVP_PKEY *pkey = NULL;

	(void)state;
	assert_int_equal(EVP_PKEY_get_bn_param(good, "n", &number), 1);
	assert_int_equal(BN_bn2nativepad(number, modulus, sizeof modulus), sizeof modulus);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
	assert_int_equal(read_public(pem_of(pkey, SPKI)), RSA_BAD_EXPONENT);
	BN_free(number);
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(ctx);
}

/* A public key alone, where a secret one is needed. */
static void half_a_key_is_refused(void **state)
{
	EVP_PKEY *half = rsa_public_to_pkey(&good_secret.public_key);
	struct rsa_secret got;

	(void)state;
	assert_non_null(half);
	memset(&got, 1, sizeof got);
	assert_int_equal(rsa_secret_from_pkey(&got, half), RSA_MISMATCHED);
	assert_true(sodium_is_zero((const unsigned char *)&got, sizeof got));
	EVP_PKEY_free(half);
}

static void only_the_whole_text_is_a_key(void **state)
{
	static char secret_text[RSA_PEM_BYTES];
	static char public_text[RSA_PEM_BYTES];
	size_t secret_size = 0;
	size_t public_size = 0;

	(void)state;
	assert_true(rsa_pem_write_secret(secret_text, &good_secret, NULL));
	assert_true(rsa_pem_write_public(public_text, &good_secret.public_key));
	/* the last line may lack its end */
	secret_size = strlen(secret_text) - 1;
	public_size = strlen(public_text) - 1;
	for (size_t size = 0; size < secret_size; size++) {
		struct rsa_secret secret;
		struct rsa_public public_key;

		assert_int_not_equal(
		    rsa_pem_read_secret(&secret, secret_text, size, NULL), RSA_FINE);
		if (size < public_size)
			assert_int_not_equal(
			    rsa_pem_read_public(&public_key, public_text, size), RSA_FINE);
	}
	secret_text[secret_size] = '\0';
	assert_int_equal(read_secret(secret_text, NULL), RSA_FINE);
}

static void other_text_is_refused(void **state)
{
	static char text[RSA_PEM_LIMIT + 2];
	struct rsa_public key;

	(void)state;
	assert_int_equal(read_secret("", NULL), RSA_NOT_PEM);
	assert_int_equal(read_public("ssh-rsa AAAAB3NzaC1yc2E= somebody\n"), RSA_NOT_PEM);
	assert_int_equal(
	    read_public("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"), RSA_NOT_PEM);
	assert_int_equal(
	    read_public("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
	    RSA_MALFORMED);
	assert_int_equal(
	    read_public("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n"),
	    RSA_NOT_PEM);
	assert_int_equal(
	    read_secret("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", NULL),
	    RSA_WRONG_KIND);
	memset(text, '\n', sizeof text - 1);
	assert_int_equal(read_secret(text, NULL), RSA_TOO_LONG);
	assert_int_equal(read_public(text), RSA_TOO_LONG);
	assert_int_equal(rsa_pem_read_public(&key, text, RSA_PEM_LIMIT), RSA_NOT_PEM);
	assert_int_equal(rsa_pem_read_public(&key, "\0\0\0", 3), RSA_NOT_PEM);
}

/* Encrypted in the old form, under a cipher that nobody has. */
static void an_unknown_cipher_is_damage(void **state)
{
	static const char text[] = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
	                           "DEK-Info: NO-SUCH-CIPHER,00112233445566778899AABBCCDDEEFF\n\n"
	                           "AAAAAAAAAAAAAAAAAAAAAA==\n-----END RSA PRIVATE KEY-----\n";

	(void)state;
	assert_int_equal(read_secret(text, NULL), RSA_LOCKED);
	assert_int_equal(read_secret(text, PASSPHRASE), RSA_MALFORMED);
}

/* `der` as PEM text under a label. */
static const char *armoured(const char *label, const unsigned char *der, int size)
{
	static char text[TEXT_BYTES];
	BIO *bio = BIO_new(BIO_s_mem());

	assert_non_null(bio);
	assert_true(PEM_write_bio(bio, label, "", der, size));
	memset(text, 0, sizeof text);
	assert_true(BIO_read(bio, text, sizeof text - 1) > 0);
	BIO_free(bio);
	return text;
}

static void what_is_no_key_inside_is_damage(void **state)
{
	static const unsigned char junk[] = {0x30, 0x03, 0x02, 0x01, 0x00};
	static const char *const labels[] = {
	    "RSA PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"};

	(void)state;
	for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
		assert_int_equal(
		    read_secret(armoured(labels[i], junk, sizeof junk), PASSPHRASE), RSA_MALFORMED);
	assert_int_equal(read_public(armoured("PUBLIC KEY", junk, sizeof junk)), RSA_MALFORMED);
	assert_int_equal(read_public(armoured("RSA PUBLIC KEY", junk, sizeof junk)), RSA_MALFORMED);
}

/* The DER inside must end where the PEM does. */
static void bytes_after_the_key_are_refused(void **state)
{
	static const struct {
		enum form form;
		bool is_public;
	} forms[] = {
	    {PKCS1, false}, {PKCS8, false}, {PKCS8_AES, false}, {SPKI, true}, {PKCS1_PUBLIC, true}};

	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		BIO *in = BIO_new_mem_buf(pem_of(good, forms[i].form), -1);
		unsigned char *der = NULL;
		unsigned char longer[4096] = {0};
		char *label = NULL;
		char *header = NULL;
		const char *text = NULL;
		long size = 0;

		assert_int_equal(PEM_read_bio(in, &label, &header, &der, &size), 1);
		memcpy(longer, der, (size_t)size);
		text = armoured(label, longer, (int)size + 1);
		assert_int_equal(
		    forms[i].is_public ? read_public(text) : read_secret(text, PASSPHRASE),
		    RSA_MALFORMED);
		OPENSSL_free(label);
		OPENSSL_free(header);
		OPENSSL_free(der);
		BIO_free(in);
	}
}

/* A wrong passphrase may leave a padding that looks right, and nothing that is a key. */
static void what_decrypts_to_no_key_had_another_passphrase(void **state)
{
	static const unsigned char salt[16] = {1, 2, 3};
	static const unsigned char junk[20] = {0x30, 0x12, 7};
	unsigned char key[32], hidden[32];
	char text[TEXT_BYTES] = "";
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	BIO *bio = BIO_new(BIO_s_mem());
	int size = 0, last = 0;

	(void)state;
	assert_int_equal(
	    EVP_BytesToKey(EVP_aes_256_cbc(), EVP_md5(), salt, (const unsigned char *)PASSPHRASE,
	        sizeof PASSPHRASE - 1, 1, key, NULL),
	    32);
	assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, salt), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, hidden, &size, junk, sizeof junk), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, hidden + size, &last), 1);
	assert_true(PEM_write_bio(bio, "RSA PRIVATE KEY",
	                "Proc-Type: 4,ENCRYPTED\n"
	                "DEK-Info: AES-256-CBC,01020300000000000000000000000000\n",
	                hidden, size + last) > 0);
	assert_true(BIO_read(bio, text, sizeof text - 1) > 0);
	assert_int_equal(read_secret(text, PASSPHRASE), RSA_WRONG_PASSPHRASE);
	BIO_free(bio);
	EVP_CIPHER_CTX_free(ctx);
}

static void numbers_that_do_not_belong_together_are_refused(void **state)
{
	struct rsa_secret mixed = good_secret;
	char text[RSA_PEM_BYTES];

	(void)state;
	mixed.coefficient[RSA_PRIME_BYTES - 1] ^= 1;
	assert_true(rsa_pem_write_secret(text, &mixed, NULL));
	assert_int_equal(read_secret(text, NULL), RSA_MISMATCHED);
}

static void text_around_the_key_is_ignored(void **state)
{
	char text[RSA_PEM_LIMIT];

	(void)state;
	snprintf(text, sizeof text, "key of the gate\n\n%sand more\n", pem_of(good, SPKI));
	assert_int_equal(read_public(text), RSA_FINE);
}

static void writes_what_the_original_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof openspa_v1_vectors / sizeof openspa_v1_vectors[0]; i++) {
		const char *secret_text = openspa_v1_vectors[i].client_private_key_pem;
		const char *public_text = openspa_v1_vectors[i].client_public_key_pem;
		struct rsa_secret secret;
		struct rsa_public public_key;
		char text[RSA_PEM_BYTES];

		memset(text, 'x', sizeof text);
		assert_int_equal(
		    rsa_pem_read_secret(&secret, secret_text, strlen(secret_text), NULL), RSA_FINE);
		assert_true(rsa_pem_write_secret(text, &secret, NULL));
		assert_string_equal(text, secret_text);
		assert_int_equal(
		    rsa_pem_read_public(&public_key, public_text, strlen(public_text)), RSA_FINE);
		assert_memory_equal(&public_key, &secret.public_key, sizeof public_key);
		memset(text, 'x', sizeof text);
		assert_true(rsa_pem_write_public(text, &public_key));
		assert_string_equal(text, public_text);
	}
}

static void writes_encrypted_keys(void **state)
{
	static const char begin[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n";
	char long_one[RSA_PASSPHRASE_MAX + 2];
	char text[RSA_PEM_BYTES];

	(void)state;
	memset(long_one, 'a', sizeof long_one);
	long_one[sizeof long_one - 1] = '\0';
	assert_true(rsa_pem_write_secret(text, &good_secret, PASSPHRASE));
	assert_memory_equal(text, begin, sizeof begin - 1);
	assert_int_equal(read_secret(text, PASSPHRASE), RSA_FINE);
	assert_int_equal(read_secret(text, NULL), RSA_LOCKED);
	assert_int_equal(read_secret(text, "open, Sesame"), RSA_WRONG_PASSPHRASE);
	assert_false(rsa_pem_write_secret(text, &good_secret, long_one));
	assert_true(sodium_is_zero((const unsigned char *)text, sizeof text));
	assert_false(rsa_pem_write_secret(text, &good_secret, ""));
	assert_true(rsa_pem_write_secret(text, &good_secret, long_one + 1));
	assert_int_equal(read_secret(text, long_one + 1), RSA_FINE);
}

/* Whoever has the file needs so many rounds for each try, and cannot make them beforehand. */
static void encrypted_keys_cost_their_rounds(void **state)
{
	char text[RSA_PEM_BYTES];
	BIO *bio = NULL;
	X509_SIG *sealed = NULL;
	const X509_ALGOR *how = NULL;
	PBE2PARAM *scheme = NULL;
	PBKDF2PARAM *function = NULL;

	(void)state;
	assert_true(rsa_pem_write_secret(text, &good_secret, PASSPHRASE));
	bio = BIO_new_mem_buf(text, -1);
	sealed = PEM_read_bio_PKCS8(bio, NULL, NULL, NULL);
	assert_non_null(sealed);
	X509_SIG_get0(sealed, &how, NULL);
	assert_int_equal(OBJ_obj2nid(how->algorithm), NID_pbes2);
	scheme = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), how->parameter);
	assert_int_equal(OBJ_obj2nid(scheme->encryption->algorithm), NID_aes_256_cbc);
	function =
	    ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), scheme->keyfunc->parameter);
	assert_int_equal(ASN1_INTEGER_get(function->iter), RSA_ROUNDS);
	assert_true(ASN1_STRING_length(function->salt->value.octet_string) >= 8);
	PBKDF2PARAM_free(function);
	PBE2PARAM_free(scheme);
	X509_SIG_free(sealed);
	BIO_free(bio);
}

/* What libcrypto has no memory for, when a test says so. */
static enum { NOTHING, KEYS, BUFFERS } lacking;

EVP_PKEY_CTX *__real_EVP_PKEY_CTX_new_from_name(
    OSSL_LIB_CTX *library, const char *name, const char *properties);
EVP_PKEY_CTX *__wrap_EVP_PKEY_CTX_new_from_name(
    OSSL_LIB_CTX *library, const char *name, const char *properties);
EVP_PKEY_CTX *__wrap_EVP_PKEY_CTX_new_from_name(
    OSSL_LIB_CTX *library, const char *name, const char *properties)
{
	return lacking == KEYS ? NULL
	                       : __real_EVP_PKEY_CTX_new_from_name(library, name, properties);
}

BIO *__real_BIO_new(const BIO_METHOD *type);
BIO *__wrap_BIO_new(const BIO_METHOD *type);
BIO *__wrap_BIO_new(const BIO_METHOD *type)
{
	return lacking == BUFFERS ? NULL : __real_BIO_new(type);
}

BIO *__real_BIO_new_mem_buf(const void *data, int size);
BIO *__wrap_BIO_new_mem_buf(const void *data, int size);
BIO *__wrap_BIO_new_mem_buf(const void *data, int size)
{
	return lacking == BUFFERS ? NULL : __real_BIO_new_mem_buf(data, size);
}

static void memory_may_be_short(void **state)
{
	const char *text = pem_of(good, PKCS1);
	static const char *const passphrases[] = {NULL, PASSPHRASE};
	char written[RSA_PEM_BYTES];

	(void)state;
	for (lacking = KEYS; lacking <= BUFFERS; lacking++) {
		for (size_t i = 0; i < 2; i++) {
			memset(written, 'x', sizeof written);
			assert_false(rsa_pem_write_secret(written, &good_secret, passphrases[i]));
			assert_true(sodium_is_zero((const unsigned char *)written, sizeof written));
		}
		memset(written, 'x', sizeof written);
		assert_false(rsa_pem_write_public(written, &good_secret.public_key));
		assert_true(sodium_is_zero((const unsigned char *)written, sizeof written));
	}
	lacking = BUFFERS;
	assert_int_equal(read_secret(text, NULL), RSA_FAILED);
	lacking = KEYS;
	assert_int_equal(read_secret(text, NULL), RSA_FAILED);
	lacking = NOTHING;
}

/* Nothing in it can be decrypted; a try of a passphrase is what it costs. Frees `how`. */
static enum rsa_error try_sealed(X509_ALGOR *how)
{
	static char text[TEXT_BYTES];
	X509_SIG *sealed = X509_SIG_new();
	BIO *bio = BIO_new(BIO_s_mem());
	ASN1_OCTET_STRING *content = NULL;
	X509_ALGOR *place = NULL;
	int size = 0;

	assert_true(how != NULL && sealed != NULL && bio != NULL);
	X509_SIG_getm(sealed, &place, &content);
	assert_int_equal(X509_ALGOR_copy(place, how), 1);
	assert_int_equal(ASN1_OCTET_STRING_set(content, (const uint8_t *)text, 16), 1);
	assert_int_equal(PEM_write_bio_PKCS8(bio, sealed), 1);
	size = BIO_read(bio, text, TEXT_BYTES - 1);
	assert_true(size > 0);
	text[size] = '\0';
	BIO_free(bio);
	X509_SIG_free(sealed);
	X509_ALGOR_free(how);
	return read_secret(text, PASSPHRASE);
}

/* As the old kinds tell of it; libcrypto itself would put another number in place of 0. */
static X509_ALGOR *old_with_rounds(int64_t rounds)
{
	PBEPARAM *p = PBEPARAM_new();
	X509_ALGOR *how = X509_ALGOR_new();
	ASN1_STRING *packed = NULL;

	assert_int_equal(ASN1_INTEGER_set_int64(p->iter, rounds), 1);
	assert_int_equal(ASN1_STRING_set(p->salt, "saltsalt", 8), 1);
	assert_non_null(ASN1_item_pack(p, ASN1_ITEM_rptr(PBEPARAM), &packed));
	assert_int_equal(X509_ALGOR_set0(how, OBJ_nid2obj(NID_pbe_WithSHA1And3_Key_TripleDES_CBC),
	                     V_ASN1_SEQUENCE, packed),
	    1);
	PBEPARAM_free(p);
	return how;
}

static void the_work_for_a_passphrase_is_bounded(void **state)
{
	const EVP_CIPHER *aes = EVP_aes_256_cbc();
	int old = NID_pbe_WithSHA1And3_Key_TripleDES_CBC;

	(void)state;
	assert_int_equal(try_sealed(PKCS5_pbe2_set(aes, 1000, NULL, 0)), RSA_WRONG_PASSPHRASE);
	assert_int_equal(
	    try_sealed(PKCS5_pbe2_set(aes, RSA_ROUNDS_MOST + 1, NULL, 0)), RSA_TOO_COSTLY);
	assert_int_equal(try_sealed(PKCS5_pbe2_set(aes, INT32_MAX, NULL, 0)), RSA_TOO_COSTLY);
	assert_int_equal(try_sealed(PKCS5_pbe2_set_scrypt(aes, NULL, 0, NULL, 1024, 8, 1)),
	    RSA_WRONG_PASSPHRASE);
	assert_int_equal(
	    try_sealed(PKCS5_pbe2_set_scrypt(aes, NULL, 0, NULL, 1024, 8, 17)), RSA_TOO_COSTLY);
	assert_int_equal(try_sealed(PKCS5_pbe2_set_scrypt(aes, NULL, 0, NULL, 1024, 8, 16)),
	    RSA_WRONG_PASSPHRASE);
	assert_int_equal(try_sealed(PKCS5_pbe_set(old, 1000, NULL, 0)), RSA_WRONG_PASSPHRASE);
	assert_int_equal(try_sealed(old_with_rounds(1)), RSA_WRONG_PASSPHRASE);
	assert_int_equal(try_sealed(old_with_rounds(0)), RSA_TOO_COSTLY);
	assert_int_equal(try_sealed(old_with_rounds(-1)), RSA_TOO_COSTLY);
	assert_int_equal(try_sealed(old_with_rounds(INT64_MAX)), RSA_TOO_COSTLY);
	assert_int_equal(
	    try_sealed(PKCS5_pbe_set(old, RSA_ROUNDS_MOST + 1, NULL, 0)), RSA_TOO_COSTLY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_ERRORS(reads_every_form),
	    WITH_ERRORS(encrypted_keys_need_their_passphrase),
	    WITH_ERRORS(wrong_kinds_are_refused),
	    WITH_ERRORS(wrong_sizes_and_exponents_are_refused),
	    WITH_ERRORS(an_exponent_above_64_bits_is_refused),
	    WITH_ERRORS(half_a_key_is_refused),
	    WITH_ERRORS(only_the_whole_text_is_a_key),
	    WITH_ERRORS(other_text_is_refused),
	    WITH_ERRORS(an_unknown_cipher_is_damage),
	    WITH_ERRORS(what_is_no_key_inside_is_damage),
	    WITH_ERRORS(bytes_after_the_key_are_refused),
	    WITH_ERRORS(what_decrypts_to_no_key_had_another_passphrase),
	    WITH_ERRORS(numbers_that_do_not_belong_together_are_refused),
	    WITH_ERRORS(text_around_the_key_is_ignored),
	    WITH_ERRORS(writes_what_the_original_writes),
	    WITH_ERRORS(writes_encrypted_keys),
	    WITH_ERRORS(encrypted_keys_cost_their_rounds),
	    WITH_ERRORS(memory_may_be_short),
	    WITH_ERRORS(the_work_for_a_passphrase_is_bounded),
	};
	int failed = 0;

	if (sodium_init() < 0)
		return 1;
	good = EVP_RSA_gen(RSA_KEY_BITS);
	if (good == NULL || rsa_secret_from_pkey(&good_secret, good) != RSA_FINE)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(good);
	return failed;
}
