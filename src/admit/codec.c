#include "admit/codec.h"

#include <string.h>

#include "base/clock.h"
#include "base/secret.h"

_Static_assert(OPENME_NONCE_BYTES == ASKED_NONCE_BYTES, "openme's nonce goes in whole");

static bool open_openme(struct codec_packet *p)
{
	struct openme_knock knock;

	if (!openme_open(&knock, p->key, p->record.bytes))
		return false;
	p->asked.timestamp_ns = knock.timestamp_ns;
	memcpy(p->asked.nonce, knock.nonce, sizeof p->asked.nonce);
	p->asked.target = knock.target;
	secret_wipe(&knock, sizeof knock);
	return true;
}

#ifdef HAVE_OPENSPA

_Static_assert(OPENSPA_KEY_BYTES == OPENME_KEY_BYTES, "one field holds the key of either");
_Static_assert(OPENSPA_REQUEST_BYTES <= RECORD_BYTES_MAX, "a record holds a request");
_Static_assert(OPENSPA_DEVICE_BYTES == DEVICE_UUID_BYTES, "a device is its UUID");

/* Seconds of any value, as nanoseconds that are as far from now. */
static int64_t saturated_ns(int64_t seconds)
{
	if (seconds > INT64_MAX / NS_PER_SECOND)
		return INT64_MAX;
	if (seconds < INT64_MIN / NS_PER_SECOND)
		return INT64_MIN;
	return seconds * NS_PER_SECOND;
}

static bool open_openspa(struct codec_packet *p)
{
	struct openspa_request request;
	uint8_t id[OPENSPA_REPLAY_BYTES];

	if (!openspa_open(&request, &p->proof, p->key, p->record.bytes))
		return false;
	/* The nonce on the wire is 3 bytes; the statement as a whole tells requests apart. */
	openspa_replay_id(id, &p->proof);
	memcpy(p->asked.nonce, id, sizeof p->asked.nonce);
	memcpy(p->asked.device, request.device, sizeof p->asked.device);
	p->asked.timestamp_ns = saturated_ns(request.timestamp_s);
	p->asked.target = request.client_address;
	p->asked.server = request.server_address;
	p->asked.ports = request.ports;
	p->asked.known = request.known;
	p->asked.behind_nat = request.behind_nat;
	secret_wipe(&request, sizeof request);
	return true;
}

bool codec_verify_request(const struct codec_packet *p, const struct rsa_public *key)
{
	return p->record.protocol == RECORD_OPENSPA && openspa_verify(&p->proof, key);
}

bool codec_key_sound(const struct rsa_public *key)
{
	return rsa_public_check(key) == RSA_FINE;
}

#else

static bool open_openspa(struct codec_packet *p)
{
	(void)p;
	return false;
}

bool codec_key_sound(const struct rsa_public *key)
{
	(void)key;
	return false;
}

bool codec_verify_request(const struct codec_packet *p, const struct rsa_public *key)
{
	(void)p;
	(void)key;
	return false;
}

#endif

bool codec_prepare(bool openspa)
{
#ifdef HAVE_OPENSPA
	return !openspa || rsa_init();
#else
	return !openspa;
#endif
}

bool codec_right_size(const struct record *r)
{
#ifdef HAVE_OPENSPA
	if (r->protocol == RECORD_OPENSPA)
		return openspa_right_size(r->size);
#endif
	return r->protocol == RECORD_OPENME && openme_right_size(r->size);
}

bool codec_right_version(const struct record *r)
{
#ifdef HAVE_OPENSPA
	if (r->protocol == RECORD_OPENSPA)
		return openspa_right_header(r->bytes);
#endif
	return openme_right_version(r->bytes);
}

bool codec_well_formed(const struct record *r)
{
	return r->protocol != RECORD_OPENME || openme_well_formed(r->bytes);
}

bool codec_unseal(struct codec_packet *p, const struct codec_secrets *secrets)
{
	if (p->record.protocol == RECORD_OPENME)
		return secrets->openme != NULL &&
		       openme_unseal(p->key, secrets->openme, p->record.bytes);
#ifdef HAVE_OPENSPA
	if (secrets->openspa != NULL) {
		openspa_unseal(p->key, secrets->openspa, p->record.bytes);
		return true;
	}
#endif
	return false;
}

bool codec_open(struct codec_packet *p)
{
	memset(&p->asked, 0, sizeof p->asked);
	return p->record.protocol == RECORD_OPENSPA ? open_openspa(p) : open_openme(p);
}

void codec_wipe(struct codec_packet *p)
{
	secret_wipe(p->key, sizeof p->key);
	secret_wipe(&p->asked, sizeof p->asked);
#ifdef HAVE_OPENSPA
	secret_wipe(&p->proof, sizeof p->proof);
#endif
}

bool codec_verify_knock(
    const struct codec_packet *p, const uint8_t public_key[static CLIENT_KEY_BYTES])
{
	return p->record.protocol == RECORD_OPENME && openme_verify(p->record.bytes, public_key);
}
