/* Whose a client's key is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "conf/error.h"
#include "conf/private.h"

static void set_aside(struct conf *conf, struct conf_client *client, const char *problem)
{
	client->aside = client->skipped = true;
	conf_warn(conf, "%s:%u:%u: clients.%s.ed25519_pubkey: %s", client->file, client->place.line,
	    client->place.column, client->name, problem);
}

static bool same_key(const struct conf_client *a, const struct conf_client *b)
{
	return memcmp(a->ed25519_pubkey.bytes, b->ed25519_pubkey.bytes, CONF_KEY_BYTES) == 0;
}

/* Of one key those that are served come first, then the order of the names, which is that of the
 * array. */
static int by_key(const void *a, const void *b)
{
	const struct conf_client *x = *(const struct conf_client *const *)a,
	                         *y = *(const struct conf_client *const *)b;

	if (!same_key(x, y))
		return memcmp(x->ed25519_pubkey.bytes, y->ed25519_pubkey.bytes, CONF_KEY_BYTES);
	return x->skipped != y->skipped ? x->skipped - y->skipped : (x > y) - (x < y);
}

/* To openme it is chance which of them a knock is from. Here it is always the first, and never for
 * longer than for any of them. */
static void join_twin(struct conf *conf, struct conf_client *first, struct conf_client *twin)
{
	char problem[600];

	if (twin->revoked.yes && !first->revoked.yes)
		first->revoked = twin->revoked;
	first->expires = MIN(first->expires, twin->expires);
	snprintf(problem, sizeof problem,
	    "found the key of client \"%s\" (%s:%u:%u), whose rights count for both, up to when "
	    "the first of them expires or is revoked; expected one of its own",
	    first->name, first->file, first->place.line, first->place.column);
	set_aside(conf, twin, problem);
}

bool check_client_keys(struct conf *conf, struct conf_error *error)
{
	struct conf_client **sorted = calloc(conf->client_count + 1, sizeof *sorted);
	size_t count = 0, first = 0;

	if (sorted == NULL)
		return conf_fail(error, "%s: not enough memory to check it", conf->path);
	for (size_t i = 0; i < conf->client_count; i++) {
		if (conf->clients[i].ed25519_pubkey.given)
			sorted[count++] = &conf->clients[i];
		else
			set_aside(conf, &conf->clients[i],
			    "not given; expected the client's public key, 32 bytes in base64; the "
			    "client is skipped");
	}
	qsort(sorted, count, sizeof *sorted, by_key);
	for (size_t i = 1; i < count; i++) {
		if (same_key(sorted[first], sorted[i]))
			join_twin(conf, sorted[first], sorted[i]);
		else
			first = i;
	}
	free(sorted);
	return true;
}
