/* libpostern: knock at a Postern or openme v1 server, and read such knocks.
 *
 * The first half of this header takes every random byte and the time from the caller: no
 * allocation, no I/O, no state, safe in any thread. The second half adds randomness, the clock,
 * name resolution and a socket. Nothing here prints, exits or keeps anything between calls.
 *
 * Pointers are never NULL unless their comment allows it, and what they point to stays the
 * caller's; nothing is kept. Sizes are bytes. Keys and addresses are byte strings in the order of
 * the wire, integers those of the host. Output is zeroed when a call fails, but for a report, which
 * tells what failed.
 * The format of a knock is in doc/protocol.md, openme v1.
 *
 * OpenSPA v1 is in a library of its own, libpostern-openspa, with postern-openspa.h: this one needs
 * libsodium alone, and offers the same whether Postern was built with OpenSPA or not. */
#ifndef POSTERN_H
#define POSTERN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#define POSTERN_AT_LEAST(n) n
#else
#define POSTERN_AT_LEAST(n) static n
#endif

#define POSTERN_CHECKED __attribute__((warn_unused_result))

#define POSTERN_KEY_BYTES 32 /* X25519 secret or public, Ed25519 seed or public */
/* Ed25519 seed, then public */
#define POSTERN_CLIENT_SECRET_BYTES (POSTERN_KEY_BYTES + POSTERN_KEY_BYTES)
#define POSTERN_SEAL_KEY_BYTES      32 /* ChaCha20-Poly1305 */
#define POSTERN_SHIELD_KEY_BYTES    32
#define POSTERN_AEAD_NONCE_BYTES    12
#define POSTERN_NONCE_BYTES         16
#define POSTERN_ADDRESS_BYTES       16
#define POSTERN_SIGNATURE_BYTES     64
/* version, ephemeral key, nonce, {timestamp, nonce, address} and tag, signature */
#define POSTERN_KNOCK_BYTES                                 \
	(1 + POSTERN_KEY_BYTES + POSTERN_AEAD_NONCE_BYTES + \
	    (8 + POSTERN_NONCE_BYTES + POSTERN_ADDRESS_BYTES + 16) + POSTERN_SIGNATURE_BYTES)
/* Length of `size` bytes as base64 text, with the closing zero. */
#define POSTERN_BASE64_BYTES(size) (((size) + 2) / 3 * 4 + 1)

/* Every result. Values never change their meaning; new ones may be added. */
/*        name           value  text */
#define POSTERN_ERRORS(X)                                                           \
	X(OK, 0, "success")                                                         \
	X(BAD_ARGUMENT, -1, "argument outside its contract")                        \
	X(BAD_KEY, -2, "key is malformed or unusable")                              \
	X(NOT_A_KNOCK, -3, "not a knock")                                           \
	X(BAD_SEAL, -4, "not sealed for this key, or altered")                      \
	X(BAD_SIGNATURE, -5, "not signed with this key, or altered")                \
	X(NO_RANDOMNESS, -6, "no randomness to be had")                             \
	X(NO_NAME, -7, "name cannot be resolved")                                   \
	X(NO_ADDRESS, -8, "no address of that kind")                                \
	X(SYSTEM_FAILED, -9, "system call failed")                                  \
	/* from libpostern-openspa alone */                                         \
	X(BAD_PACKET, -10, "not a packet of that kind for this key, or altered")    \
	X(LOCKED, -11, "key is encrypted, and no passphrase was given")             \
	X(WRONG_PASSPHRASE, -12, "key is not to be decrypted with this passphrase") \
	X(CRYPTO_FAILED, -13, "libcrypto failed, or there is no memory")

enum postern_error {
#define POSTERN_ERROR_VALUE(name, value, text) POSTERN_##name = (value),
	POSTERN_ERRORS(POSTERN_ERROR_VALUE)
#undef POSTERN_ERROR_VALUE
};

#pragma GCC visibility push(default)

/* Text for any value, also for one that this library does not know. Static; never NULL. */
const char *postern_strerror(int error);

/* Keys. */

/* Reads standard base64 with padding (RFC 4648, section 4), nothing before, between or after it.
 * key:  receives exactly `size` bytes.
 * text: ends with a zero byte.
 * BAD_KEY: other characters, or another length. */
POSTERN_CHECKED enum postern_error postern_key_from_base64(
    void *key, size_t size, const char *text);

/* Writes standard base64 with padding and a closing zero.
 * text: has room for `text_size` bytes.
 * BAD_ARGUMENT: text_size is below POSTERN_BASE64_BYTES(size). */
POSTERN_CHECKED enum postern_error postern_key_to_base64(
    char *text, size_t text_size, const void *key, size_t size);

/* A client's private key as openme's files hold it: base64 of 64 bytes (seed, public half or
 * zeros) or of the 32-byte seed alone.
 * BAD_KEY: not base64, another length, or a public half that is not the seed's. */
POSTERN_CHECKED enum postern_error postern_client_secret_from_base64(
    uint8_t secret[POSTERN_AT_LEAST(POSTERN_CLIENT_SECRET_BYTES)], const char *text);

/* Seed to seed and public half (RFC 8032, section 5.1.5). Every seed is usable. */
void postern_client_secret_from_seed(uint8_t secret[POSTERN_AT_LEAST(POSTERN_CLIENT_SECRET_BYTES)],
    const uint8_t seed[POSTERN_AT_LEAST(POSTERN_KEY_BYTES)]);

/* The Ed25519 public key of a client, derived anew from the first half of `secret`; a seed alone
 * will do. */
void postern_client_public(uint8_t public_key[POSTERN_AT_LEAST(POSTERN_KEY_BYTES)],
    const uint8_t secret[POSTERN_AT_LEAST(POSTERN_KEY_BYTES)]);

/* The X25519 public key of a server (RFC 7748, section 6.1). Every secret is usable. */
void postern_server_public(uint8_t public_key[POSTERN_AT_LEAST(POSTERN_KEY_BYTES)],
    const uint8_t secret[POSTERN_AT_LEAST(POSTERN_KEY_BYTES)]);

/* Whether a client's public key may be trusted with a door. Anybody can sign for a point of small
 * order (an all-zero placeholder is one), and a non-canonical key is a second name for another.
 * BAD_KEY: not a canonical point of the prime-order group (RFC 8032, section 5.1.3). */
POSTERN_CHECKED enum postern_error postern_client_public_check(
    const uint8_t public_key[POSTERN_AT_LEAST(POSTERN_KEY_BYTES)]);

/* Whether a server's public key can be sealed for.
 * BAD_KEY: the top bit is set, or the point is of small order (RFC 7748, section 6.1). */
POSTERN_CHECKED enum postern_error postern_server_public_check(
    const uint8_t public_key[POSTERN_AT_LEAST(POSTERN_KEY_BYTES)]);

/* Knocks, with everything from the caller. */

/* What a knock says. Fixed by the format: this struct does not grow. */
struct postern_contents {
	int64_t timestamp_ns;                  /* since the Unix epoch; when read: any value */
	uint8_t nonce[POSTERN_NONCE_BYTES];    /* random; a server accepts each one once */
	uint8_t target[POSTERN_ADDRESS_BYTES]; /* IPv6, or IPv4 as ::ffff:a.b.c.d; all zeros:
	                                          the address that the knock comes from */
};

/* What a knock is made of. */
struct postern_ingredients {
	size_t size; /* of this struct, set by the caller */
	uint8_t server_public[POSTERN_KEY_BYTES];
	uint8_t client_secret[POSTERN_CLIENT_SECRET_BYTES];
	uint8_t ephemeral_secret[POSTERN_KEY_BYTES]; /* random; must never seal a second knock */
	uint8_t aead_nonce[POSTERN_AEAD_NONCE_BYTES];
	struct postern_contents contents;
};

/* Builds a knock; the same ingredients give the same bytes.
 * BAD_ARGUMENT: `size` is wrong, or a part that this library does not know is not zero.
 * BAD_KEY: the server's key is unusable, or the client's public half is not the seed's. */
POSTERN_CHECKED enum postern_error postern_knock_seal(
    uint8_t knock[POSTERN_AT_LEAST(POSTERN_KNOCK_BYTES)],
    const struct postern_ingredients *ingredients);

/* Makes contents.nonce a lookup hint, last before sealing: everything else must have been filled
 * in, and the first 6 bytes of the nonce be random, which stay. To the server alone the others then
 * say whose key to try first, so that it finds the client among any number; to everybody else they
 * look random, and servers that know of no hints take them for that. BAD_ARGUMENT, BAD_KEY: as
 * above; the nonce is zeroed, and must not be sealed. */
POSTERN_CHECKED enum postern_error postern_knock_hint(struct postern_ingredients *ingredients);

/* Makes the last 8 bytes of aead_nonce the tag of the server's shield, so that the knock is served
 * first when the server is flooded. The ephemeral secret and the timestamp must have been filled
 * in, and the first 4 bytes of the nonce be random; other parts do not matter to it. Servers that
 * know of no shield, or have another key, take the nonce for random.
 * shield_key: as the server's and the client's files have it.
 * BAD_ARGUMENT: as above. BAD_KEY: all zeros. The nonce stays as it was. */
POSTERN_CHECKED enum postern_error postern_knock_shield(struct postern_ingredients *ingredients,
    const uint8_t shield_key[POSTERN_AT_LEAST(POSTERN_SHIELD_KEY_BYTES)]);

/* Reading takes three calls, and a knock counts only when all three succeed: unseal, open, verify.
 * Freshness, replay and permission remain the caller's to judge.
 *
 * unseal: the key that sealed the datagram, by X25519 with the server's secret and HKDF-SHA256
 * (RFC 5869).
 * key:      secret; wipe it after use.
 * datagram: `size` bytes from the wire, of any length and content.
 * NOT_A_KNOCK: wrong size or version, the top bit of the ephemeral key set, or S not below L
 *              (RFC 8032, section 5.1.7).
 * BAD_SEAL: an ephemeral key of small order. */
POSTERN_CHECKED enum postern_error postern_knock_unseal(
    uint8_t key[POSTERN_AT_LEAST(POSTERN_SEAL_KEY_BYTES)],
    const uint8_t server_secret[POSTERN_AT_LEAST(POSTERN_KEY_BYTES)], const void *datagram,
    size_t size);

/* open: what the knock says (RFC 8439, section 2.8).
 * key: from postern_knock_unseal, with the same datagram.
 * NOT_A_KNOCK: as above. BAD_SEAL: the tag does not fit. */
POSTERN_CHECKED enum postern_error postern_knock_open(struct postern_contents *contents,
    const uint8_t key[POSTERN_AT_LEAST(POSTERN_SEAL_KEY_BYTES)], const void *datagram, size_t size);

/* verify: whether this client signed it (RFC 8032, section 5.1.7, cofactorless).
 * client_public: has passed postern_client_public_check once.
 * NOT_A_KNOCK: as above. BAD_SIGNATURE: somebody else did. */
POSTERN_CHECKED enum postern_error postern_knock_verify(
    const uint8_t client_public[POSTERN_AT_LEAST(POSTERN_KEY_BYTES)], const void *datagram,
    size_t size);

/* Knocks, with randomness, the clock and the network. */

#define POSTERN_IPV4 0x1U
#define POSTERN_IPV6 0x2U
/* Where `target` is all zeros: name our own address, if it is a global one. Only for a host whose
 * address is known to be the one that the server sees: behind translation (NAT64, or NAT of
 * addresses that are public elsewhere) it looks global, too, and the server then opens for an
 * address that nobody has. */
#define POSTERN_OWN_ADDRESS 0x4U

#define POSTERN_ADDRESSES_MOST 16 /* of a name, that get a knock */

struct postern_options {
	size_t size;        /* of this struct, set by the caller */
	unsigned int flags; /* POSTERN_*; neither family means both */
	uint8_t server_public[POSTERN_KEY_BYTES];
	uint8_t client_secret[POSTERN_CLIENT_SECRET_BYTES];
	uint8_t target[POSTERN_ADDRESS_BYTES];        /* as in struct postern_contents */
	uint8_t shield_key[POSTERN_SHIELD_KEY_BYTES]; /* all zeros: none */
};

/* What became of one address, or of one address family. */
struct postern_outcome {
	enum postern_error error; /* OK: sent. NO_ADDRESS: the name has none, or not asked for */
	int system_error;         /* errno, with SYSTEM_FAILED */
	uint8_t server[POSTERN_ADDRESS_BYTES]; /* sent to; or tried */
	uint8_t target[POSTERN_ADDRESS_BYTES]; /* as in the knock */
};

struct postern_report {
	size_t size;       /* of this struct, set by the caller */
	int resolve_error; /* of getaddrinfo, with NO_NAME; else 0 */
	/* Of each family, the first that was sent to; else the last one tried. */
	struct postern_outcome ipv4;
	struct postern_outcome ipv6;
	size_t count; /* of `each`: every address that was tried, in the resolver's order */
	struct postern_outcome each[POSTERN_ADDRESSES_MOST];
};

/* An IPv4 or IPv6 address from text; IPv4 is mapped. NO_ADDRESS: it is neither. */
POSTERN_CHECKED enum postern_error postern_address_from_text(
    uint8_t address[POSTERN_AT_LEAST(POSTERN_ADDRESS_BYTES)], const char *text);

/* The address from which this host reaches `server`, if it is global: not private (RFC 1918,
 * RFC 4193, RFC 6598), of the IETF's own (192.0.0.0/24), loopback, link-local and the like. The
 * server may see another all the same. Sends nothing.
 * server: AF_INET or AF_INET6, `size` bytes, with any port but 0.
 * BAD_ARGUMENT: another family or size. NO_ADDRESS: ours is not global.
 * SYSTEM_FAILED: errno says why, ENETUNREACH for instance. */
POSTERN_CHECKED enum postern_error postern_own_address(
    uint8_t address[POSTERN_AT_LEAST(POSTERN_ADDRESS_BYTES)], const struct sockaddr *server,
    socklen_t size);

/* Builds a knock with fresh randomness and the current time, and with a lookup hint. The flags are
 * not used.
 * Errors: those of postern_knock_seal, and NO_RANDOMNESS. */
POSTERN_CHECKED enum postern_error postern_knock_build(
    uint8_t knock[POSTERN_AT_LEAST(POSTERN_KNOCK_BYTES)], const struct postern_options *options);

/* Sends a knock, in one datagram, to an address that has been resolved already. There is no
 * answer: OK means that it left. It may block as long as a UDP send does.
 * to: AF_INET or AF_INET6, `size` bytes.
 * BAD_ARGUMENT: another family or size. SYSTEM_FAILED: errno says why. */
POSTERN_CHECKED enum postern_error postern_knock_send(
    const uint8_t knock[POSTERN_AT_LEAST(POSTERN_KNOCK_BYTES)], const struct sockaddr *to,
    socklen_t size);

/* Resolves `host` and sends a fresh knock to each of its addresses in every family wanted, at most
 * POSTERN_ADDRESSES_MOST, so that whichever the connection takes is open. Resolving may block for
 * seconds and allocates.
 * host:   a name or the text of an address.
 * port:   UDP, of the host's byte order; not 0.
 * report: may be NULL.
 * OK: at least one was sent. Otherwise the error of a family that was tried, or NO_NAME,
 * NO_ADDRESS, BAD_ARGUMENT, BAD_KEY, NO_RANDOMNESS. */
POSTERN_CHECKED enum postern_error postern_knock(const struct postern_options *options,
    const char *host, uint16_t port, struct postern_report *report);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
