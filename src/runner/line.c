#include "runner/line.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/uuid.h"
#include "runner/argv.h"

_Static_assert(RUNNER_LINE_BYTES <= PIPE_BUF, "a question is written whole or not at all");

/* --- Questions */

size_t runner_line_write(
    char line[static RUNNER_LINE_BYTES], uint32_t id, const struct runner_request *q)
{
	static const char *const tasks[RUNNER_TASK_COUNT] = {
	    "publicKey", "authorization", "ruleAdd", "ruleRemove"};
	const char *protocol = runner_protocol_name(q->protocol);
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
		    protocol, q->first_port, q->last_port, q->behind_nat ? "true" : "false");
	if (q->task == RUNNER_AUTHORIZE)
		snprintf(last, sizeof last, ",\"timestamp\":%" PRId64, q->timestamp_s);
	else if (q->task != RUNNER_PUBLIC_KEY)
		snprintf(last, sizeof last, ",\"duration\":%u", q->duration_s);
	size = snprintf(line, RUNNER_LINE_BYTES,
	    "{\"id\":%" PRIu32 ",\"task\":\"%s\",\"device\":\"%s\"%s%s}\n", id, tasks[q->task],
	    uuid_text(device, q->device), rest, last);
	return size > 0 && size < RUNNER_LINE_BYTES ? (size_t)size : 0;
}

/* --- Answers */

static uint8_t peek(const struct reader *r)
{
	return r->left > 0 && !r->failed ? *r->data : 0;
}

static void space(struct reader *r)
{
	while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\r')
		reader_skip(r, 1);
}

/* The next character that is no space must be `c`. */
static void expect(struct reader *r, char c)
{
	space(r);
	if (reader_u8(r) != (uint8_t)c)
		r->failed = true;
}

static void word(struct reader *r, const char *text)
{
	while (*text != '\0')
		if (reader_u8(r) != (uint8_t)*text++)
			r->failed = true;
}

static bool take_bool(struct reader *r)
{
	space(r);
	if (peek(r) == 't') {
		word(r, "true");
		return true;
	}
	word(r, "false");
	return false;
}

/* A number as JSON writes it, but whole, without a sign, and of 32 bits. */
static uint32_t take_number(struct reader *r)
{
	uint64_t value = 0;
	size_t digits = 0;

	space(r);
	for (; peek(r) >= '0' && peek(r) <= '9'; digits++) {
		if (digits > 0 && value == 0)
			r->failed = true; /* a leading zero */
		value = value * 10 + (uint64_t)(reader_u8(r) - '0');
		if (value > UINT32_MAX)
			r->failed = true;
	}
	if (digits == 0)
		r->failed = true;
	return r->failed ? 0 : (uint32_t)value;
}

/* \uXXXX, of ASCII only: no name and no key has more. */
static uint8_t take_code(struct reader *r)
{
	static const char hex[] = "0123456789abcdef";
	unsigned int value = 0;

	for (int i = 0; i < 4; i++) {
		uint8_t c = reader_u8(r);
		const char *digit = c == 0 ? NULL : strchr(hex, c >= 'A' && c <= 'F' ? c + 32 : c);

		if (digit == NULL) {
			r->failed = true;
			return 0;
		}
		value = value * 16 + (unsigned int)(digit - hex);
	}
	if (value == 0 || value > 0x7f)
		r->failed = true;
	return (uint8_t)value;
}

static uint8_t take_escape(struct reader *r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	uint8_t c = reader_u8(r);
	const char *found = c == 0 ? NULL : strchr(from, c);

	if (c == 'u')
		return take_code(r);
	if (found == NULL) {
		r->failed = true;
		return 0;
	}
	return (uint8_t)to[found - from];
}

/* A string into `out`, which may be where it stands: it never gets longer. */
static void take_string(struct reader *r, struct writer *out)
{
	expect(r, '"');
	while (!r->failed && peek(r) != '"') {
		uint8_t c = reader_u8(r);

		if (c == '\\')
			c = take_escape(r);
		else if (c < 0x20)
			r->failed = true;
		writer_u8(out, c);
	}
	expect(r, '"');
	if (out->failed)
		r->failed = true;
}

enum { MEMBER_ID = 1, MEMBER_OK = 2, MEMBER_DURATION = 4, MEMBER_KEY = 8 };

static int member_of(const uint8_t *name, size_t size)
{
	static const struct {
		const char *name;
		int member;
	} known[] = {{"id", MEMBER_ID}, {"ok", MEMBER_OK}, {"duration", MEMBER_DURATION},
	    {"publicKey", MEMBER_KEY}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i].name) == size && memcmp(known[i].name, name, size) == 0)
			return known[i].member;
	return 0;
}

static void take_key(struct runner_line *out, struct reader *r, char *line, size_t size)
{
	size_t offset;
	struct writer key;

	space(r);
	offset = size - r->left;
	key = writer_of(line + offset, size - offset);
	take_string(r, &key);
	out->public_key = line + offset;
	out->public_key_size = key.used;
}

/* One member; which it was, 0 when it is none of ours. */
static int take_member(struct runner_line *out, struct reader *r, char *line, size_t size)
{
	uint8_t bytes[16];
	struct writer name = writer_of(bytes, sizeof bytes);
	int member;

	take_string(r, &name);
	expect(r, ':');
	member = r->failed ? 0 : member_of(bytes, name.used);
	if (member == MEMBER_ID)
		out->id = take_number(r);
	else if (member == MEMBER_OK)
		out->ok = take_bool(r);
	else if (member == MEMBER_DURATION)
		out->duration = take_number(r);
	else if (member == MEMBER_KEY)
		take_key(out, r, line, size);
	return member;
}

bool runner_line_parse(struct runner_line *out, char *line, size_t size)
{
	struct reader r = reader_of(line, size);
	int seen = 0;

	*out = (struct runner_line){0};
	expect(&r, '{');
	while (!r.failed) {
		int member = take_member(out, &r, line, size);

		if (member == 0 || (seen & member) != 0)
			return false;
		seen |= member;
		space(&r);
		if (peek(&r) == '}')
			break;
		expect(&r, ',');
	}
	expect(&r, '}');
	space(&r);
	out->has_duration = (seen & MEMBER_DURATION) != 0;
	return reader_done(&r) && (seen & MEMBER_ID) != 0 && (seen & MEMBER_OK) != 0;
}
