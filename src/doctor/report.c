#include "doctor/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "cmd/cli.h"
#include "cmd/text.h"

#define TEXT_BYTES 2048

static const char *const names[FINDINGS] = {"ok", "warning", "problem", "unknown"};

void report_begin(struct report *r, bool as_json, bool quiet)
{
	*r = (struct report){
	    .json.to = stdout, .as_json = as_json, .quiet = quiet, .manager = service_manager()};
	if (!as_json)
		return;
	json_open(&r->json, NULL, '{');
	json_open(&r->json, "checks", '[');
}

static void say_json(struct report *r, enum finding what, const char *remedy, const char *text)
{
	json_open(&r->json, NULL, '{');
	json_string(&r->json, "check", r->check);
	json_string(&r->json, "state", names[what]);
	json_string(&r->json, "text", text);
	json_string(&r->json, "remedy", remedy);
	json_close(&r->json, '}');
}

static void say_text(
    const struct report *r, enum finding what, const char *remedy, const char *text)
{
	static const enum cli_colour colours[FINDINGS] = {CLI_GREEN, CLI_YELLOW, CLI_RED, CLI_DIM};
	char escaped[4 * TEXT_BYTES];

	printf("%s%-8s%s %s: %s\n", cli_colour(colours[what]), names[what], cli_colour(CLI_PLAIN),
	    r->check, text_escaped(escaped, sizeof escaped, text));
	if (remedy != NULL)
		printf("         %sremedy:%s %s\n", cli_colour(CLI_BOLD), cli_colour(CLI_PLAIN),
		    remedy);
}

void report_say(struct report *r, enum finding what, const char *remedy, const char *format, ...)
{
	char text[TEXT_BYTES], here[REMEDY_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	r->count[what]++;
	remedy = remedy_for(remedy, r->manager, here);
	if (r->as_json)
		say_json(r, what, remedy, text);
	else if (!r->quiet || what == FINDING_WARNING || what == FINDING_PROBLEM)
		say_text(r, what, remedy, text);
}

void report_end(struct report *r)
{
	if (r->as_json) {
		json_close(&r->json, ']');
		for (int i = 0; i < FINDINGS; i++)
			json_number(&r->json, names[i], r->count[i]);
		json_bool(&r->json, "healthy", r->count[FINDING_PROBLEM] == 0);
		json_close(&r->json, '}');
	} else if (!r->quiet) {
		printf("\n%u ok, %u warnings, %u problems, %u not looked at\n",
		    r->count[FINDING_OK], r->count[FINDING_WARNING], r->count[FINDING_PROBLEM],
		    r->count[FINDING_UNKNOWN]);
	}
}
