#include "echoip/forwarded.h"

#include <string.h>

#define SPACES " \t"
#define DIGITS "0123456789"

bool proxies_trust(const struct proxies *p, const struct addr *a)
{
	return addr_in_any(a, p->networks, p->count);
}

void forwarded_add(struct forwarded *f, const char *line)
{
	f->lines[f->count % FORWARDED_LINES_MAX] = line;
	f->count++;
}

/* "" or ":4711". */
static bool is_port(const char *text)
{
	size_t length = strlen(text);

	if (length == 0)
		return true;
	return text[0] == ':' && length >= 2 && length <= 6 &&
	       strspn(text + 1, DIGITS) == length - 1;
}

/* One value without blanks around it. */
static bool value_parse(struct addr *out, char *text)
{
	char *address = text, *rest;

	if (text[0] == '[') {
		address = text + 1;
		rest = strchr(address, ']');
		if (rest == NULL)
			return false;
		*rest++ = '\0';
		if (strchr(address, ':') == NULL)
			return false;
	} else {
		rest = strchr(text, ':');
		/* More than one colon: a bare IPv6 address. */
		if (rest == NULL || strchr(rest + 1, ':') != NULL)
			return addr_parse(out, text) && !addr_is_wildcard(out);
	}
	if (!is_port(rest))
		return false;
	if (text[0] != '[')
		*rest = '\0';
	return addr_parse(out, address) && !addr_is_wildcard(out);
}

enum value { VALUE_NONE, VALUE_ADDRESS, VALUE_BAD };

/* Takes the right-most value off line[0..*length). */
static enum value value_take(struct addr *out, const char *line, size_t *length)
{
	char text[64];
	size_t end, start;

	while (*length > 0 && strchr(SPACES ",", line[*length - 1]) != NULL)
		--*length;
	end = *length;
	if (end == 0)
		return VALUE_NONE;
	start = end;
	while (start > 0 && line[start - 1] != ',')
		start--;
	*length = start;
	while (start < end && strchr(SPACES, line[start]) != NULL)
		start++;
	if (end - start >= sizeof text)
		return VALUE_BAD;
	memcpy(text, line + start, end - start);
	text[end - start] = '\0';
	return value_parse(out, text) ? VALUE_ADDRESS : VALUE_BAD;
}

bool forwarded_client(struct addr *client, const struct forwarded *f, const struct proxies *trusted,
    const struct addr *peer)
{
	size_t lines = f->count < FORWARDED_LINES_MAX ? f->count : FORWARDED_LINES_MAX;
	struct addr here = *peer;
	bool moved = false;

	for (size_t i = 0; i < lines; i++) {
		const char *line = f->lines[(f->count - 1 - i) % FORWARDED_LINES_MAX];
		size_t length = strlen(line);
		struct addr next;
		enum value found;

		while (proxies_trust(trusted, &here) &&
		       (found = value_take(&next, line, &length)) != VALUE_NONE) {
			if (found == VALUE_BAD)
				goto out;
			here = next;
			moved = true;
		}
	}
out:
	*client = here;
	return moved;
}
