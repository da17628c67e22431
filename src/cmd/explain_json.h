/* The answer of `postern explain` for programs. */
#ifndef CMD_EXPLAIN_JSON_H
#define CMD_EXPLAIN_JSON_H

#include "cmd/explain_print.h"
#include "cmd/json.h"

/* The members of an object that is open. */
void explain_json(struct json *j, const struct explain_answer *a);

#endif
