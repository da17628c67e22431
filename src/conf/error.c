#include "conf/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conf/private.h"

static const char hex[] = "0123456789abcdef";

/* Keeps a complaint on one line, whatever a path or a file put into it. */
static void copy_printable(char *out, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text != '\0' && used + 5 <= size; text++) {
		uint8_t c = (uint8_t)*text;

		if (c >= 0x20 && c < 0x7f) {
			out[used++] = (char)c;
			continue;
		}
		out[used++] = '\\';
		out[used++] = 'x';
		out[used++] = hex[c >> 4];
		out[used++] = hex[c & 15];
	}
	out[used] = '\0';
}

bool conf_fail(struct conf_error *error, const char *format, ...)
{
	char text[sizeof error->text];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	error->permission = false;
	copy_printable(error->text, sizeof error->text, text);
	return false;
}

bool conf_fail_system(struct conf_error *error, const char *path, const char *doing)
{
	int number = errno;

	conf_fail(error, "%s: cannot %s: %s", path, doing, strerror(number));
	error->permission = number == EACCES || number == EPERM;
	return false;
}

void conf_warn(struct conf *conf, const char *format, ...)
{
	char **more = reallocarray(conf->warnings, conf->warning_count + 1, sizeof *more);
	struct conf_error error;
	char text[sizeof error.text];
	va_list args;

	if (more == NULL)
		return;
	conf->warnings = more;
	if (conf->warning_count > CONF_WARNINGS_MOST)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	conf_fail(&error, "%s",
	    conf->warning_count < CONF_WARNINGS_MOST ? text : "more warnings are left out");
	more[conf->warning_count] = strdup(error.text);
	conf->warning_count += more[conf->warning_count] != NULL;
}
