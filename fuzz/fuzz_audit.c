/* A line of the audit log, and the files that lines stand in. What is read can be written and is
 * the same when it is read again. Input: the bytes of audit.log. */
#include <string.h>

#include "audit/audit_line.h"
#include "fuzz.h"

static void try_line(const char *line, size_t size)
{
	static struct audit_record r, again;
	struct audit_line l;
	int64_t number;

	if (!audit_line_read(&r, line, size))
		return;
	must(r.count >= 2 && r.count <= AUDIT_FIELDS_MOST && r.event != NULL);
	audit_line_begin(&l, r.event, r.time_ns);
	for (size_t i = 0; i < r.count; i++) {
		const struct audit_field *f = &r.fields[i];

		must(f->value >= r.text && f->value < r.text + sizeof r.text);
		must(strlen(f->value) < AUDIT_LINE_BYTES && *f->key != '\0');
		if (strcmp(f->key, "time") == 0 || strcmp(f->key, "event") == 0)
			continue;
		if (audit_record_number(&r, f->key, &number))
			audit_line_number(&l, f->key, number);
		else
			audit_line_text(&l, f->key, f->value);
	}
	size = audit_line_end(&l);
	if (size == 0)
		return; /* escapes are longer than what they stand for */
	must(audit_line_read(&again, l.text, size) && again.count == r.count);
	must(again.time_ns == r.time_ns && strcmp(again.event, r.event) == 0);
	for (size_t i = 0; i < r.count; i++)
		must(r.fields[i].number || strcmp(r.fields[i].key, "time") == 0 ||
		     strcmp(r.fields[i].value, audit_record_get(&again, r.fields[i].key)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	const char *at = text, *end = text + size;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *next = newline == NULL ? end : newline + 1;

		try_line(at, (size_t)(next - at));
		at = next;
	}
	free(text);
	return 0;
}
