/* Values as YAML, for `config show` and for the files that the tool writes. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/secret.h"
#include "conf/kinds.h"
#include "snapshot/snapshot.h"

void list_show(const struct conf_list *list, FILE *to)
{
	fputc('[', to);
	for (size_t i = 0; i < list->count; i++) {
		fputs(i == 0 ? "" : ", ", to);
		show_string(list->items[i].text, to);
	}
	fputc(']', to);
}

/* Safe between any two YAML marks, and a string to every reader. */
static bool is_plain(const char *text)
{
	static const char *const words[] = {
	    "true", "false", "yes", "no", "on", "off", "y", "n", "null"};
	size_t length = strlen(text);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcasecmp(text, words[i]) == 0)
			return false;
	}
	return strspn(text, "0123456789.") < length && strspn(text, "/_.@-") == 0 &&
	       strspn(text,
	           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.@-") == length;
}

void show_string(const char *text, FILE *to)
{
	if (is_plain(text)) {
		fputs(text, to);
		return;
	}
	fputc('"', to);
	for (; *text != '\0'; text++) {
		uint8_t c = (uint8_t)*text;

		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(to, "\\x%02x", c);
		else
			fputc(c, to); /* the reader has seen to it that this is UTF-8 */
	}
	fputc('"', to);
}

void show_time(int64_t ns, FILE *to)
{
	char text[CLOCK_TEXT_BYTES];
	int64_t fraction = ns % NS_PER_SECOND;

	if (fraction < 0)
		fraction += NS_PER_SECOND;
	/* Rounded down for a whole second, then the fraction before the closing Z. */
	clock_text(ns - (ns < INT64_MIN + fraction ? 0 : fraction), text);
	if (fraction == 0) {
		fputs(text, to);
		return;
	}
	text[strcspn(text, "Z")] = '\0';
	fprintf(to, "%s.%09" PRId64 "Z", text, fraction);
}

void duration_text(int64_t ns, char *out, size_t size)
{
	int64_t seconds = ns / NS_PER_SECOND, fraction = ns % NS_PER_SECOND;
	int64_t hours = seconds / 3600, minutes = seconds / 60 % 60;
	size_t used = 0;

	*out = '\0';
	if (hours > 0)
		used += (size_t)snprintf(out + used, size - used, "%" PRId64 "h", hours);
	if (minutes > 0 && used < size)
		used += (size_t)snprintf(out + used, size - used, "%" PRId64 "m", minutes);
	seconds %= 60;
	if (used >= size)
		return;
	if (fraction != 0)
		snprintf(out + used, size - used, "%" PRId64 ".%09" PRId64 "s", seconds, fraction);
	else if (seconds > 0 || used == 0)
		snprintf(out + used, size - used, "%" PRId64 "s", seconds);
}

bool show_text(const struct conf_field *field, const void *member, FILE *to)
{
	const char *text = ((const struct conf_text *)member)->text;

	if (*text == '\0' && field->fallback == NULL)
		return false;
	show_string(text, to);
	return true;
}

bool show_command(const struct conf_field *field, const void *member, FILE *to)
{
	const char *command = *(char *const *)member;

	(void)field;
	if (command != NULL)
		show_string(command, to);
	return command != NULL;
}

bool show_integer(const struct conf_field *field, const void *member, FILE *to)
{
	int64_t value = *(const int64_t *)member;
	bool hex = field->fallback != NULL && strncmp(field->fallback, "0x", 2) == 0;

	if (value == CONF_NOT_GIVEN && field->fallback == NULL)
		return false;
	if (hex)
		fprintf(to, "0x%" PRIx64, (uint64_t)value);
	else
		fprintf(to, "%" PRId64, value);
	return true;
}

bool show_duration(const struct conf_field *field, const void *member, FILE *to)
{
	char text[64];

	if (*(const int64_t *)member == 0 && field->fallback == NULL)
		return false;
	duration_text(*(const int64_t *)member, text, sizeof text);
	fputs(text, to);
	return true;
}

bool show_expiry(const struct conf_field *field, const void *member, FILE *to)
{
	int64_t when = *(const int64_t *)member;

	(void)field;
	if (when == NEVER_NS)
		return false;
	show_time(when, to);
	return true;
}

bool show_revoked(const struct conf_field *field, const void *member, FILE *to)
{
	const struct conf_revoked *revoked = member;

	(void)field;
	if (revoked->yes && revoked->when_ns != 0)
		show_time(revoked->when_ns, to);
	else if (revoked->yes)
		fputs("true", to);
	return revoked->yes;
}

bool show_switch(const struct conf_field *field, const void *member, FILE *to)
{
	int value = *(const int *)member;

	(void)field;
	if (value != CONF_NOT_GIVEN)
		fputs(value == 1 ? "true" : "false", to);
	return value != CONF_NOT_GIVEN;
}

bool show_word(const struct conf_field *field, const void *member, FILE *to)
{
	for (const struct conf_word *w = field->words; w->word != NULL; w++) {
		if (w->number == *(const int *)member)
			fputs(w->word, to);
	}
	return true;
}

bool show_key(const struct conf_field *field, const void *member, FILE *to)
{
	const struct conf_key *key = member;
	char text[SECRET_BASE64_BYTES(CONF_KEY_BYTES)];

	(void)field;
	if (!key->given)
		return false;
	secret_to_base64(text, sizeof text, key->bytes, sizeof key->bytes);
	fputs(text, to);
	return true;
}

bool show_secret(const struct conf_field *field, const void *member, FILE *to)
{
	const struct conf_secret *secret = member;

	(void)field;
	if (secret->bytes != NULL)
		fputs("(redacted)", to);
	return secret->bytes != NULL;
}

bool show_list(const struct conf_field *field, const void *member, FILE *to)
{
	const struct conf_list *list = member;

	(void)field;
	if (list->count > 0)
		list_show(list, to);
	return list->count > 0;
}
