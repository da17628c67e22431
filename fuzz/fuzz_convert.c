/* Any text as a file to be converted. What comes of it is converted again, and stays as it is from
 * then on. */
#include <string.h>

#include "base/secret.h"
#include "files/convert.h"
#include "fuzz.h"

#define PATH "/nonexistent/postern/config.yaml"

static FILE *nowhere;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(secret_init());
	nowhere = fopen("/dev/null", "w");
	must(nowhere != NULL);
	return 0;
}

static bool convert(struct secret_text *out, const char *data, size_t size)
{
	const struct tree_source from = {PATH, data, -1, size};
	struct conf_error error = {.text = ""};
	bool ok = convert_file(out, &from, NULL, false, nowhere, &error);

	must(ok == (*error.text == '\0'));
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct secret_text one, two, three;
	char *text = fuzz_text(data, size);

	if (convert(&one, text, size)) {
		must(convert(&two, one.data, one.size));
		must(convert(&three, two.data, two.size));
		must(two.size == three.size && memcmp(two.data, three.data, two.size) == 0);
		secret_text_free(&one);
		secret_text_free(&two);
		secret_text_free(&three);
	}
	free(text);
	return 0;
}
