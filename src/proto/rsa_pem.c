#include "proto/rsa_pem.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "base/secret.h"

#define SCRYPT_LANES_MOST 16

/* One PEM block, its base64 undone. */
struct block {
	char *label;
	char *header; /* what stands before the base64: how it is encrypted, or nothing */
	uint8_t *der;
	long size;
};

/* libcrypto's passphrase callback; without one of ours it would prompt. `wanted` points to the
 * passphrase, which is NULL when there is none. */
static int give_passphrase(char *to, int size, int writing, void *wanted)
{
	const char *passphrase = *(const char *const *)wanted;
	size_t length = passphrase == NULL ? 0 : strlen(passphrase);

	(void)writing;
	if (passphrase == NULL || size < 0 || length > (size_t)size)
		return -1;
	memcpy(to, passphrase, length);
	return (int)length;
}

static enum rsa_error block_read(struct block *b, const char *text, size_t size)
{
	BIO *in = NULL;
	int found = 0;

	if (size > RSA_PEM_LIMIT)
		return RSA_TOO_LONG;
	in = BIO_new_mem_buf(text, (int)size);
	if (in == NULL)
		return RSA_FAILED;
	found = PEM_read_bio(in, &b->label, &b->header, &b->der, &b->size);
	BIO_free(in);
	return found == 1 ? RSA_FINE : RSA_NOT_PEM;
}

static void block_free(struct block *b)
{
	OPENSSL_free(b->label);
	OPENSSL_free(b->header);
	OPENSSL_clear_free(b->der, (size_t)b->size);
}

/* Undoes the encryption that the header tells of, in place. */
static enum rsa_error block_decrypt(struct block *b, const char *passphrase)
{
	EVP_CIPHER_INFO cipher;

	if (b->header[0] == '\0')
		return RSA_FINE;
	if (passphrase == NULL)
		return RSA_LOCKED;
	if (PEM_get_EVP_CIPHER_INFO(b->header, &cipher) != 1)
		return RSA_MALFORMED;
	if (PEM_do_header(&cipher, b->der, &b->size, give_passphrase, &passphrase) != 1)
		return RSA_WRONG_PASSPHRASE;
	return RSA_FINE;
}

/* PKCS#1: nothing in it says RSA but the label. */
static EVP_PKEY *parse_pkcs1(const uint8_t *der, long size)
{
	const uint8_t *end = der;
	EVP_PKEY *pkey = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &end, size);

	if (pkey != NULL && end != der + size) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return pkey;
}

static EVP_PKEY *parse_pkcs8(const uint8_t *der, long size)
{
	const uint8_t *end = der;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &end, size);
	EVP_PKEY *pkey = info == NULL || end != der + size ? NULL : EVP_PKCS82PKEY(info);

	PKCS8_PRIV_KEY_INFO_free(info);
	return pkey;
}

static bool below(const ASN1_INTEGER *number, int64_t most)
{
	int64_t value = 0;

	return number != NULL && ASN1_INTEGER_get_int64(&value, number) == 1 && value >= 1 &&
	       value <= most;
}

static bool pbkdf2_bearable(const ASN1_TYPE *parameters)
{
	PBKDF2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), parameters);
	bool ok = p != NULL && below(p->iter, RSA_ROUNDS_MOST);

	PBKDF2PARAM_free(p);
	return ok;
}

/* libcrypto bounds the memory, and with it all factors but this one. */
static bool scrypt_bearable(const ASN1_TYPE *parameters)
{
	SCRYPT_PARAMS *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), parameters);
	bool ok = p != NULL && below(p->parallelizationParameter, SCRYPT_LANES_MOST);

	SCRYPT_PARAMS_free(p);
	return ok;
}

static bool pbes2_bearable(const ASN1_TYPE *parameters)
{
	PBE2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), parameters);
	int function = p == NULL ? NID_undef : OBJ_obj2nid(p->keyfunc->algorithm);
	bool ok = (function == NID_id_pbkdf2 && pbkdf2_bearable(p->keyfunc->parameter)) ||
	          (function == NID_id_scrypt && scrypt_bearable(p->keyfunc->parameter));

	PBE2PARAM_free(p);
	return ok;
}

/* What the older kinds have in common. */
static bool pbes1_bearable(const ASN1_TYPE *parameters)
{
	PBEPARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), parameters);
	bool ok = p != NULL && below(p->iter, RSA_ROUNDS_MOST);

	PBEPARAM_free(p);
	return ok;
}

/* Whether the key leaves a try of a passphrase affordable: the file says how much work it is. */
static bool bearable(const X509_SIG *sealed)
{
	const ASN1_OCTET_STRING *ignored = NULL;
	const X509_ALGOR *how = NULL;

	X509_SIG_get0(sealed, &how, &ignored);
	return OBJ_obj2nid(how->algorithm) == NID_pbes2 ? pbes2_bearable(how->parameter)
	                                                : pbes1_bearable(how->parameter);
}

static enum rsa_error parse_encrypted_pkcs8(
    EVP_PKEY **out, const uint8_t *der, long size, const char *passphrase)
{
	const uint8_t *end = der;
	X509_SIG *sealed = d2i_X509_SIG(NULL, &end, size);
	PKCS8_PRIV_KEY_INFO *info = NULL;
	enum rsa_error result = RSA_FINE;

	if (sealed == NULL || end != der + size) {
		result = RSA_MALFORMED;
	} else if (passphrase == NULL) {
		result = RSA_LOCKED;
	} else if (!bearable(sealed)) {
		result = RSA_TOO_COSTLY;
	} else {
		info = PKCS8_decrypt(sealed, passphrase, (int)strlen(passphrase));
		*out = info == NULL ? NULL : EVP_PKCS82PKEY(info);
		result = info == NULL ? RSA_WRONG_PASSPHRASE : RSA_FINE;
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	X509_SIG_free(sealed);
	return result;
}

static enum rsa_error parse_secret(EVP_PKEY **out, struct block *b, const char *passphrase)
{
	bool encrypted = b->header[0] != '\0';
	bool pkcs1 = strcmp(b->label, PEM_STRING_RSA) == 0;
	enum rsa_error result = RSA_FINE;

	if (strcmp(b->label, PEM_STRING_PKCS8) == 0)
		result = parse_encrypted_pkcs8(out, b->der, b->size, passphrase);
	else if (!pkcs1 && strcmp(b->label, PEM_STRING_PKCS8INF) != 0)
		result = RSA_WRONG_KIND;
	else if ((result = block_decrypt(b, passphrase)) == RSA_FINE)
		*out = pkcs1 ? parse_pkcs1(b->der, b->size) : parse_pkcs8(b->der, b->size);
	if (result == RSA_FINE && *out == NULL)
		/* a wrong passphrase gets past the padding once in 256 tries */
		result = encrypted ? RSA_WRONG_PASSPHRASE : RSA_MALFORMED;
	return result;
}

enum rsa_error rsa_pem_read_secret(
    struct rsa_secret *out, const char *text, size_t size, const char *passphrase)
{
	struct block b = {0};
	EVP_PKEY *pkey = NULL;
	enum rsa_error result = RSA_FINE;

	secret_wipe(out, sizeof *out);
	if (passphrase != NULL && strlen(passphrase) > RSA_PASSPHRASE_MAX)
		return RSA_WRONG_PASSPHRASE;
	ERR_set_mark();
	result = block_read(&b, text, size);
	if (result == RSA_FINE)
		result = parse_secret(&pkey, &b, passphrase);
	if (result == RSA_FINE)
		result = rsa_secret_from_pkey(out, pkey);
	if (result == RSA_FINE)
		result = rsa_secret_check(out);
	if (result != RSA_FINE)
		secret_wipe(out, sizeof *out);
	EVP_PKEY_free(pkey);
	block_free(&b);
	ERR_pop_to_mark();
	return result;
}

/* How an RSA-2048 key with the usual exponent begins; PKCS#1 follows. */
static const uint8_t usual[] = {0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48,
    0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00};
#define USUAL_BYTES 294

/* libcrypto takes many times as long to find out what the usual ones are. */
static EVP_PKEY *parse_spki(const uint8_t **end, long size)
{
	if (size != USUAL_BYTES || memcmp(*end, usual, sizeof usual) != 0)
		return d2i_PUBKEY(NULL, end, size);
	*end += sizeof usual;
	return d2i_PublicKey(EVP_PKEY_RSA, NULL, end, size - (long)sizeof usual);
}

static enum rsa_error parse_public(EVP_PKEY **out, const struct block *b)
{
	const uint8_t *end = b->der;

	if (strcmp(b->label, PEM_STRING_PUBLIC) == 0)
		*out = parse_spki(&end, b->size);
	else if (strcmp(b->label, PEM_STRING_RSA_PUBLIC) == 0)
		*out = d2i_PublicKey(EVP_PKEY_RSA, NULL, &end, b->size);
	else
		return RSA_WRONG_KIND;
	return *out != NULL && end == b->der + b->size ? RSA_FINE : RSA_MALFORMED;
}

enum rsa_error rsa_pem_read_public(struct rsa_public *out, const char *text, size_t size)
{
	struct block b = {0};
	EVP_PKEY *pkey = NULL;
	enum rsa_error result = RSA_FINE;

	memset(out, 0, sizeof *out);
	ERR_set_mark();
	result = block_read(&b, text, size);
	if (result == RSA_FINE)
		result = parse_public(&pkey, &b);
	if (result == RSA_FINE)
		result = rsa_public_from_pkey(out, pkey);
	EVP_PKEY_free(pkey);
	block_free(&b);
	ERR_pop_to_mark();
	return result;
}

/* Moves what was written to `text`; false when it does not fit. */
static bool take_text(char text[static RSA_PEM_BYTES], BIO *from)
{
	int size = BIO_read(from, text, RSA_PEM_BYTES - 1);

	if (size <= 0 || BIO_ctrl_pending(from) > 0) {
		secret_wipe(text, RSA_PEM_BYTES);
		return false;
	}
	text[size] = '\0';
	return true;
}

static bool write_encrypted(BIO *to, const EVP_PKEY *pkey, const char *passphrase)
{
	size_t length = strlen(passphrase);
	PKCS8_PRIV_KEY_INFO *info = NULL;
	X509_SIG *sealed = NULL;
	bool ok;

	if (length == 0 || length > RSA_PASSPHRASE_MAX)
		return false;
	info = EVP_PKEY2PKCS8(pkey);
	if (info != NULL)
		sealed = PKCS8_encrypt(
		    -1, EVP_aes_256_cbc(), passphrase, (int)length, NULL, 0, RSA_ROUNDS, info);
	ok = sealed != NULL && PEM_write_bio_PKCS8(to, sealed) == 1;
	X509_SIG_free(sealed);
	PKCS8_PRIV_KEY_INFO_free(info);
	return ok;
}

bool rsa_pem_write_secret(
    char text[static RSA_PEM_BYTES], const struct rsa_secret *key, const char *passphrase)
{
	EVP_PKEY *pkey = NULL;
	BIO *to = NULL;
	bool ok = false;

	ERR_set_mark();
	pkey = rsa_secret_to_pkey(key);
	to = BIO_new(BIO_s_mem());
	if (pkey != NULL && to != NULL && passphrase == NULL)
		ok = PEM_write_bio_PrivateKey_traditional(
		         to, pkey, NULL, NULL, 0, give_passphrase, &passphrase) == 1;
	else if (pkey != NULL && to != NULL)
		ok = write_encrypted(to, pkey, passphrase);
	ok = ok && take_text(text, to);
	if (!ok)
		secret_wipe(text, RSA_PEM_BYTES);
	BIO_free(to);
	EVP_PKEY_free(pkey);
	ERR_pop_to_mark();
	return ok;
}

bool rsa_pem_write_public(char text[static RSA_PEM_BYTES], const struct rsa_public *key)
{
	EVP_PKEY *pkey = NULL;
	BIO *to = NULL;
	bool ok = false;

	ERR_set_mark();
	pkey = rsa_public_to_pkey(key);
	to = BIO_new(BIO_s_mem());
	ok = pkey != NULL && to != NULL && PEM_write_bio_PUBKEY(to, pkey) == 1 &&
	     take_text(text, to);
	if (!ok)
		memset(text, 0, RSA_PEM_BYTES);
	BIO_free(to);
	EVP_PKEY_free(pkey);
	ERR_pop_to_mark();
	return ok;
}
