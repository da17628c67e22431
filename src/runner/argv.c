#include "runner/argv.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/uuid.h"
#include "proto/openspa.h"

const char *runner_task_name(uint8_t task)
{
	static const char *const names[RUNNER_TASK_COUNT] = {"userDirectoryService",
	    "authorization", "ruleAdd", "ruleRemove", "serverStart", "serverStop"};

	return task < RUNNER_TASK_COUNT ? names[task] : "unknown";
}

const char *runner_protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case OPENSPA_ICMP:
		return "ICMP";
	case OPENSPA_IPV4:
		return "IPV4";
	case OPENSPA_TCP:
		return "TCP";
	case OPENSPA_UDP:
		return "UDP";
	case OPENSPA_ICMPV6:
		return "ICMPV6";
	default:
		return NULL;
	}
}

__attribute__((format(printf, 2, 3))) static void add(
    struct runner_argv *a, const char *format, ...)
{
	va_list args;
	int size;

	if (a->count == RUNNER_WORDS_MOST)
		return;
	va_start(args, format);
	size = vsnprintf(a->text + a->used, sizeof a->text - a->used, format, args);
	va_end(args);
	if (size < 0 || (size_t)size >= sizeof a->text - a->used) {
		a->count = RUNNER_WORDS_MOST; /* does not fit: never closed, see build */
		return;
	}
	a->words[a->count++] = a->text + a->used;
	a->used += (size_t)size + 1;
}

static void add_address(struct runner_argv *a, const struct addr *address, bool with_family)
{
	char text[ADDR_TEXT_BYTES];

	if (with_family)
		add(a, "%s", addr_is_v4(address) ? "ipv4" : "ipv6");
	add(a, "%s", addr_text(address, text));
}

static void add_target(struct runner_argv *a, const struct runner_request *q, bool with_family)
{
	add_address(a, &q->client_address, with_family);
	add_address(a, &q->server_address, with_family);
	add(a, "%s", runner_protocol_name(q->ports.protocol));
	add(a, "%u", q->ports.first);
	add(a, "%u", q->ports.last);
}

bool runner_argv_build(struct runner_argv *out, const char *program, const struct runner_request *q)
{
	char device[UUID_TEXT_BYTES];

	*out = (struct runner_argv){0};
	if (q->task >= RUNNER_TASK_COUNT)
		return false;
	if (runner_task_is_mains(q->task)) {
		add(out, "%s", program);
		return out->count < RUNNER_WORDS_MOST;
	}
	if (q->task != RUNNER_PUBLIC_KEY && runner_protocol_name(q->ports.protocol) == NULL)
		return false;
	add(out, "%s", program);
	if (q->task == RUNNER_PUBLIC_KEY)
		add(out, "GET_USER_PUBLIC_KEY");
	add(out, "%s", uuid_text(device, q->device));
	if (q->task == RUNNER_AUTHORIZE) {
		add_target(out, q, false);
		add(out, "%" PRId64, q->timestamp_s);
		add(out, "RSA_SHA256");
		add(out, "%d", q->behind_nat);
	} else if (q->task != RUNNER_PUBLIC_KEY) {
		add_target(out, q, true);
		add(out, "%d", q->behind_nat);
		add(out, "%u", q->duration_s);
	}
	return out->count < RUNNER_WORDS_MOST;
}

_Static_assert(RUNNER_LINE_BYTES <= PIPE_BUF, "a question is written whole or not at all");

size_t runner_line_write(
    char line[static RUNNER_LINE_BYTES], uint32_t id, const struct runner_request *q)
{
	static const char *const tasks[RUNNER_TASK_COUNT] = {
	    "publicKey", "authorization", "ruleAdd", "ruleRemove"};
	const char *protocol = runner_protocol_name(q->ports.protocol);
	char device[UUID_TEXT_BYTES], client[ADDR_TEXT_BYTES], server[ADDR_TEXT_BYTES];
	char rest[RUNNER_LINE_BYTES / 2] = "", last[64] = "";
	int size;

	if (q->task >= RUNNER_TASK_COUNT || tasks[q->task] == NULL ||
	    (q->task != RUNNER_PUBLIC_KEY && protocol == NULL))
		return 0;
	if (q->task != RUNNER_PUBLIC_KEY)
		snprintf(rest, sizeof rest,
		    ",\"clientAddress\":\"%s\",\"serverAddress\":\"%s\",\"protocol\":\"%s\","
		    "\"firstPort\":%u,\"lastPort\":%u,\"behindNat\":%s",
		    addr_text(&q->client_address, client), addr_text(&q->server_address, server),
		    protocol, q->ports.first, q->ports.last, q->behind_nat ? "true" : "false");
	if (q->task == RUNNER_AUTHORIZE)
		snprintf(last, sizeof last, ",\"timestamp\":%" PRId64, q->timestamp_s);
	else if (q->task != RUNNER_PUBLIC_KEY)
		snprintf(last, sizeof last, ",\"duration\":%u", q->duration_s);
	size = snprintf(line, RUNNER_LINE_BYTES,
	    "{\"id\":%" PRIu32 ",\"task\":\"%s\",\"device\":\"%s\"%s%s}\n", id, tasks[q->task],
	    uuid_text(device, q->device), rest, last);
	return size > 0 && size < RUNNER_LINE_BYTES ? (size_t)size : 0;
}
