#include "admit/admit.h"

#include "admit/policy.h"
#include "base/clock.h"

/* Whose packet it may be, as far as it can be told without a signature: openme's says nothing, so
 * that the source is the only hint; OpenSPA's names its device. */
static enum verdict identify(const struct admission *a, struct knock *k)
{
	int64_t device;

	if (k->packet.record.protocol == RECORD_OPENME) {
		k->holder = directory_guess(a->directory, &k->packet.record.source);
		return VERDICT_HANDED_ON;
	}
	device = snapshot_find_device(a->config, k->packet.asked.device);
	if (device < 0)
		return VERDICT_UNKNOWN_SIGNER;
	k->holder = a->config->client_count + (uint32_t)device;
	return VERDICT_HANDED_ON;
}

static enum verdict allow_client(
    const struct admission *a, struct knock *k, const struct client *client)
{
	const struct target_policy policy = {
	    (enum conf_targets)client->targets, client->target_list, client->wildcard};
	enum verdict v;

	if (client->revoked)
		return VERDICT_REVOKED;
	if (a->now_ns > client->expires_ns)
		return VERDICT_EXPIRED;
	v = policy_target(
	    &k->target, a->config, &policy, &k->packet.asked.target, &k->packet.record.source);
	if (v != VERDICT_GRANTED)
		return v;
	if (a->config->policies[client->policy].ports.count == 0)
		return VERDICT_NO_PORTS;
	k->duration_ns = a->config->settings->knock_timeout_ns;
	return VERDICT_GRANTED;
}

static enum verdict allow_device(
    const struct admission *a, struct knock *k, const struct device *device)
{
	const struct target_policy policy = {
	    (enum conf_targets)device->targets, device->target_list, true};
	enum verdict v;

	if (!policy_is_our_address(a->config, &k->packet.asked.server))
		return VERDICT_WRONG_SERVER;
	if (device->revoked)
		return VERDICT_REVOKED;
	if (a->now_ns > device->expires_ns)
		return VERDICT_EXPIRED;
	v = policy_target(
	    &k->target, a->config, &policy, &k->packet.asked.target, &k->packet.record.source);
	if (v != VERDICT_GRANTED)
		return v;
	k->duration_ns = policy_duration(a->config, device, &k->packet.asked) * NS_PER_SECOND;
	return k->duration_ns > 0 ? VERDICT_GRANTED : VERDICT_NO_PORTS;
}

static enum verdict allow(const struct admission *a, struct knock *k)
{
	const struct snapshot *s = a->config;

	return k->holder < s->client_count
	           ? allow_client(a, k, &s->clients[k->holder])
	           : allow_device(a, k, &s->devices[k->holder - s->client_count]);
}

static bool within_quota(const struct admission *a, const struct knock *k)
{
	const struct ledger_what what = {
	    k->packet.asked.protocol, k->packet.asked.first_port, k->packet.asked.last_port};

	return ledger_find(a->ledger, k->holder, &k->target, &what) != NULL ||
	       ledger_held_by(a->ledger, k->holder) < a->config->settings->client_quota;
}

enum verdict admit(const struct admission *a, struct knock *k)
{
	const struct settings *settings = a->config->settings;
	struct codec_packet *p = &k->packet;
	bool openspa = p->record.protocol == RECORD_OPENSPA;
	int64_t window = openspa ? settings->openspa.window_ns : settings->replay_window_ns;
	enum verdict v;

	/* 1. Form: costs nothing, and every later step may rely on the size. */
	v = codec_screen(&p->record);
	if (v != VERDICT_GRANTED)
		return v;

	/* 2. The key. Only the doorman holds the server's secrets; the keeper is handed the key
	 * that came of it, and the next step shows whether it is the right one. RSA is dear enough
	 * to be rationed first. */
	if (a->side == ADMIT_DOORMAN) {
		if (openspa && !budget_take(a->budget, &p->record.source, clock_boot_ns()))
			return VERDICT_BUSY;
		v = codec_unseal(p, a->secrets);
		if (v != VERDICT_GRANTED)
			return v;
	}

	/* 3. The seal: whoever made this knows our public key. That is all it proves, so nothing
	 * in it is believed or kept yet. */
	if (!codec_open(p))
		return VERDICT_BAD_SEAL;

	/* 4. Who. The doorman only guesses; it remembers and grants nothing. */
	if (a->side == ADMIT_DOORMAN)
		return identify(a, k);

	/* From here on the keeper, which believes nobody.
	 * 5. The signature, before anything that the packet says has an effect. */
	if (!codec_verify(p, a->config, k->holder))
		return VERDICT_WRONG_SIGNER;

	/* 6. Freshness before replay: a stamp outside the window needs no look-up, and entries that
	 * have left the window may have been forgotten for it. */
	if (!replay_in_window(p->asked.timestamp_ns, a->now_ns, window))
		return VERDICT_STALE;
	if (!replay_is_new(&a->replay[k->holder], p->asked.timestamp_ns, p->asked.nonce))
		return VERDICT_REPLAYED;

	/* 7. What this holder may do, now. */
	v = allow(a, k);
	if (v != VERDICT_GRANTED)
		return v;
	if (!within_quota(a, k))
		return VERDICT_OVER_QUOTA;

	/* 8. Remembered last, so that nothing but an admitted knock takes room in its holder's
	 * guard; and before the grant, so that no crash in between can let it in twice. */
	if (!replay_remember(
	        &a->replay[k->holder], p->asked.timestamp_ns, p->asked.nonce, a->now_ns, window))
		return VERDICT_NO_MEMORY;
	return VERDICT_GRANTED;
}
