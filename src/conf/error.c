#include "conf/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/line.h"
#include "conf/private.h"
#include "conf/values.h"

bool conf_fail(struct conf_error *error, const char *format, ...)
{
	char text[sizeof error->text];
	struct line l = {.text = error->text, .size = sizeof error->text};
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	*error = (struct conf_error){.permission = false};
	/* On one line, whatever a path or a file put into it. */
	value_escape(&l, text, SIZE_MAX, LINE_UNQUOTED);
	return false;
}

bool conf_fail_system(struct conf_error *error, const char *path, const char *doing)
{
	int number = errno;

	conf_fail(error, "%s: cannot %s: %s", path, doing, strerror(number));
	error->missing = number == ENOENT;
	error->permission = number == EACCES || number == EPERM;
	return false;
}

bool conf_fail_second(struct conf_error *error, const char *file, struct conf_place place,
    const char *name, uint32_t first_line)
{
	char quoted[80];

	return conf_fail(error,
	    "%s:%u:%u: found %s a second time; it stands at line %u already: remove one of them",
	    file, place.line, place.column, value_quoted(quoted, sizeof quoted, name, 63),
	    first_line);
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
