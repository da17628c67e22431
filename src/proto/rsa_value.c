#include "proto/rsa_value.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "base/bytes.h"
#include "base/secret.h"

/* A number of either kind of value, and what libcrypto calls it. */
struct part {
	const char *name;
	size_t offset;
	size_t size;
};

#define PART(name, type, field)                                            \
	{                                                                  \
		name, offsetof(type, field), sizeof(((type *)NULL)->field) \
	}
static const struct part public_parts[] = {
    PART(OSSL_PKEY_PARAM_RSA_N, struct rsa_public, modulus),
    PART(OSSL_PKEY_PARAM_RSA_E, struct rsa_public, exponent),
};
static const struct part secret_parts[] = {
    PART(OSSL_PKEY_PARAM_RSA_N, struct rsa_secret, public_key.modulus),
    PART(OSSL_PKEY_PARAM_RSA_E, struct rsa_secret, public_key.exponent),
    PART(OSSL_PKEY_PARAM_RSA_D, struct rsa_secret, exponent),
    PART(OSSL_PKEY_PARAM_RSA_FACTOR1, struct rsa_secret, p),
    PART(OSSL_PKEY_PARAM_RSA_FACTOR2, struct rsa_secret, q),
    PART(OSSL_PKEY_PARAM_RSA_EXPONENT1, struct rsa_secret, exponent_p),
    PART(OSSL_PKEY_PARAM_RSA_EXPONENT2, struct rsa_secret, exponent_q),
    PART(OSSL_PKEY_PARAM_RSA_COEFFICIENT1, struct rsa_secret, coefficient),
};
#undef PART
#define PUBLIC_PARTS (sizeof public_parts / sizeof public_parts[0])
#define SECRET_PARTS (sizeof secret_parts / sizeof secret_parts[0])

const char *rsa_error_text(enum rsa_error error)
{
	static const char *const texts[] = {
#define X(id, text) [RSA_##id] = (text),
	    RSA_ERRORS(X)
#undef X
	};

	return texts[error];
}

enum rsa_error rsa_public_check(const struct rsa_public *key)
{
	struct reader r = reader_of(key->exponent, sizeof key->exponent);
	uint64_t exponent = reader_u64(&r);

	if (key->modulus[0] < 0x80 || key->modulus[RSA_KEY_BYTES - 1] % 2 == 0)
		return RSA_WRONG_SIZE;
	if (exponent < RSA_EXPONENT_LEAST || exponent % 2 == 0)
		return RSA_BAD_EXPONENT;
	return RSA_FINE;
}

enum rsa_error rsa_secret_check(const struct rsa_secret *key)
{
	enum rsa_error result = rsa_public_check(&key->public_key);
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *ctx = NULL;

	if (result != RSA_FINE)
		return result;
	ERR_set_mark();
	pkey = rsa_secret_to_pkey(key);
	ctx = pkey == NULL ? NULL : EVP_PKEY_CTX_new(pkey, NULL);
	if (ctx == NULL)
		result = RSA_FAILED;
	else if (EVP_PKEY_check(ctx) != 1)
		result = RSA_MISMATCHED;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	ERR_pop_to_mark();
	return result;
}

enum rsa_error rsa_secret_generate(struct rsa_secret *out)
{
	EVP_PKEY *pkey = NULL;
	enum rsa_error result = RSA_FAILED;

	memset(out, 0, sizeof *out);
	ERR_set_mark();
	pkey = EVP_RSA_gen(RSA_KEY_BITS);
	if (pkey != NULL)
		result = rsa_secret_from_pkey(out, pkey);
	EVP_PKEY_free(pkey);
	ERR_pop_to_mark();
	return result;
}

/* libcrypto takes integers in the byte order of the machine. */
static void to_native(uint8_t *out, const uint8_t *from, size_t size)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (size_t i = 0; i < size; i++)
		out[i] = from[size - 1 - i];
#else
	memcpy(out, from, size);
#endif
}

/* Hands the value at `from`, taken apart by `parts`, to libcrypto; `native` is as large as it. */
static EVP_PKEY *import(
    const void *from, void *native, const struct part *parts, size_t count, int selection)
{
	OSSL_PARAM params[SECRET_PARTS + 1];
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *pkey = NULL;

	for (size_t i = 0; i < count; i++) {
		uint8_t *to = (uint8_t *)native + parts[i].offset;

		to_native(to, (const uint8_t *)from + parts[i].offset, parts[i].size);
		params[i] = OSSL_PARAM_construct_BN(parts[i].name, to, parts[i].size);
	}
	params[count] = OSSL_PARAM_construct_end();

	ERR_set_mark();
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, selection, params) != 1) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	EVP_PKEY_CTX_free(ctx);
	ERR_pop_to_mark();
	return pkey;
}

EVP_PKEY *rsa_public_to_pkey(const struct rsa_public *key)
{
	struct rsa_public native;

	return import(key, &native, public_parts, PUBLIC_PARTS, EVP_PKEY_PUBLIC_KEY);
}

EVP_PKEY *rsa_secret_to_pkey(const struct rsa_secret *key)
{
	struct rsa_secret native;
	EVP_PKEY *pkey = import(key, &native, secret_parts, SECRET_PARTS, EVP_PKEY_KEYPAIR);

	secret_wipe(&native, sizeof native);
	return pkey;
}

/* False when there is no such number in the key or it needs more than `size` bytes. */
static bool export_number(const EVP_PKEY *pkey, const struct part *part, uint8_t *to)
{
	BIGNUM *number = NULL;
	bool fits = EVP_PKEY_get_bn_param(pkey, part->name, &number) == 1 &&
	            BN_bn2binpad(number, to, (int)part->size) == (int)part->size;

	BN_clear_free(number);
	return fits;
}

static bool has_third_prime(const EVP_PKEY *pkey)
{
	BIGNUM *prime = NULL;
	bool has = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR3, &prime) == 1;

	BN_clear_free(prime);
	return has;
}

enum rsa_error rsa_public_from_pkey(struct rsa_public *out, const EVP_PKEY *pkey)
{
	enum rsa_error result = RSA_FINE;

	ERR_set_mark();
	if (!EVP_PKEY_is_a(pkey, "RSA"))
		result = RSA_WRONG_KIND;
	else if (!export_number(pkey, &public_parts[0], out->modulus))
		result = RSA_WRONG_SIZE;
	else if (!export_number(pkey, &public_parts[1], out->exponent))
		result = RSA_BAD_EXPONENT;
	else
		result = rsa_public_check(out);
	if (result != RSA_FINE)
		memset(out, 0, sizeof *out);
	ERR_pop_to_mark();
	return result;
}

enum rsa_error rsa_secret_from_pkey(struct rsa_secret *out, const EVP_PKEY *pkey)
{
	enum rsa_error result = rsa_public_from_pkey(&out->public_key, pkey);

	ERR_set_mark();
	if (result == RSA_FINE && has_third_prime(pkey))
		result = RSA_WRONG_KIND;
	for (size_t i = PUBLIC_PARTS; i < SECRET_PARTS && result == RSA_FINE; i++) {
		if (!export_number(pkey, &secret_parts[i], (uint8_t *)out + secret_parts[i].offset))
			result = RSA_MISMATCHED;
	}
	if (result != RSA_FINE)
		secret_wipe(out, sizeof *out);
	ERR_pop_to_mark();
	return result;
}
