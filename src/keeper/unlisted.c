#include "keeper/unlisted.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/uuid.h"

struct unlisted_devices *unlisted_new(void)
{
	struct unlisted_devices *v = calloc(1, sizeof *v);

	if (v != NULL)
		secret_random(v->hash_key, sizeof v->hash_key);
	return v;
}

static uint32_t first_of_set(
    const struct unlisted_devices *v, const uint8_t uuid[static DEVICE_UUID_BYTES])
{
	return (uint32_t)(secret_hash(v->hash_key, uuid, DEVICE_UUID_BYTES) % UNLISTED_SETS) *
	       UNLISTED_WAYS;
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
