#include "cmd/explain_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/explain_cause.h"
#include "cmd/text.h"
#include "explain/trace.h"

#define EVENTS_MOST 256

/* The names of an event, for longer than it lives. */
struct told {
	uint8_t family;
	char table[NFT_NAME_BYTES], chain[NFT_NAME_BYTES], target[NFT_NAME_BYTES];
	uint64_t handle;
	bool policy;
	uint32_t verdict;
};

struct log {
	struct told *told;
	size_t count;
	bool more;
};

static void keep(void *context, const struct trace_event *event)
{
	struct log *log = context;
	struct told *t = &log->told[log->count];

	if (log->count == EVENTS_MOST) {
		log->more = true;
		return;
	}
	*t = (struct told){.family = event->family,
	    .handle = event->handle,
	    .policy = event->policy,
	    .verdict = event->verdict};
	snprintf(t->table, sizeof t->table, "%s", event->table);
	snprintf(t->chain, sizeof t->chain, "%s", event->chain);
	snprintf(t->target, sizeof t->target, "%s", event->target);
	log->count++;
}

static const char *verdict_name(uint32_t verdict)
{
	switch (verdict) {
	case NF_DROP:
		return "drop";
	case NF_ACCEPT:
		return "accept";
	case NF_STOLEN:
		return "taken over";
	case NF_QUEUE:
		return "queue";
	case (uint32_t)NFT_JUMP:
		return "jump";
	case (uint32_t)NFT_GOTO:
		return "goto";
	case (uint32_t)NFT_RETURN:
		return "return";
	default:
		return "continue";
	}
}

static const char *told_text(char out[static RULE_TEXT_BYTES], const struct told *t)
{
	return rule_text(out, &(struct rule_name){t->family, t->table, t->chain, t->handle});
}

static void print_told(const struct told *t)
{
	char buffer[1024], text[RULE_TEXT_BYTES], escaped[RULE_TEXT_BYTES];
	struct line l = {.text = buffer, .size = sizeof buffer};

	line_add(&l, "  table %s ", rule_family(t->family));
	cause_add_name(&l, t->table);
	line_add(&l, ", chain ");
	cause_add_name(&l, t->chain);
	if (t->policy)
		line_add(&l, ", its policy");
	else if (t->handle != 0)
		line_add(&l, ", rule handle %" PRIu64, t->handle);
	line_add(&l, ": %s", verdict_name(t->verdict));
	if (t->target[0] != '\0')
		line_add(&l, " ");
	cause_add_name(&l, t->target);
	if (told_text(text, t)[0] != '\0')
		line_add(&l, ": `%s`", text_escaped(escaped, 200, text));
	puts(buffer);
}

static void json_told(struct json *j, const struct told *t)
{
	char text[RULE_TEXT_BYTES];

	json_open(j, NULL, '{');
	json_string(j, "family", rule_family(t->family));
	json_string(j, "table", t->table);
	json_string(j, "chain", t->chain);
	json_bool(j, "policy", t->policy);
	if (t->handle != 0)
		json_number(j, "handle", (int64_t)t->handle);
	json_string(j, "verdict", verdict_name(t->verdict));
	if (t->target[0] != '\0')
		json_string(j, "target", t->target);
	if (told_text(text, t)[0] != '\0')
		json_string(j, "rule", text);
	json_close(j, '}');
}

static void print(const struct log *log, enum trace_result result)
{
	static const char *const endings[] = {
	    [TRACE_PASSED] = "the kernel: it passes all rules of nf_tables",
	    [TRACE_DROPPED] = "the kernel: it is dropped",
	    [TRACE_NOTHING_CAME] =
	        ("no such packet has come: it is lost on its way, or it comes by "
	         "other addresses or another interface")};

	for (size_t i = 0; i < log->count; i++)
		print_told(&log->told[i]);
	if (log->more)
		puts("  and more rules");
	puts(endings[result]);
}

static void print_json(struct json *j, const struct log *log, enum trace_result result)
{
	static const char *const results[] = {[TRACE_PASSED] = "accept",
	    [TRACE_DROPPED] = "drop",
	    [TRACE_NOTHING_CAME] = "nothing came"};

	json_string(j, "trace_verdict", results[result]);
	json_open(j, "trace", '[');
	for (size_t i = 0; i < log->count; i++)
		json_told(j, &log->told[i]);
	json_close(j, ']');
}

enum cli_exit explain_trace(
    const struct cli *cli, struct json *j, const struct packet *asked, int64_t timeout_ns)
{
	static const enum cli_exit exits[] = {[TRACE_PASSED] = CLI_DONE,
	    [TRACE_DROPPED] = CLI_CLOSED,
	    [TRACE_NOTHING_CAME] = CLI_NO_ANSWER};
	struct log log = {.told = calloc(EVENTS_MOST, sizeof *log.told)};
	enum trace_result result = TRACE_NOTHING_CAME;
	enum cli_exit status = CLI_FAILED;
	struct explain_error error;

	if (log.told == NULL)
		return cli_fail(cli, CLI_FAILED, "out of memory");
	if (!trace_wait(asked, timeout_ns, keep, &log, &result, &error)) {
		status =
		    cli_fail(cli, error.permission ? CLI_PERMISSION : CLI_FAILED, "%s", error.text);
	} else {
		if (j != NULL)
			print_json(j, &log, result);
		else
			print(&log, result);
		status = exits[result];
	}
	free(log.told);
	return status;
}
