#include "runner/answer.h"

#include <string.h>

#include "proto/rsa_pem.h"
#include "json/json_read.h"

_Static_assert(sizeof((struct runner_reply *)0)->modulus == RSA_KEY_BYTES &&
                   sizeof((struct runner_reply *)0)->exponent == RSA_EXPONENT_BYTES,
    "a key fits a reply");

static enum runner_outcome refuse_answer(const char **why, const char *reason)
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
		return refuse_answer(why, rsa_error_text(error));
	memcpy(reply->modulus, key.modulus, sizeof reply->modulus);
	memcpy(reply->exponent, key.exponent, sizeof reply->exponent);
	return RUNNER_DONE;
}

static enum runner_outcome take_seconds(
    struct runner_reply *reply, uint64_t seconds, const char **why)
{
	if (seconds == 0)
		return refuse_answer(why, "not authorized");
	if (seconds > UINT16_MAX)
		return refuse_answer(why, "a duration above 65535 seconds");
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
		return refuse_answer(why, "it printed no duration");
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return refuse_answer(why, "it printed something else than a duration");
		if (seconds <= UINT16_MAX)
			seconds = seconds * 10 + (uint64_t)(text[i] - '0');
	}
	return take_seconds(reply, seconds, why);
}

enum runner_outcome runner_answer_script(
    struct runner_reply *reply, uint8_t task, const char *text, size_t size, const char **why)
{
	if (task == RUNNER_PUBLIC_KEY && size == 0)
		return refuse_answer(why, "it printed no key");
	if (task == RUNNER_PUBLIC_KEY)
		return take_key(reply, text, size, why);
	if (task == RUNNER_AUTHORIZE)
		return take_duration(reply, text, size, why);
	return RUNNER_DONE;
}

/* A whole number of 32 bits without a sign. */
static bool is_number(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0 &&
	       json_integer_value(value) <= UINT32_MAX;
}

/* Whether these members, and no others, are there as they must be. */
static bool is_answer(const json_t *answer)
{
	const json_t *duration = json_object_get(answer, "duration");
	const json_t *key = json_object_get(answer, "publicKey");

	return is_number(json_object_get(answer, "id")) &&
	       json_is_boolean(json_object_get(answer, "ok")) &&
	       (duration == NULL || is_number(duration)) && (key == NULL || json_is_string(key)) &&
	       json_object_size(answer) == 2U + (duration != NULL) + (key != NULL);
}

static enum runner_outcome take_helper_answer(
    struct runner_reply *reply, uint8_t task, const json_t *answer, const char **why)
{
	const json_t *duration = json_object_get(answer, "duration");
	const json_t *key = json_object_get(answer, "publicKey");

	if (!json_is_true(json_object_get(answer, "ok")))
		return refuse_answer(why, "it said no");
	if (task == RUNNER_PUBLIC_KEY)
		return key == NULL
		           ? refuse_answer(why, "its answer has no key")
		           : take_key(reply, json_string_value(key), json_string_length(key), why);
	if (task == RUNNER_AUTHORIZE)
		return duration == NULL
		           ? refuse_answer(why, "its answer has no duration")
		           : take_seconds(reply, (uint64_t)json_integer_value(duration), why);
	return RUNNER_DONE;
}

enum runner_outcome runner_answer_helper(struct runner_reply *reply, uint8_t task, uint32_t id,
    const char *line, size_t size, const char **why)
{
	json_t *answer = json_read(line, size, 1);
	enum runner_outcome outcome = RUNNER_FAILED;

	if (answer == NULL || !is_answer(answer))
		*why = "it printed something else than an answer";
	else if (json_integer_value(json_object_get(answer, "id")) != id)
		*why = "it answered another question";
	else
		outcome = take_helper_answer(reply, task, answer, why);
	json_decref(answer);
	return outcome;
}
