#include "ctl/control.h"

#include <string.h>

#include "base/bytes.h"

#define PORT_RANGE_BYTES 5
#define FLAG_MORE        0x01
#define FLAG_OVERDUE     0x02

_Static_assert(CONTROL_HEADER_BYTES + 1 + (CLIENT_NAME_BYTES - 1) + ADDR_BYTES + 8 + 8 + 1 + 2 +
                       CONTROL_PORTS_MOST * PORT_RANGE_BYTES <=
                   CONTROL_RECORD_BYTES,
    "the largest SESSION fits");
_Static_assert(CONTROL_HEADER_BYTES + 1 + 2 + (CONTROL_TEXT_BYTES - 1) <= CONTROL_RECORD_BYTES,
    "the largest ERROR fits");

/* A name of 1 to `size` - 1 bytes, its length in one byte before it. */
static void put_name(struct writer *w, const char *name, size_t size)
{
	size_t length = strnlen(name, size);

	if (length == 0 || length == size) {
		w->failed = true;
		return;
	}
	writer_u8(w, (uint8_t)length);
	writer_put(w, name, length);
}

static void take_bytes(struct reader *r, char *out, size_t size, size_t length)
{
	if (length == 0 || length >= size) {
		r->failed = true;
		return;
	}
	reader_take(r, out, length);
	out[length] = '\0';
	if (memchr(out, '\0', length) != NULL)
		r->failed = true;
}

static void take_name(struct reader *r, char *out, size_t size)
{
	take_bytes(r, out, size, reader_u8(r));
}

static void put_session(struct writer *w, const struct control_session *s)
{
	if (s->port_count > CONTROL_PORTS_MOST) {
		w->failed = true;
		return;
	}
	put_name(w, s->client, sizeof s->client);
	writer_put(w, s->address.bytes, ADDR_BYTES);
	writer_u64(w, (uint64_t)s->opened_ns);
	writer_u64(w, s->remaining_ms);
	writer_u8(w, (uint8_t)((s->more ? FLAG_MORE : 0) | (s->overdue ? FLAG_OVERDUE : 0)));
	writer_u16(w, s->port_count);
	for (size_t i = 0; i < s->port_count; i++) {
		writer_u8(w, s->ports[i].protocol);
		writer_u16(w, s->ports[i].first);
		writer_u16(w, s->ports[i].last);
	}
}

static void take_session(struct reader *r, struct control_session *s)
{
	uint8_t flags;

	take_name(r, s->client, sizeof s->client);
	reader_take(r, s->address.bytes, ADDR_BYTES);
	s->opened_ns = (int64_t)reader_u64(r);
	s->remaining_ms = reader_u64(r);
	flags = reader_u8(r);
	s->more = (flags & FLAG_MORE) != 0;
	s->overdue = (flags & FLAG_OVERDUE) != 0;
	s->port_count = reader_u16(r);
	if (flags > (FLAG_MORE | FLAG_OVERDUE) || s->port_count > CONTROL_PORTS_MOST) {
		r->failed = true;
		return;
	}
	for (size_t i = 0; i < s->port_count; i++) {
		s->ports[i].protocol = reader_u8(r);
		s->ports[i].first = reader_u16(r);
		s->ports[i].last = reader_u16(r);
		if (s->ports[i].first > s->ports[i].last)
			r->failed = true;
	}
}

static void put_last_seen(struct writer *w, const struct control_last_seen *l)
{
	put_name(w, l->client, sizeof l->client);
	writer_u64(w, (uint64_t)l->when_ns);
	writer_put(w, l->address.bytes, ADDR_BYTES);
}

static void take_last_seen(struct reader *r, struct control_last_seen *l)
{
	take_name(r, l->client, sizeof l->client);
	l->when_ns = (int64_t)reader_u64(r);
	reader_take(r, l->address.bytes, ADDR_BYTES);
}

static void put_stat(struct writer *w, const struct control_stat *s)
{
	put_name(w, s->name, sizeof s->name);
	writer_u64(w, s->value);
}

static void take_stat(struct reader *r, struct control_stat *s)
{
	take_name(r, s->name, sizeof s->name);
	s->value = reader_u64(r);
}

static void put_error(struct writer *w, const struct control_error *e)
{
	size_t length = strnlen(e->text, sizeof e->text);

	if (length == 0 || length == sizeof e->text) {
		w->failed = true;
		return;
	}
	writer_u8(w, (uint8_t)e->fault);
	writer_u16(w, (uint16_t)length);
	writer_put(w, e->text, length);
}

static void take_error(struct reader *r, struct control_error *e)
{
	uint8_t fault = reader_u8(r);

	if (fault != CONTROL_FAULT_FAILED && fault != CONTROL_FAULT_PERMISSION &&
	    fault != CONTROL_FAULT_CONFIG)
		r->failed = true;
	e->fault = (enum control_fault)fault;
	take_bytes(r, e->text, sizeof e->text, reader_u16(r));
}

static void put_body(struct writer *w, const struct control_record *record)
{
	switch (record->type) {
	case CONTROL_SESSIONS:
	case CONTROL_RELOAD:
	case CONTROL_STATS:
	case CONTROL_DONE:
		return;
	case CONTROL_SESSION:
		put_session(w, &record->session);
		return;
	case CONTROL_LAST_SEEN:
		put_last_seen(w, &record->last_seen);
		return;
	case CONTROL_STAT:
		put_stat(w, &record->stat);
		return;
	case CONTROL_ERROR:
		put_error(w, &record->error);
		return;
	}
	w->failed = true;
}

static void take_body(struct reader *r, struct control_record *record)
{
	switch (record->type) {
	case CONTROL_SESSIONS:
	case CONTROL_RELOAD:
	case CONTROL_STATS:
	case CONTROL_DONE:
		return;
	case CONTROL_SESSION:
		take_session(r, &record->session);
		return;
	case CONTROL_LAST_SEEN:
		take_last_seen(r, &record->last_seen);
		return;
	case CONTROL_STAT:
		take_stat(r, &record->stat);
		return;
	case CONTROL_ERROR:
		take_error(r, &record->error);
		return;
	}
	r->failed = true;
}

size_t control_encode(
    uint8_t packet[static CONTROL_RECORD_BYTES], const struct control_record *record)
{
	uint8_t bytes[CONTROL_RECORD_BYTES - CONTROL_HEADER_BYTES];
	struct writer body = writer_of(bytes, sizeof bytes);
	struct writer w = writer_of(packet, CONTROL_RECORD_BYTES);

	put_body(&body, record);
	writer_u8(&w, CONTROL_VERSION);
	writer_u8(&w, (uint8_t)record->type);
	writer_u16(&w, (uint16_t)body.used);
	writer_put(&w, bytes, body.used);
	return body.failed || w.failed ? 0 : w.used;
}

bool control_decode(struct control_record *out, const void *packet, size_t size)
{
	struct reader r = reader_of(packet, size);
	uint8_t version = reader_u8(&r);

	memset(out, 0, sizeof *out);
	out->type = (enum control_type)reader_u8(&r);
	if (reader_u16(&r) != r.left || version != CONTROL_VERSION)
		r.failed = true;
	take_body(&r, out);
	if (reader_done(&r))
		return true;
	memset(out, 0, sizeof *out);
	return false;
}

bool control_is_request(enum control_type type)
{
	return type == CONTROL_SESSIONS || type == CONTROL_RELOAD || type == CONTROL_STATS;
}

struct control_record control_error_of(enum control_fault fault, const char *text)
{
	struct control_record record = {.type = CONTROL_ERROR, .error.fault = fault};
	size_t length = strnlen(text, CONTROL_TEXT_BYTES - 1);

	if (length == 0) {
		text = "unknown error";
		length = strlen(text);
	}
	memcpy(record.error.text, text, length);
	return record;
}
