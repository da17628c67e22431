/* Any text as a helper's answer and as a script's output. What is accepted must be in range, and an
 * answer must not depend on what stands behind its end. */
#include <string.h>

#include "fuzz.h"
#include "runner/answer.h"
#include "runner/argv.h"

static void hear(uint8_t task, const uint8_t *data, size_t size)
{
	struct runner_reply reply = {0};
	const char *why = NULL;
	char *line = malloc(size + 1); /* so that a step beyond its end is seen */
	enum runner_outcome outcome;

	must(line != NULL);
	memcpy(line, data, size);
	outcome = runner_answer_helper(&reply, task, 1, line, size, &why);
	must(outcome == RUNNER_DONE || outcome == RUNNER_REFUSED || outcome == RUNNER_FAILED);
	must(outcome != RUNNER_DONE || task != RUNNER_AUTHORIZE || reply.duration_s > 0);
	must(outcome != RUNNER_DONE || task != RUNNER_PUBLIC_KEY || reply.modulus[0] >= 0x80);
	must(outcome == RUNNER_DONE || (why != NULL && *why != '\0'));
	free(line);
}

static void read_output(uint8_t task, const uint8_t *data, size_t size)
{
	struct runner_reply reply = {0};
	const char *why = NULL;
	enum runner_outcome outcome =
	    runner_answer_script(&reply, task, (const char *)data, size, &why);

	must(outcome == RUNNER_DONE || (outcome == RUNNER_REFUSED && why != NULL));
	if (outcome != RUNNER_DONE || task != RUNNER_AUTHORIZE)
		return;
	must(reply.duration_s > 0);
	for (size_t i = 0; i + 1 < size; i++)
		must(data[i] >= '0' && data[i] <= '9');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (uint8_t task = 0; task < RUNNER_TASK_COUNT; task++) {
		hear(task, data, size);
		read_output(task, data, size);
	}
	return 0;
}
