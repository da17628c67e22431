#include "keeper/unlisted.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"

_Static_assert(sizeof((struct visitors *)0)->hash_key == crypto_shorthash_KEYBYTES, "SipHash's");

struct visitors *visitors_new(void)
{
	struct visitors *v = calloc(1, sizeof *v);

	if (v != NULL)
		crypto_shorthash_keygen(v->hash_key);
	return v;
}

static uint32_t first_of_set(const struct visitors *v, const uint8_t uuid[static DEVICE_UUID_BYTES])
{
	uint8_t hash[crypto_shorthash_BYTES];

	crypto_shorthash(hash, uuid, DEVICE_UUID_BYTES, v->hash_key);
	return (hash[0] | (uint32_t)hash[1] << 8) % VISITOR_SETS * VISITOR_WAYS;
}

uint32_t visitors_find(const struct visitors *v, const uint8_t uuid[static DEVICE_UUID_BYTES])
{
	uint32_t first = first_of_set(v, uuid);

	for (uint32_t i = first; i < first + VISITOR_WAYS; i++) {
		if (v->places[i].admitted &&
		    memcmp(v->places[i].uuid, uuid, DEVICE_UUID_BYTES) == 0)
			return i;
	}
	return VISITOR_NONE;
}

uint32_t visitors_place(struct visitors *v, const uint8_t uuid[static DEVICE_UUID_BYTES],
    bool (*may_go)(const void *context, uint32_t place), const void *context)
{
	uint32_t first = first_of_set(v, uuid), place = VISITOR_NONE;
	struct visitor *visitor;

	for (uint32_t i = first; i < first + VISITOR_WAYS; i++) {
		if (!v->places[i].admitted) {
			place = i;
			break;
		}
		if (place == VISITOR_NONE && may_go(context, i))
			place = i;
	}
	if (place == VISITOR_NONE)
		return VISITOR_NONE;
	visitor = &v->places[place];
	memset(visitor, 0, sizeof *visitor);
	memcpy(visitor->uuid, uuid, sizeof visitor->uuid);
	uuid_text(visitor->name, uuid);
	return place;
}
