#include "cmd/echo_answer.h"

#include <string.h>

#define DEPTH_MOST 8
#define TEXT_BYTES 64 /* of a string that matters to us; longer ones are none of ours */

struct input {
	const char *at;
	const char *end;
	bool failed;
};

/* The members that we look for. Each may stand there once. */
struct found {
	char address[TEXT_BYTES];
	char remote[TEXT_BYTES];
	char forwarded[TEXT_BYTES];
	bool success;
	unsigned int count[4];
};

enum where { AT_TOP, IN_DETAILS, ELSEWHERE };

static void skip_space(struct input *in)
{
	while (in->at < in->end && memchr(" \t\r\n", *in->at, 4) != NULL)
		in->at++;
}

/* The next character, and past it; '\0' when there is none. */
static char take(struct input *in)
{
	if (in->at == in->end) {
		in->failed = true;
		return '\0';
	}
	return *in->at++;
}

static bool take_if(struct input *in, char wanted)
{
	if (in->at == in->end || *in->at != wanted)
		return false;
	in->at++;
	return true;
}

static void expect(struct input *in, const char *word)
{
	for (; *word != '\0'; word++) {
		if (take(in) != *word)
			in->failed = true;
	}
}

/* Four hexadecimal digits; what lies outside ASCII, and a zero, cannot be part of what we look
 * for and becomes '?'. */
static char take_escaped_code(struct input *in)
{
	unsigned int code = 0;

	for (int i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef0123456789ABCDEF";
		char c = take(in);
		const char *digit = c == '\0' ? NULL : strchr(digits, c);

		if (digit == NULL) {
			in->failed = true;
			return '?';
		}
		code = code << 4 | ((unsigned int)(digit - digits) & 15U);
	}
	return (char)(code >= 0x20 && code < 0x7f ? code : '?');
}

static char take_escaped(struct input *in)
{
	char c = take(in);

	if (c == 'u')
		return take_escaped_code(in);
	if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
		in->failed = true;
	return (char)(c == '"' || c == '\\' || c == '/' ? c : '?');
}

/* The string whose opening quote was taken; "" when it is longer than `text` holds. */
static void take_string(struct input *in, char text[static TEXT_BYTES])
{
	size_t used = 0;

	while (!in->failed && !take_if(in, '"')) {
		char c = take(in);

		if ((unsigned char)c < 0x20)
			in->failed = true;
		if (c == '\\')
			c = take_escaped(in);
		if (used < TEXT_BYTES)
			text[used++] = c;
	}
	text[used == TEXT_BYTES ? 0 : used] = '\0';
}

static void take_digits(struct input *in)
{
	if (in->at == in->end || *in->at < '0' || *in->at > '9')
		in->failed = true;
	while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
		in->at++;
}

static void take_number(struct input *in)
{
	take_if(in, '-');
	if (!take_if(in, '0'))
		take_digits(in);
	if (take_if(in, '.'))
		take_digits(in);
	if (take_if(in, 'e') || take_if(in, 'E')) {
		if (!take_if(in, '+'))
			take_if(in, '-');
		take_digits(in);
	}
}

static void take_object(struct input *in, struct found *f, enum where where, unsigned int depth);

static void take_array(struct input *in, struct found *f, unsigned int depth);

/* A value that is nothing to us. */
static void take_value(struct input *in, struct found *f, unsigned int depth)
{
	char ignored[TEXT_BYTES];

	if (depth > DEPTH_MOST || in->at == in->end)
		in->failed = true;
	else if (take_if(in, '{'))
		take_object(in, f, ELSEWHERE, depth);
	else if (take_if(in, '['))
		take_array(in, f, depth);
	else if (take_if(in, '"'))
		take_string(in, ignored);
	else if (*in->at == 't')
		expect(in, "true");
	else if (*in->at == 'f')
		expect(in, "false");
	else if (*in->at == 'n')
		expect(in, "null");
	else
		take_number(in);
}

static void take_array(struct input *in, struct found *f, unsigned int depth)
{
	skip_space(in);
	if (take_if(in, ']'))
		return;
	do {
		skip_space(in);
		take_value(in, f, depth + 1);
		skip_space(in);
	} while (!in->failed && take_if(in, ','));
	expect(in, "]");
}

/* The place for the text of a member, and its counter; NULL when it is nothing to us. */
static char *text_place(struct found *f, enum where where, const char *key)
{
	static char *const nowhere = NULL;

	if (where == AT_TOP && strcmp(key, "ip") == 0) {
		f->count[0]++;
		return f->address;
	}
	if (where == IN_DETAILS && strcmp(key, "remoteIP") == 0) {
		f->count[1]++;
		return f->remote;
	}
	if (where == IN_DETAILS && strcmp(key, "forwardedForIP") == 0) {
		f->count[2]++;
		return f->forwarded;
	}
	return nowhere;
}

static void take_member(
    struct input *in, struct found *f, enum where where, const char *key, unsigned int depth)
{
	char *text = text_place(f, where, key);

	if (text != NULL) {
		if (take_if(in, '"'))
			take_string(in, text);
		else
			in->failed = true;
	} else if (where == AT_TOP && strcmp(key, "success") == 0) {
		f->count[3]++;
		f->success = in->at < in->end && *in->at == 't';
		take_value(in, f, depth);
	} else if (where == AT_TOP && strcmp(key, "ipDetails") == 0 && take_if(in, '{')) {
		take_object(in, f, IN_DETAILS, depth);
	} else {
		take_value(in, f, depth);
	}
}

/* An object whose opening brace was taken. */
static void take_object(struct input *in, struct found *f, enum where where, unsigned int depth)
{
	skip_space(in);
	if (take_if(in, '}'))
		return;
	do {
		char key[TEXT_BYTES];

		skip_space(in);
		expect(in, "\"");
		take_string(in, key);
		skip_space(in);
		expect(in, ":");
		skip_space(in);
		take_member(in, f, where, key, depth + 1);
		skip_space(in);
	} while (!in->failed && take_if(in, ','));
	expect(in, "}");
}

bool echo_answer_read(struct echo_answer *out, const char *text, size_t size)
{
	struct input in = {.at = text, .end = text + size};
	struct found f = {.success = false};

	*out = (struct echo_answer){0};
	if (size > ECHO_ANSWER_MOST)
		return false;
	skip_space(&in);
	expect(&in, "{");
	take_object(&in, &f, AT_TOP, 0);
	skip_space(&in);
	if (in.failed || in.at != in.end || !f.success)
		return false;
	for (size_t i = 0; i < sizeof f.count / sizeof *f.count; i++) {
		if (f.count[i] > 1)
			return false;
	}
	if (!addr_parse(&out->address, f.address) || addr_is_wildcard(&out->address)) {
		*out = (struct echo_answer){0};
		return false;
	}
	out->proxied = *f.forwarded != '\0' && addr_parse(&out->proxy, f.remote);
	return true;
}
