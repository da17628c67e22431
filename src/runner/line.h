/* The two lines of JSON that a resident helper and we speak, doc/scripts.md: questions out, answers
 * in. Only flat objects of the members below; anything else is no answer. */
#ifndef RUNNER_LINE_H
#define RUNNER_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/program.h"

#define RUNNER_LINE_BYTES 512 /* of a question, its newline included; below PIPE_BUF */

/* Writes the question with its newline; its size, or 0 for a task or protocol there is not. */
size_t runner_line_write(
    char line[static RUNNER_LINE_BYTES], uint32_t id, const struct runner_request *request);

struct runner_line {
	uint32_t id;
	bool ok;
	bool has_duration;
	uint32_t duration;
	const char *public_key; /* inside the line that was parsed; NULL: none */
	size_t public_key_size;
};

/* `line` without its newline; strings are decoded in place. False for anything but one object with
 * `id` and `ok`, at most one `duration` and `publicKey`, and nothing else. */
bool runner_line_parse(struct runner_line *out, char *line, size_t size);

#endif
