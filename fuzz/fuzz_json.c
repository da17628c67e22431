/* Any text as the answer of an Echo-IP service; and any text in an answer that we write ourselves,
 * whose address is read exactly when it is one. */
#include <stdio.h>
#include <string.h>

#include "cmd/echo_ask.h"
#include "cmd/json.h"
#include "fuzz.h"

static void read_back(const char *text)
{
	char *written = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&written, &length);
	struct json j = {.to = to};
	struct echo_answer answer;
	struct addr address = {{0}};
	bool is_address = addr_parse(&address, text) && !addr_is_wildcard(&address);

	must(to != NULL);
	json_open(&j, NULL, '{');
	json_string(&j, "note", text);
	json_bool(&j, "success", true);
	json_string(&j, "ip", text);
	json_close(&j, '}');
	must(fclose(to) == 0);
	if (length <= ECHO_ANSWER_MOST)
		must(echo_answer_read(&answer, written, length) == is_address);
	if (length <= ECHO_ANSWER_MOST && is_address)
		must(addr_equal(&answer.address, &address));
	free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct addr none;
	struct echo_answer answer;
	char *text = fuzz_text(data, size);

	if (echo_answer_read(&answer, text, size))
		must(!addr_is_wildcard(&answer.address));
	else
		must(addr_equal(&answer.address, &none) && !answer.proxied);
	read_back(text);
	free(text);
	return 0;
}
