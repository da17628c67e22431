/* What is answered to whom: a status and a JSON text, made of our own words and numbers alone. */
#ifndef ECHOIP_ANSWERS_H
#define ECHOIP_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define ANSWER_BYTES 512

struct answer {
	unsigned int status;
	size_t length;
	char body[ANSWER_BYTES];
};

struct caller {
	struct addr client; /* who asks, as far as we believe it */
	struct addr peer;   /* the far end of the connection */
	bool forwarded;     /* client was taken from X-Forwarded-For */
};

/* `/` and `/health` for GET, HEAD and POST, 405 for other methods there, 404 elsewhere. The body
 * is that of GET; leaving it out for HEAD is the HTTP library's work. */
void answer_request(struct answer *a, const char *method, const char *path,
    const struct caller *caller, int64_t now_ns);
/* A refusal: `success` false, `error` "<status> - <words>". */
void answer_error(struct answer *a, unsigned int status, const char *words, int64_t now_ns);

#endif
