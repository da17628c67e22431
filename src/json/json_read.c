#include "json/json_read.h"

#include "base/secret.h"

static bool fits(json_t *value, unsigned int depth)
{
	const char *key;
	json_t *member;
	size_t i;

	if (!json_is_object(value) && !json_is_array(value))
		return true;
	if (depth == 0)
		return false;
	json_object_foreach(value, key, member)
	{
		if (!fits(member, depth - 1))
			return false;
	}
	json_array_foreach(value, i, member)
	{
		if (!fits(member, depth - 1))
			return false;
	}
	return true;
}

json_t *json_read(const char *text, size_t size, unsigned int depth)
{
	json_t *value;
	size_t seed;

	/* The first one counts. By itself it would open /dev/urandom, which not everybody may. */
	secret_random(&seed, sizeof seed);
	json_object_seed(seed | 1);
	value = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(value) && fits(value, depth))
		return value;
	json_decref(value);
	return NULL;
}
