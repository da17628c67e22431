#include "runner/line.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "base/uuid.h"
#include "runner/argv.h"

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
