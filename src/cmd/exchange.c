#include "cmd/exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/secret.h"
#include "cmd/probe.h"

#define WINDOW_S 300                 /* by how much the two clocks may differ */
#define PAUSE_NS (3 * NS_PER_SECOND) /* before the next try, when one could not even be sent */

enum answer { ANSWER_NONE, ANSWER_TAKEN, ANSWER_FORGED, ANSWER_OTHER, ANSWER_STALE, ANSWER_OLD };

static const char *const complaints[] = {
    [ANSWER_FORGED] = "something came back that this server did not sign for us",
    [ANSWER_OTHER] = "the server answered, but for another protocol or other ports",
    [ANSWER_STALE] = "the server answered, but its clock and ours differ by more than 5 minutes",
    [ANSWER_OLD] = "an answer that was taken before came back",
};

static bool build(const struct exchange *x, uint8_t packet[static OPENSPA_REQUEST_BYTES])
{
	struct openspa_request request = x->ask;
	struct envelope_randomness randomness;
	bool ok;

	request.timestamp_s = clock_real_ns() / NS_PER_SECOND;
	secret_random(request.nonce, sizeof request.nonce);
	envelope_randomness_fill(&randomness);
	ok = openspa_request_build(packet, &request, x->key, x->server_key, &randomness);
	secret_wipe(&randomness, sizeof randomness);
	return ok;
}

/* A fresh request. False with errno. */
static bool send_request(const struct exchange *x, int link)
{
	uint8_t packet[OPENSPA_REQUEST_BYTES];

	if (!build(x, packet)) {
		errno = EINVAL;
		return false;
	}
	/* What came of an earlier one may stand in the way once (an ICMP error). */
	for (int attempt = 0; attempt < 2; attempt++) {
		if (send(link, packet, sizeof packet, MSG_NOSIGNAL) == (ssize_t)sizeof packet)
			return true;
		if (errno != ECONNREFUSED && errno != EINTR)
			return false;
	}
	return true; /* refused at once: as good as lost */
}

static bool is_fresh(const struct openspa_response *answer)
{
	int64_t now_s = clock_real_ns() / NS_PER_SECOND;

	return answer->timestamp_s >= now_s - WINDOW_S && answer->timestamp_s <= now_s + WINDOW_S;
}

static enum answer judge_packet(
    const struct exchange *x, struct openspa_response *answer, const uint8_t *packet, size_t size)
{
	if (!openspa_response_open(answer, packet, size, x->key, x->server_key))
		return ANSWER_FORGED;
	if (!ports_equal(&answer->ports, &x->ask.ports))
		return ANSWER_OTHER;
	if (!is_fresh(answer))
		return ANSWER_STALE;
	if (answer->timestamp_s == x->granted.timestamp_s &&
	    memcmp(answer->nonce, x->granted.nonce, sizeof answer->nonce) == 0)
		return ANSWER_OLD;
	return ANSWER_TAKEN;
}

/* Takes the first answer that is one. What else arrives is passed over; *worst tells of it. */
static bool await_answer(const struct cli *cli, struct exchange *x, int link, enum answer *worst)
{
	int64_t end_ns = clock_boot_ns() + x->timeout_ns;

	while (loop_wait_readable(link, end_ns)) {
		uint8_t packet[OPENSPA_RESPONSE_BYTES + 1];
		struct openspa_response answer;
		ssize_t got = recv(link, packet, sizeof packet, MSG_DONTWAIT);
		enum answer verdict;

		if (got < 0 && errno != EAGAIN && errno != EINTR)
			cli_detail(cli, "on the way: %s", strerror(errno));
		if (got < 0)
			continue;
		verdict = judge_packet(x, &answer, packet, (size_t)got);
		if (verdict == ANSWER_TAKEN) {
			x->granted = answer;
			return true;
		}
		cli_detail(cli, "%s", complaints[verdict]);
		if (verdict > *worst)
			*worst = verdict;
	}
	return false;
}

static enum cli_exit report_silence(
    const struct cli *cli, const struct exchange *x, enum answer worst, int error)
{
	char server[ADDR_TEXT_BYTES];

	addr_text(&x->server, server);
	errno = error;
	if (x->sent == 0)
		return cli_fail_errno(cli, "cannot send a request to %s", server);
	if (worst != ANSWER_NONE)
		return cli_fail(cli, CLI_NO_ANSWER, "no answer from %s port %u that counts: %s",
		    server, x->port, complaints[worst]);
	return cli_fail(cli, CLI_NO_ANSWER,
	    "no answer from %s port %u to %" PRIu64 " request%s; a server that refuses is silent",
	    server, x->port, x->sent, x->sent == 1 ? "" : "s");
}

enum cli_exit exchange_run(const struct cli *cli, struct exchange *x)
{
	enum answer worst = ANSWER_NONE;
	int link = -1, error = 0;
	bool taken = false;

	x->sent = 0;
	for (int64_t done = 0; !taken && (x->tries < 0 || done < x->tries); done++) {
		if (link < 0)
			link = probe_connect(&x->server, x->port, SOCK_DGRAM);
		if (link < 0 || !send_request(x, link)) {
			error = errno;
			cli_detail(cli, "cannot send a request: %s", strerror(error));
			if (x->tries == EXCHANGE_WITHOUT_END || done + 1 < x->tries)
				cli_sleep_until(clock_boot_ns() + PAUSE_NS);
			continue;
		}
		x->sent++;
		cli_detail(cli, "request %" PRIu64 " sent", x->sent);
		/* An answer to an earlier request of this round is as good. */
		taken = await_answer(cli, x, link, &worst);
	}
	fd_close(link);
	return taken ? CLI_DONE : report_silence(cli, x, worst, error);
}
