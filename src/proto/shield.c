#include "proto/shield.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "base/secret.h"

#define NS_PER_HALF ((int64_t)SHIELD_EPOCH_S / 2 * 1000000000)

_Static_assert(SHIELD_SECRET_BYTES == crypto_auth_hmacsha256_KEYBYTES, "one HMAC key");

/* More than the library's HMAC uses of the stack, where it leaves what it has worked on. */
#define LEFT_BEHIND_BYTES 2048

static const char label[] = "postern-shield-v1";

int64_t shield_half(int64_t real_ns)
{
	int64_t half = real_ns / NS_PER_HALF;

	return real_ns % NS_PER_HALF < 0 ? half - 1 : half;
}

/* Of the half with that number; downwards below 0, too. */
static int64_t epoch_of_half(int64_t half)
{
	return (half - (half & 1)) / 2;
}

int64_t shield_epoch(int64_t real_ns)
{
	return epoch_of_half(shield_half(real_ns));
}

void shield_epoch_key(
    struct shield_key *out, const uint8_t secret[static SHIELD_SECRET_BYTES], int64_t epoch)
{
	uint8_t info[sizeof label - 1 + 8], key[crypto_auth_hmacsha256_BYTES];
	struct writer w = writer_of(info, sizeof info);

	writer_put(&w, label, sizeof label - 1);
	writer_u64(&w, (uint64_t)epoch);
	crypto_auth_hmacsha256(key, info, sizeof info, secret);
	*out = (struct shield_key){shield_le64(key), shield_le64(key + 8)};
	secret_wipe(key, sizeof key);
	sodium_stackzero(LEFT_BEHIND_BYTES);
}

/* Apart, so that where its registers were put is behind whoever calls it, and wiped there. */
__attribute__((noinline)) static uint64_t tag_of_secret(
    const uint8_t secret[static SHIELD_SECRET_BYTES], int64_t epoch, const uint8_t *begin)
{
	struct shield_key key;
	uint64_t tag;

	shield_epoch_key(&key, secret, epoch);
	tag = shield_tag(&key, begin);
	secret_wipe(&key, sizeof key);
	return tag;
}

void shield_nonce(uint8_t nonce[static SHIELD_NONCE_BYTES],
    const uint8_t secret[static SHIELD_SECRET_BYTES],
    const uint8_t random[static SHIELD_RANDOM_BYTES], int64_t timestamp_ns,
    const uint8_t ephemeral[static SHIELD_EPHEMERAL_BYTES])
{
	uint8_t begin[SHIELD_TAG_AT] = {SHIELD_VERSION};
	uint64_t tag;

	memcpy(begin + 1, ephemeral, SHIELD_EPHEMERAL_BYTES);
	memcpy(begin + SHIELD_RANDOM_AT, random, SHIELD_RANDOM_BYTES);
	tag = tag_of_secret(secret, shield_epoch(timestamp_ns), begin);
	sodium_stackzero(LEFT_BEHIND_BYTES);
	memcpy(nonce, random, SHIELD_RANDOM_BYTES);
	for (int i = 0; i < 8; i++)
		nonce[SHIELD_RANDOM_BYTES + i] = (uint8_t)(tag >> 8 * i);
}

void shield_keys_of_half(
    struct shield_keys *out, const uint8_t *secrets, size_t count, int64_t half)
{
	int64_t epoch = epoch_of_half(half);
	const int64_t epochs[] = {epoch, half & 1 ? epoch + 1 : epoch - 1};

	*out = (struct shield_keys){0};
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < 2; j++) {
			shield_epoch_key(
			    &out->key[out->count], secrets + i * SHIELD_SECRET_BYTES, epochs[j]);
			out->epoch[out->count++] = (uint8_t)epochs[j];
		}
}

/* --- How often a tag has come */

/* What is remembered of a tag: 48 bits of a keyed hash, the lowest byte of its epoch, how often it
 * has come. 0: nothing. */
#define ENTRY_HASH(hash)         ((hash) >> 16 << 16)
#define ENTRY(hash, epoch, many) (ENTRY_HASH(hash) | (uint64_t)(epoch) << 8 | (many))
#define ENTRY_EPOCH(entry)       ((uint8_t)((entry) >> 8))
#define ENTRY_TIMES(entry)       ((uint8_t)(entry))

static bool is_current(const struct shield *s, uint8_t epoch)
{
	for (uint32_t i = 0; i < s->keys.count; i++)
		if (s->keys.epoch[i] == epoch)
			return true;
	return false;
}

/* An entry that is worth less goes first: of an epoch that is over, then one that came seldom. */
static unsigned int worth(const struct shield *s, uint64_t entry)
{
	return is_current(s, ENTRY_EPOCH(entry)) ? ENTRY_TIMES(entry) : 0;
}

/* Where the tag is counted: its own entry, or the one that has to go. */
static uint64_t *entry_for(struct shield *s, uint64_t hash, uint8_t epoch)
{
	uint64_t *set = s->seen[hash % SHIELD_SETS], *least = set;

	for (int i = 0; i < SHIELD_WAYS; i++) {
		if ((set[i] | 0xff) == (ENTRY(hash, epoch, 0) | 0xff))
			return &set[i];
		if (worth(s, set[i]) < worth(s, *least))
			least = &set[i];
	}
	*least = ENTRY(hash, epoch, 0);
	return least;
}

static bool seen_too_often(struct shield *s, const uint8_t *packet, uint8_t epoch)
{
	uint64_t *entry = entry_for(s, shield_tag(&s->seen_key, packet), epoch);

	if (ENTRY_TIMES(*entry) >= SHIELD_SEEN_MOST)
		return true;
	++*entry;
	return false;
}

/* --- The class of a packet */

void shield_configure(struct shield *s, const uint8_t *secret, const uint8_t *old_secret)
{
	const uint8_t *const secrets[] = {secret, old_secret};

	if (s->seen_key.k0 == 0 && s->seen_key.k1 == 0)
		secret_random(&s->seen_key, sizeof s->seen_key);
	secret_wipe(s->secrets, sizeof s->secrets);
	secret_wipe(&s->keys, sizeof s->keys);
	s->secret_count = 0;
	for (size_t i = 0; i < SHIELD_SECRETS; i++)
		if (secrets[i] != NULL)
			memcpy(s->secrets + s->secret_count++ * SHIELD_SECRET_BYTES, secrets[i],
			    SHIELD_SECRET_BYTES);
}

/* The keys are of the time, or made anew: after a while, and when the clock was set. */
static void keep_keys(struct shield *s, int64_t now_real_ns)
{
	int64_t half = shield_half(now_real_ns);

	if (s->keys.count > 0 && s->half == half)
		return;
	shield_keys_of_half(&s->keys, s->secrets, s->secret_count, half);
	s->half = half;
}

enum shield_class shield_classify(
    struct shield *s, const uint8_t packet[static SHIELD_PACKET_BYTES], int64_t now_real_ns)
{
	if (s->secret_count == 0)
		return SHIELD_UNTAGGED;
	keep_keys(s, now_real_ns);
	for (uint32_t i = 0; i < s->keys.count; i++)
		if (shield_tag_fits(&s->keys.key[i], packet))
			return seen_too_often(s, packet, s->keys.epoch[i]) ? SHIELD_WORN
			                                                   : SHIELD_TAGGED;
	return SHIELD_UNTAGGED;
}
