/* A question to a resident helper: one line of JSON (doc/scripts.md). Its answer is in answer.h. */
#ifndef RUNNER_LINE_H
#define RUNNER_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "proc/program.h"

#define RUNNER_LINE_BYTES 512 /* of a question, its newline included; below PIPE_BUF */

/* Writes the question with its newline; its size, or 0 for a task or protocol there is not. */
size_t runner_line_write(
    char line[static RUNNER_LINE_BYTES], uint32_t id, const struct runner_request *request);

#endif
