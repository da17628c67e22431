#include "files/show.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/secret.h"
#include "conf/values.h"

void list_show(const struct conf_list *list, FILE *to)
{
	fputc('[', to);
	for (size_t i = 0; i < list->count; i++) {
		fputs(i == 0 ? "" : ", ", to);
		show_string(list->items[i].text, to);
	}
	fputc(']', to);
}

/* Safe between any two YAML marks, and a string to every reader: numbers (1e5, 0x1f, 1_000) and
 * dates start with a digit, and have no slash. */
static bool is_plain(const char *text)
{
	static const char *const words[] = {
	    "true", "false", "yes", "no", "on", "off", "y", "n", "null"};
	size_t length = strlen(text);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcasecmp(text, words[i]) == 0)
			return false;
	}
	return length > 0 && (!isdigit((uint8_t)*text) || strchr(text, '/') != NULL) &&
	       strspn(text, "/_.@-") == 0 &&
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
	while (*text != '\0') {
		const char *from = text;

		if (*text == '"' || *text == '\\')
			fprintf(to, "\\%c", *text++);
		else if (value_character(&text) != 0)
			fwrite(from, 1, (size_t)(text - from), to);
		else if ((uint8_t)*text < 0x80)
			fprintf(to, "\\x%02x", *text++);
		else /* the reader has seen to it that this is UTF-8 */
			fprintf(to, "\\U%08x", value_any_character(&text));
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

static bool show_text(const struct conf_field *field, const void *member, FILE *to)
{
	const char *text = ((const struct conf_text *)member)->text;

	if (*text == '\0' && field->fallback == NULL)
		return false;
	show_string(text, to);
	return true;
}

static bool show_command(const struct conf_field *field, const void *member, FILE *to)
{
	const char *command = *(char *const *)member;

	(void)field;
	if (command != NULL)
		show_string(command, to);
	return command != NULL;
}

static bool show_integer(const struct conf_field *field, const void *member, FILE *to)
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

static bool show_duration(const struct conf_field *field, const void *member, FILE *to)
{
	char text[64];

	if (*(const int64_t *)member == 0 && field->fallback == NULL)
		return false;
	duration_text(*(const int64_t *)member, text, sizeof text);
	fputs(text, to);
	return true;
}

static bool show_expiry(const struct conf_field *field, const void *member, FILE *to)
{
	int64_t when = *(const int64_t *)member;

	(void)field;
	if (when == NEVER_NS)
		return false;
	show_time(when, to);
	return true;
}

static bool show_revoked(const struct conf_field *field, const void *member, FILE *to)
{
	const struct conf_revoked *revoked = member;

	(void)field;
	if (revoked->yes && revoked->when_ns != 0)
		show_time(revoked->when_ns, to);
	else if (revoked->yes)
		fputs("true", to);
	return revoked->yes;
}

static bool show_switch(const struct conf_field *field, const void *member, FILE *to)
{
	int value = *(const int *)member;

	(void)field;
	if (value != CONF_NOT_GIVEN)
		fputs(value == 1 ? "true" : "false", to);
	return value != CONF_NOT_GIVEN;
}

static bool show_word(const struct conf_field *field, const void *member, FILE *to)
{
	for (const struct conf_word *w = field->words; w->word != NULL; w++) {
		if (w->number == *(const int *)member)
			fputs(w->word, to);
	}
	return true;
}

static bool show_key(const struct conf_field *field, const void *member, FILE *to)
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

static bool show_secret(const struct conf_field *field, const void *member, FILE *to)
{
	const struct conf_secret *secret = member;

	(void)field;
	if (secret->bytes != NULL)
		fputs("(redacted)", to);
	return secret->bytes != NULL;
}

static bool show_list(const struct conf_field *field, const void *member, FILE *to)
{
	const struct conf_list *list = member;

	(void)field;
	if (list->count > 0)
		list_show(list, to);
	return list->count > 0;
}

/* False: a member that is not to be shown. */
static bool (*const shows[])(const struct conf_field *field, const void *member, FILE *to) = {
    [CONF_KIND_HOST] = show_text,
    [CONF_KIND_INTERFACE] = show_text,
    [CONF_KIND_NAME] = show_text,
    [CONF_KIND_COMMAND] = show_command,
    [CONF_KIND_INTEGER] = show_integer,
    [CONF_KIND_DURATION] = show_duration,
    [CONF_KIND_BOUNDED] = show_duration,
    [CONF_KIND_TIME] = show_expiry,
    [CONF_KIND_REVOKED] = show_revoked,
    [CONF_KIND_SWITCH] = show_switch,
    [CONF_KIND_WORD] = show_word,
    [CONF_KIND_KEY] = show_key,
    [CONF_KIND_SECRET] = show_secret,
    [CONF_KIND_PORTS] = show_list,
    [CONF_KIND_ALLOW] = show_list,
    [CONF_KIND_ADDRESS] = show_text,
    [CONF_KIND_ADDRESSES] = show_list,
    [CONF_KIND_URL] = show_text,
    [CONF_KIND_PATH] = show_command,
    [CONF_KIND_RULES] = show_list,
    [CONF_KIND_TARGETS] = show_list,
};

bool field_show(const struct conf_field *field, const void *from, FILE *to)
{
	return shows[field->kind](field, (const char *)from + field->offset, to);
}

void section_show(
    const struct conf_section *section, const void *from, const char *indent, FILE *to)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct conf_field *field = &section->fields[i];
		char *text = NULL;
		size_t size = 0;
		FILE *line = open_memstream(&text, &size);

		if (line == NULL)
			return;
		if (field_show(field, from, line) && fflush(line) == 0)
			fprintf(to, "%s%s: %s\n", indent, field->key, text);
		fclose(line);
		free(text);
	}
}
