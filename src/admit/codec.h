/* The protocols as the admission sees them: each step of the way, for whichever protocol a packet
 * came in. What a build was made without is refused at the first step. */
#ifndef ADMIT_CODEC_H
#define ADMIT_CODEC_H

#include "intake/record.h"
#include "proto/openme.h"
#include "proto/rsa_value.h"
#include "snapshot/snapshot.h"
#ifdef HAVE_OPENSPA
#include "proto/openspa.h"
#endif

#define ASKED_NONCE_BYTES 16

/* What a packet asks for, once opened. Fields that openme does not know are zero. */
struct asked {
	int64_t timestamp_ns; /* since the Unix epoch; any value may arrive */
	uint8_t nonce[ASKED_NONCE_BYTES];
	struct addr target;
	struct addr server; /* that the sender means */
	uint8_t device[DEVICE_UUID_BYTES];
	struct ports ports; /* protocol 0: the client's ports are the server's to know */
	bool known;         /* OpenSPA: all of it is such as there is */
	bool behind_nat;
};

/* What opens seals: the doorman's. */
struct codec_secrets {
	const uint8_t *openme; /* X25519, NULL without openme */
	struct rsa_key *openspa;
};

/* A packet that the steps have been taken with. */
struct codec_packet {
	struct record record;
	uint8_t key[OPENME_KEY_BYTES]; /* that sealed it; a secret */
	struct asked asked;
#ifdef HAVE_OPENSPA
	struct openspa_proof proof;
#endif
};

/* Once per process, before its sandbox closes. */
bool codec_prepare(bool openspa);

/* True for a key that signatures may be checked with, wherever it came from. */
bool codec_key_sound(const struct rsa_public *key);

/* What noise does not survive, in this order: each may rely on those before it. */
bool codec_right_size(const struct record *r);
bool codec_right_version(const struct record *r);
bool codec_well_formed(const struct record *r);
/* Finds the key of the seal. False when there is none to be had. */
bool codec_unseal(struct codec_packet *p, const struct codec_secrets *secrets);
/* Opens the seal with the key: fills p->asked. */
bool codec_open(struct codec_packet *p);
/* Wipes what came out of the seal, and the key. */
void codec_wipe(struct codec_packet *p);
/* True when the client with that key signed the knock, and the device with that key the request.
 * Call after codec_open. */
bool codec_verify_knock(
    const struct codec_packet *p, const uint8_t public_key[static CLIENT_KEY_BYTES]);
bool codec_verify_request(const struct codec_packet *p, const struct rsa_public *key);

#endif
