#include "echoip/answers.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static bool method_is_known(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
	       strcmp(method, "POST") == 0;
}

static void answer_set(struct answer *a, unsigned int status, int length)
{
	a->status = status;
	a->length = length < 0 ? 0 : (size_t)length;
	if (a->length >= sizeof a->body)
		a->length = sizeof a->body - 1;
}

/* Field order as in the original service: some readers are no JSON parsers. */
static void answer_address(struct answer *a, const struct caller *caller, const char *when)
{
	char client[ADDR_TEXT_BYTES], peer[ADDR_TEXT_BYTES];

	addr_text(&caller->client, client);
	addr_text(&caller->peer, peer);
	answer_set(a, 200,
	    snprintf(a->body, sizeof a->body,
	        "{\"success\":true,\"ip\":\"%s\",\"isIpv6\":%s,\"datetime\":\"%s\","
	        "\"ipDetails\":{\"remoteIP\":\"%s\",\"forwardedForIP\":\"%s\"},"
	        "\"service\":\"echo-ip\",\"version\":\"" POSTERN_VERSION "\","
	        "\"srcUrl\":\"" ECHOIP_SOURCE_URL "\"}\n",
	        client, addr_is_v4(&caller->client) ? "false" : "true", when, peer,
	        caller->forwarded ? client : ""));
}

static void answer_health(struct answer *a, const char *when)
{
	answer_set(a, 200,
	    snprintf(a->body, sizeof a->body,
	        "{\"success\":true,\"health\":\"healthy\",\"datetime\":\"%s\"}\n", when));
}

void answer_error(struct answer *a, unsigned int status, const char *words, int64_t now_ns)
{
	char when[CLOCK_TEXT_BYTES];

	answer_set(a, status,
	    snprintf(a->body, sizeof a->body,
	        "{\"success\":false,\"error\":\"%u - %s\",\"datetime\":\"%s\"}\n", status, words,
	        clock_text(now_ns, when)));
}

void answer_request(struct answer *a, const char *method, const char *path,
    const struct caller *caller, int64_t now_ns)
{
	bool root = strcmp(path, "/") == 0;
	char when[CLOCK_TEXT_BYTES];

	if (!root && strcmp(path, "/health") != 0)
		answer_error(a, 404, "Not Found", now_ns);
	else if (!method_is_known(method))
		answer_error(a, 405, "Method Not Allowed", now_ns);
	else if (root)
		answer_address(a, caller, clock_text(now_ns, when));
	else
		answer_health(a, clock_text(now_ns, when));
}
