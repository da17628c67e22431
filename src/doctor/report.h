/* What the checks found, a line each, as text or as JSON. */
#ifndef DOCTOR_REPORT_H
#define DOCTOR_REPORT_H

#include <stdbool.h>

#include "cmd/json.h"
#include "doctor/remedy.h"

enum finding {
	FINDING_OK,
	FINDING_WARNING, /* the gate works, and something may surprise */
	FINDING_PROBLEM, /* it does not work, or does not protect */
	FINDING_UNKNOWN, /* could not be looked at */
	FINDINGS
};

struct report {
	struct json json;
	bool as_json;
	bool quiet; /* only what is not well, and no sum */
	enum service_manager manager;
	const char *check; /* that is being made */
	unsigned int count[FINDINGS];
};

void report_begin(struct report *r, bool as_json, bool quiet);
/* `remedy`: a command, or what else helps; NULL: nothing does, or nothing is wrong. It is shown as
 * it is, but that systemctl is said in the words of this host's service manager; in the other text
 * any byte may stand. */
void report_say(struct report *r, enum finding what, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_end(struct report *r);

#endif
