#include "cmd/echo_answer.h"

#include "json/json_read.h"

#define DEPTH_MOST 8

/* A member's text, "" when there is none. False when it is something else. */
static bool text_of(const json_t *object, const char *key, const char **out)
{
	const json_t *value = json_object_get(object, key);

	*out = value == NULL ? "" : json_string_value(value);
	return *out != NULL;
}

static bool take_members(struct echo_answer *out, const json_t *answer)
{
	const json_t *details = json_object_get(answer, "ipDetails");
	const char *address, *remote, *forwarded;

	if (!json_is_true(json_object_get(answer, "success")) || !text_of(answer, "ip", &address) ||
	    !text_of(details, "remoteIP", &remote) ||
	    !text_of(details, "forwardedForIP", &forwarded) ||
	    !addr_parse(&out->address, address) || addr_is_wildcard(&out->address))
		return false;
	out->proxied = *forwarded != '\0' && addr_parse(&out->proxy, remote);
	return true;
}

bool echo_answer_read(struct echo_answer *out, const char *text, size_t size)
{
	json_t *answer = size > ECHO_ANSWER_MOST ? NULL : json_read(text, size, DEPTH_MOST);
	bool ok;

	*out = (struct echo_answer){0};
	ok = answer != NULL && take_members(out, answer);
	if (!ok)
		*out = (struct echo_answer){0};
	json_decref(answer);
	return ok;
}
