/* What a program printed, as a reply. Nothing is taken from text that is not right as a whole. */
#ifndef RUNNER_ANSWER_H
#define RUNNER_ANSWER_H

#include <stddef.h>

#include "proc/program.h"

/* Fills the reply to `task` from a script's standard output. RUNNER_DONE, or RUNNER_REFUSED with
 * the reason in *why. Rule scripts may print what they like. */
enum runner_outcome runner_answer_script(
    struct runner_reply *reply, uint8_t task, const char *text, size_t size, const char **why);

/* One line of a helper, without its end: {"id":1,"ok":true,"duration":180}. RUNNER_DONE;
 * RUNNER_REFUSED for "ok":false; RUNNER_FAILED for anything that is not an answer to question
 * `id`. */
enum runner_outcome runner_answer_helper(struct runner_reply *reply, uint8_t task, uint32_t id,
    const char *line, size_t size, const char **why);

#endif
