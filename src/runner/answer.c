#include "runner/answer.h"

#include <string.h>

#include "proto/rsa_pem.h"
#include "runner/line.h"

_Static_assert(sizeof((struct runner_reply *)0)->modulus == RSA_KEY_BYTES &&
                   sizeof((struct runner_reply *)0)->exponent == RSA_EXPONENT_BYTES,
    "a key fits a reply");

static enum runner_outcome refuse(const char **why, const char *reason)
{
	*why = reason;
	return RUNNER_REFUSED;
}

static enum runner_outcome take_key(
    struct runner_reply *reply, const char *text, size_t size, const char **why)
{
	struct rsa_public key;
	enum rsa_error error = rsa_pem_read_public(&key, text, size);

	if (error != RSA_FINE)
		return refuse(why, rsa_error_text(error));
	memcpy(reply->modulus, key.modulus, sizeof reply->modulus);
	memcpy(reply->exponent, key.exponent, sizeof reply->exponent);
	return RUNNER_DONE;
}

static enum runner_outcome take_seconds(
    struct runner_reply *reply, uint64_t seconds, const char **why)
{
	if (seconds == 0)
		return refuse(why, "not authorized");
	if (seconds > UINT16_MAX)
		return refuse(why, "a duration above 65535 seconds");
	reply->duration_s = (uint16_t)seconds;
	return RUNNER_DONE;
}

/* ^[0-9]+$ with one newline behind it at most. */
static enum runner_outcome take_duration(
    struct runner_reply *reply, const char *text, size_t size, const char **why)
{
	uint64_t seconds = 0;

	if (size > 0 && text[size - 1] == '\n')
		size--;
	if (size == 0)
		return refuse(why, "it printed no duration");
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return refuse(why, "it printed something else than a duration");
		if (seconds <= UINT16_MAX)
			seconds = seconds * 10 + (uint64_t)(text[i] - '0');
	}
	return take_seconds(reply, seconds, why);
}

enum runner_outcome runner_answer_script(
    struct runner_reply *reply, uint8_t task, const char *text, size_t size, const char **why)
{
	if (task == RUNNER_PUBLIC_KEY && size == 0)
		return refuse(why, "it printed no key");
	if (task == RUNNER_PUBLIC_KEY)
		return take_key(reply, text, size, why);
	if (task == RUNNER_AUTHORIZE)
		return take_duration(reply, text, size, why);
	return RUNNER_DONE;
}

enum runner_outcome runner_answer_helper(struct runner_reply *reply, uint8_t task, uint32_t id,
    char *line, size_t size, const char **why)
{
	struct runner_line answer;

	*why = "it printed something else than an answer";
	if (!runner_line_parse(&answer, line, size))
		return RUNNER_FAILED;
	if (answer.id != id) {
		*why = "it answered another question";
		return RUNNER_FAILED;
	}
	if (!answer.ok)
		return refuse(why, "it said no");
	if (task == RUNNER_PUBLIC_KEY) {
		if (answer.public_key == NULL)
			return refuse(why, "its answer has no key");
		return take_key(reply, answer.public_key, answer.public_key_size, why);
	}
	if (task == RUNNER_AUTHORIZE) {
		if (!answer.has_duration)
			return refuse(why, "its answer has no duration");
		return take_seconds(reply, answer.duration, why);
	}
	return RUNNER_DONE;
}
