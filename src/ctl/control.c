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

/* A record on its way in or out: what stands in it is said once, for both. */
struct wire {
	bool reading;
	struct reader in;
	struct writer out;
	bool failed;
};

/* An integer of 1, 2 or 8 bytes: `value`, or what was read in its place. */
static uint64_t number(struct wire *w, uint64_t value, size_t size)
{
	if (w->reading)
		return size == 1   ? reader_u8(&w->in)
		       : size == 2 ? reader_u16(&w->in)
		                   : reader_u64(&w->in);
	if (size == 1)
		writer_u8(&w->out, (uint8_t)value);
	else if (size == 2)
		writer_u16(&w->out, (uint16_t)value);
	else
		writer_u64(&w->out, value);
	return value;
}

static void bytes(struct wire *w, void *data, size_t size)
{
	if (w->reading)
		reader_take(&w->in, data, size);
	else
		writer_put(&w->out, data, size);
}

/* A text of 1 to `size` - 1 bytes, its length before it. */
static void text(struct wire *w, char *data, size_t size, size_t length_size)
{
	size_t length = (size_t)number(w, w->reading ? 0 : strnlen(data, size), length_size);

	if (length == 0 || length >= size) {
		w->failed = true;
		return;
	}
	bytes(w, data, length);
	data[length] = '\0';
	if (memchr(data, '\0', length) != NULL)
		w->failed = true;
}

static void session(struct wire *w, struct control_session *s)
{
	uint64_t flags = (s->more ? FLAG_MORE : 0) | (s->overdue ? FLAG_OVERDUE : 0);

	text(w, s->client, sizeof s->client, 1);
	bytes(w, s->address.bytes, ADDR_BYTES);
	s->opened_ns = (int64_t)number(w, (uint64_t)s->opened_ns, 8);
	s->remaining_ms = number(w, s->remaining_ms, 8);
	flags = number(w, flags, 1);
	s->more = (flags & FLAG_MORE) != 0;
	s->overdue = (flags & FLAG_OVERDUE) != 0;
	s->port_count = (uint16_t)number(w, s->port_count, 2);
	if (flags > (FLAG_MORE | FLAG_OVERDUE) || s->port_count > CONTROL_PORTS_MOST) {
		w->failed = true;
		return;
	}
	for (size_t i = 0; i < s->port_count; i++) {
		s->ports[i].protocol = (uint8_t)number(w, s->ports[i].protocol, 1);
		s->ports[i].first = (uint16_t)number(w, s->ports[i].first, 2);
		s->ports[i].last = (uint16_t)number(w, s->ports[i].last, 2);
		if (s->ports[i].first > s->ports[i].last)
			w->failed = true;
	}
}

static void last_seen(struct wire *w, struct control_last_seen *l)
{
	text(w, l->client, sizeof l->client, 1);
	l->when_ns = (int64_t)number(w, (uint64_t)l->when_ns, 8);
	bytes(w, l->address.bytes, ADDR_BYTES);
}

static void stat(struct wire *w, struct control_stat *s)
{
	text(w, s->name, sizeof s->name, 1);
	s->value = number(w, s->value, 8);
}

static void error(struct wire *w, struct control_error *e)
{
	e->fault = (enum control_fault)number(w, (uint64_t)e->fault, 1);
	if (e->fault != CONTROL_FAULT_FAILED && e->fault != CONTROL_FAULT_PERMISSION &&
	    e->fault != CONTROL_FAULT_CONFIG)
		w->failed = true;
	text(w, e->text, sizeof e->text, 2);
}

static void body(struct wire *w, struct control_record *record)
{
	switch (record->type) {
	case CONTROL_SESSIONS:
	case CONTROL_RELOAD:
	case CONTROL_STATS:
	case CONTROL_DONE:
		return;
	case CONTROL_SESSION:
		session(w, &record->session);
		return;
	case CONTROL_LAST_SEEN:
		last_seen(w, &record->last_seen);
		return;
	case CONTROL_STAT:
		stat(w, &record->stat);
		return;
	case CONTROL_ERROR:
		error(w, &record->error);
		return;
	}
	w->failed = true;
}

size_t control_encode(
    uint8_t packet[static CONTROL_RECORD_BYTES], const struct control_record *record)
{
	uint8_t inside[CONTROL_RECORD_BYTES - CONTROL_HEADER_BYTES];
	struct wire w = {.out = writer_of(inside, sizeof inside)};
	struct writer out = writer_of(packet, CONTROL_RECORD_BYTES);
	struct control_record copy = *record;

	body(&w, &copy);
	writer_u8(&out, CONTROL_VERSION);
	writer_u8(&out, (uint8_t)record->type);
	writer_u16(&out, (uint16_t)w.out.used);
	writer_put(&out, inside, w.out.used);
	return w.failed || w.out.failed || out.failed ? 0 : out.used;
}

bool control_decode(struct control_record *out, const void *packet, size_t size)
{
	struct wire w = {.reading = true, .in = reader_of(packet, size)};
	uint8_t version = reader_u8(&w.in);

	memset(out, 0, sizeof *out);
	out->type = (enum control_type)reader_u8(&w.in);
	if (reader_u16(&w.in) != w.in.left || version != CONTROL_VERSION)
		w.failed = true;
	body(&w, out);
	if (!w.failed && reader_done(&w.in))
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
