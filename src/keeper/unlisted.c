#include "keeper/unlisted.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"

_Static_assert(
    sizeof((struct unlisted_devices *)0)->hash_key == crypto_shorthash_KEYBYTES, "SipHash's");

struct unlisted_devices *unlisted_new(void)
{
	struct unlisted_devices *v = calloc(1, sizeof *v);

	if (v != NULL)
		crypto_shorthash_keygen(v->hash_key);
	return v;
}

static uint32_t first_of_set(
    const struct unlisted_devices *v, const uint8_t uuid[static DEVICE_UUID_BYTES])
{
	uint8_t hash[crypto_shorthash_BYTES];

	crypto_shorthash(hash, uuid, DEVICE_UUID_BYTES, v->hash_key);
	return (hash[0] | (uint32_t)hash[1] << 8) % UNLISTED_SETS * UNLISTED_WAYS;
}

uint32_t unlisted_find(
    const struct unlisted_devices *v, const uint8_t uuid[static DEVICE_UUID_BYTES])
{
	uint32_t first = first_of_set(v, uuid);

	for (uint32_t i = first; i < first + UNLISTED_WAYS; i++) {
		if (v->places[i].admitted &&
		    memcmp(v->places[i].uuid, uuid, DEVICE_UUID_BYTES) == 0)
			return i;
	}
	return UNLISTED_NONE;
}

uint32_t unlisted_place(struct unlisted_devices *v, const uint8_t uuid[static DEVICE_UUID_BYTES],
    bool (*may_go)(const void *context, uint32_t place), const void *context)
{
	uint32_t first = first_of_set(v, uuid), place = UNLISTED_NONE;
	struct unlisted_device *unlisted;

	for (uint32_t i = first; i < first + UNLISTED_WAYS; i++) {
		if (!v->places[i].admitted) {
			place = i;
			break;
		}
		if (place == UNLISTED_NONE && may_go(context, i))
			place = i;
	}
	if (place == UNLISTED_NONE)
		return UNLISTED_NONE;
	unlisted = &v->places[place];
	memset(unlisted, 0, sizeof *unlisted);
	memcpy(unlisted->uuid, uuid, sizeof unlisted->uuid);
	uuid_text(unlisted->name, uuid);
	return place;
}
