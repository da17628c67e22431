#include "admit/admit.h"

#include <string.h>

#include "admit/policy.h"
#include "base/clock.h"

static bool is_openspa(const struct knock *k)
{
	return k->packet.record.protocol == RECORD_OPENSPA;
}

/* What a check has found; whoever watches is told. */
static bool holds(const struct admission *a, const struct knock *k, enum check check, bool passed)
{
	if (a->trace != NULL)
		a->trace(a->trace_context, check, passed, k);
	return passed;
}

enum verdict admit_screen(const struct record *record)
{
	if (!codec_right_size(record))
		return VERDICT_BAD_SIZE;
	if (!codec_right_version(record))
		return VERDICT_BAD_VERSION;
	return codec_well_formed(record) ? VERDICT_PASS : VERDICT_MALFORMED;
}

static enum verdict check_form(const struct admission *a, const struct knock *k)
{
	enum verdict v = admit_screen(&k->packet.record);

	if (holds(a, k, CHECK_SIZE, v != VERDICT_BAD_SIZE) &&
	    holds(a, k, CHECK_VERSION, v != VERDICT_BAD_VERSION))
		holds(a, k, CHECK_FORM, v != VERDICT_MALFORMED);
	return v;
}

static enum verdict find_key(const struct admission *a, struct knock *k)
{
	struct budget_time *time = NULL;
	int64_t began_ns = 0;
	bool found;

	if (is_openspa(k)) {
		time = budget_take(a->budget, &k->packet.record.source, clock_boot_ns());
		if (time == NULL)
			return VERDICT_BUSY;
		began_ns = clock_spent_ns();
	}
	found = codec_unseal(&k->packet, a->secrets);
	if (time != NULL)
		budget_spend(time, clock_spent_ns() - began_ns);
	return holds(a, k, CHECK_KEY, found) ? VERDICT_PASS : VERDICT_BAD_KEY;
}

/* The row of the device that a request names, or NULL. */
static const struct device *find_row(const struct admission *a, const struct knock *k)
{
	int64_t device = snapshot_find_device(a->config, k->packet.asked.device);

	return device < 0 ? NULL : &a->config->devices[device];
}

/* Whose packet it may be, as far as it can be told without a signature: openme's says nothing, so
 * that the source is the only hint; OpenSPA's names its device. */
static enum verdict guess_holder(const struct admission *a, struct knock *k)
{
	if (!is_openspa(k)) {
		k->holder = directory_guess(a->directory, &k->packet.record.source);
		return VERDICT_HANDED_ON;
	}
	/* The keeper looks for itself. */
	k->holder = DIRECTORY_NOBODY;
	return holds(a, k, CHECK_DEVICE,
	           find_row(a, k) != NULL ||
	               a->config->settings->openspa.directory != CONF_ASKED_NATIVE)
	           ? VERDICT_HANDED_ON
	           : VERDICT_UNKNOWN_SIGNER;
}

static enum verdict ask_program(struct knock *k, enum question question)
{
	k->question = question;
	return VERDICT_ASKED;
}

static enum verdict verify_knock(const struct admission *a, struct knock *k)
{
	k->verified = k->holder < a->config->client_count &&
	              codec_verify_knock(&k->packet, a->config->clients[k->holder].public_key);
	return holds(a, k, CHECK_SIGNATURE, k->verified) ? VERDICT_PASS : VERDICT_WRONG_SIGNER;
}

/* Finds the holder and its key for itself: what the packet names, by our own configuration, or by
 * the directory where that knows. */
static enum verdict verify_request(const struct admission *a, struct knock *k)
{
	static const uint8_t no_key[RSA_KEY_BYTES];
	const struct device *row = find_row(a, k);

	if (row != NULL)
		k->holder = a->config->client_count + (uint32_t)(row - a->config->devices);
	if (row != NULL && memcmp(row->modulus, no_key, sizeof row->modulus) != 0) {
		memcpy(k->signer_key.modulus, row->modulus, sizeof row->modulus);
		memcpy(k->signer_key.exponent, row->exponent, sizeof row->exponent);
	} else if (a->config->settings->openspa.directory == CONF_ASKED_NATIVE) {
		return VERDICT_UNKNOWN_SIGNER;
	} else if (!k->program_result.has_key) {
		return ask_program(k, QUESTION_KEY);
	} else {
		k->signer_key = k->program_result.key;
	}
	if (k->holder >= a->holders)
		return VERDICT_NO_MEMORY;
	k->verified = codec_verify_request(&k->packet, &k->signer_key);
	return holds(a, k, CHECK_SIGNATURE, k->verified) ? VERDICT_PASS : VERDICT_UNKNOWN_SIGNER;
}

static bool within_quota(const struct admission *a, const struct knock *k)
{
	return grant_table_find(a->grants, k->holder, &k->target, &k->packet.asked.ports) != NULL ||
	       grant_table_held_by(a->grants, k->holder) < a->config->settings->client_quota;
}

static enum verdict allow_target(
    const struct admission *a, struct knock *k, const struct target_policy *policy)
{
	enum verdict v = policy_target(
	    &k->target, a->config, policy, &k->packet.asked.target, &k->packet.record.source);

	if (!holds(a, k, CHECK_TARGET, v == VERDICT_PASS))
		return v;
	return holds(a, k, CHECK_QUOTA, within_quota(a, k)) ? VERDICT_PASS : VERDICT_OVER_QUOTA;
}

static enum verdict allow_client(
    const struct admission *a, struct knock *k, const struct client *client)
{
	const struct target_policy policy = {
	    (enum conf_targets)client->targets, client->target_list, client->wildcard};

	if (!holds(a, k, CHECK_REVOKED, !client->revoked))
		return VERDICT_REVOKED;
	if (!holds(a, k, CHECK_EXPIRY, a->now_ns <= client->expires_ns))
		return VERDICT_EXPIRED;
	if (!holds(a, k, CHECK_PORTS, a->config->policies[client->policy].ports.count > 0))
		return VERDICT_NO_PORTS;
	k->duration_ns = a->config->settings->knock_timeout_ns;
	return allow_target(a, k, &policy);
}

/* For how long a device may have what it asks for; dear where a program has to be asked. */
static enum verdict authorize(
    const struct admission *a, struct knock *k, const struct device *device)
{
	uint16_t duration_s = k->program_result.duration_s;

	if (!holds(a, k, CHECK_FAMILY, ports_suit(&k->packet.asked.ports, &k->target)))
		return VERDICT_NO_PORTS;
	if (a->config->settings->openspa.authorization == CONF_ASKED_NATIVE)
		duration_s = policy_duration(a->config, device, &k->packet.asked);
	else if (duration_s == 0)
		return ask_program(k, QUESTION_DURATION);
	k->duration_ns = duration_s * NS_PER_SECOND;
	return holds(a, k, CHECK_AUTHORIZED, duration_s > 0) ? VERDICT_PASS : VERDICT_NO_PORTS;
}

static enum verdict allow_device(
    const struct admission *a, struct knock *k, const struct device *device)
{
	const struct target_policy policy = {
	    (enum conf_targets)device->targets, device->target_list, true};
	enum verdict v;

	if (!holds(a, k, CHECK_CONTENTS, k->packet.asked.known))
		return VERDICT_BAD_CONTENTS;
	if (!holds(a, k, CHECK_SERVER, policy_is_our_address(a->config, &k->packet.asked.server)))
		return VERDICT_WRONG_SERVER;
	if (!holds(a, k, CHECK_REVOKED, !device->revoked))
		return VERDICT_REVOKED;
	if (!holds(a, k, CHECK_EXPIRY, a->now_ns <= device->expires_ns))
		return VERDICT_EXPIRED;
	v = allow_target(a, k, &policy);
	return v == VERDICT_PASS ? authorize(a, k, device) : v;
}

/* What the holder may do, now; what costs most to find out comes last. */
static enum verdict allow_holder(const struct admission *a, struct knock *k)
{
	const struct device *row;
	struct device unlisted;

	if (!is_openspa(k))
		return allow_client(a, k, &a->config->clients[k->holder]);
	row = find_row(a, k);
	if (row != NULL)
		return allow_device(a, k, row);
	unlisted = policy_unlisted(a->config, k->packet.asked.device);
	return allow_device(a, k, &unlisted);
}

/* What the replay guard knows a packet by. */
static struct replay_packet seen_as(const struct admission *a, const struct knock *k)
{
	bool openspa = is_openspa(k);

	return (struct replay_packet){openspa ? REPLAY_DEVICE : REPLAY_CLIENT,
	    openspa ? k->packet.asked.device : a->config->clients[k->holder].public_key,
	    k->packet.asked.nonce, k->packet.asked.timestamp_ns, k->packet.record.source};
}

static enum verdict check_replay(const struct admission *a, const struct knock *k)
{
	const struct replay_packet p = seen_as(a, k);
	enum verdict v = replay_check(a->replay, &p, a->now_ns);

	holds(a, k, CHECK_REPLAY, v == VERDICT_PASS);
	return v;
}

static enum verdict remember(const struct admission *a, struct knock *k)
{
	const struct replay_packet p = seen_as(a, k);
	int64_t boot_ns = clock_boot_ns(), until_ns = boot_ns + k->duration_ns;
	enum verdict v = replay_remember(a->replay, &p, a->now_ns, &until_ns);

	k->duration_ns = until_ns - boot_ns;
	return v;
}

enum verdict admit(const struct admission *a, struct knock *k)
{
	const struct settings *settings = a->config->settings;
	struct codec_packet *p = &k->packet;
	bool openspa = is_openspa(k);
	int64_t window = openspa ? settings->openspa.window_ns : settings->replay_window_ns;
	enum verdict v;

	k->verified = false;
	/* 1. Form: costs nothing, and every later step may rely on the size. */
	v = check_form(a, k);
	if (v != VERDICT_PASS)
		return v;

	/* 2. The key. Only the doorman holds the server's secrets; the keeper is handed the key
	 * that came of it, and the next step shows whether it is the right one. RSA is dear enough
	 * to be rationed first. */
	if (a->side == ADMIT_DOORMAN && (v = find_key(a, k)) != VERDICT_PASS)
		return v;

	/* 3. The seal: whoever made this knows our public key. That is all it proves, so nothing
	 * in it is believed or kept yet. */
	if (!holds(a, k, CHECK_SEAL, codec_open(p)))
		return VERDICT_BAD_SEAL;

	/* 4. Who. The doorman only guesses; it remembers and grants nothing. */
	if (a->side == ADMIT_DOORMAN)
		return guess_holder(a, k);

	/* From here on the keeper, which believes nobody.
	 * 5. The signature, before anything that the packet says has an effect. Where the key is
	 * not ours to know, the directory is asked for it: the one question that a stranger can
	 * cause. */
	v = openspa ? verify_request(a, k) : verify_knock(a, k);
	if (v != VERDICT_PASS)
		return v;

	/* 6. Freshness before replay: a stamp outside the window needs no look-up, and entries that
	 * have left the window may have been forgotten for it. */
	if (!holds(a, k, CHECK_TIME, replay_in_window(p->asked.timestamp_ns, a->now_ns, window)))
		return VERDICT_STALE;
	v = check_replay(a, k);
	if (v != VERDICT_PASS)
		return v;

	/* 7. What this holder may do, now. After the replay guard, so that nobody can have a
	 * program of the administrator's run for a packet that was admitted before. */
	v = allow_holder(a, k);
	if (v != VERDICT_PASS)
		return v;

	/* 8. Remembered last, so that nothing but an admitted knock takes room in its holder's
	 * guard; and before the grant, so that no crash in between can let it in twice. */
	v = remember(a, k);
	return v == VERDICT_PASS ? VERDICT_GRANTED : v;
}
