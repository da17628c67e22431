/* A question as the arguments of a program, those of OpenSPA's extension scripts word for word, or
 * as one line of JSON for a helper that stays (doc/scripts.md). Answers are in answer.h. */
#ifndef RUNNER_ARGV_H
#define RUNNER_ARGV_H

#include <stdbool.h>
#include <stddef.h>

#include "proc/program.h"

#define RUNNER_WORDS_MOST      12
#define RUNNER_ARGV_TEXT_BYTES 256

/* Points into itself: not to be copied. */
struct runner_argv {
	char *words[RUNNER_WORDS_MOST + 1]; /* closed by NULL; the first is the program */
	char text[RUNNER_PATH_BYTES + RUNNER_ARGV_TEXT_BYTES];
	size_t used;
	size_t count;
};

/* False for a task or protocol that there is not. */
bool runner_argv_build(
    struct runner_argv *out, const char *program, const struct runner_request *request);

#define RUNNER_LINE_BYTES 512 /* of a question, its newline included; below PIPE_BUF */

/* Writes the question with its newline; its size, or 0 for a task or protocol there is not. */
size_t runner_line_write(
    char line[static RUNNER_LINE_BYTES], uint32_t id, const struct runner_request *request);

/* The task's key in OpenSPA's configuration, "authorization". */
const char *runner_task_name(uint8_t task);
/* "TCP"; NULL for a protocol that OpenSPA does not know. */
const char *runner_protocol_name(uint8_t protocol);

#endif
