#include "files/post_knock.h"

#include <stdint.h>
#include <string.h>

#include "base/line.h"
#include "conf/error.h"
#include "conf/tree.h"

#define KEY       "post_knock:"
#define BLANKS    " \t\r"
#define LINE_MOST 4096

/* Whether a line holds a key and a whole value by itself. How letters are encoded does not count:
 * another complaint is about that. */
static bool is_yaml(const char *line, size_t size)
{
	char ascii[LINE_MOST];
	struct tree_source source = {"", ascii, -1, size};
	struct tree tree = {.file = NULL};
	struct conf_error ignored;
	const struct node *key, *value = NULL;

	for (size_t i = 0; i < size; i++)
		ascii[i] = (char)((line[i] & 0x80) != 0 ? 'x' : line[i]);
	if (!tree_parse(&tree, &source, NULL, &ignored))
		return false;
	key = tree_first(&tree, tree_root(&tree));
	if (key != NULL)
		value = tree_next(&tree, key);
	value = value != NULL && value->kind == NODE_SCALAR ? value : NULL;
	tree_free(&tree);
	return value != NULL;
}

/* A quoted text may go on in the next line, and is right then. */
static bool goes_on(const char *value, size_t size)
{
	return (*value == '"' || *value == '\'') && memchr(value + 1, *value, size - 1) == NULL;
}

/* As YAML wants it, without the quotes that an app has put around what is no text in quotes. */
static void put_quoted(char *out, size_t room, const char *value, size_t size)
{
	struct line l = {.text = out, .size = room};
	bool ascii = true;

	if (size > 1 && value[0] == '"' && value[size - 1] == '"') {
		value++;
		size -= 2;
	}
	line_add(&l, "'");
	for (size_t i = 0; i < size; i++) {
		line_add(&l, "%s%c", value[i] == '\'' ? "'" : "", value[i]);
		ascii = ascii && (value[i] & 0x80) == 0;
	}
	line_add(&l, "'");
	if (l.cut || !ascii) /* a complaint has no other letters */
		snprintf(out, room, "'...', with each ' in it twice");
}

static bool advise_line(
    const char *file, unsigned int number, const char *line, size_t size, struct conf_error *error)
{
	const char *key = memmem(line, size, KEY, strlen(KEY)), *value, *end = line + size;
	char quoted[600];

	if (size > LINE_MOST || key == NULL || strspn(line, " ") != (size_t)(key - line))
		return false;
	for (value = key + strlen(KEY); value < end && strchr(BLANKS, *value) != NULL; value++)
		;
	while (end > value && strchr(BLANKS, end[-1]) != NULL)
		end--;
	if (value == end || goes_on(value, (size_t)(end - value)) ||
	    is_yaml(key, (size_t)(end - key)))
		return false;
	put_quoted(quoted, sizeof quoted, value, (size_t)(end - value));
	conf_fail(error,
	    "%s:%u:%zu: post_knock: the command is not YAML as it stands; put it in quotes: "
	    "post_knock: %s",
	    file, number, (size_t)(value - line) + 1, quoted);
	return true;
}

void post_knock_advise(const char *file, const char *text, size_t size, struct conf_error *error)
{
	const char *end = text + size, *line = text;

	for (unsigned int number = 1; line < end; number++) {
		const char *next = memchr(line, '\n', (size_t)(end - line));

		next = next == NULL ? end : next;
		if (advise_line(file, number, line, (size_t)(next - line), error))
			return;
		line = next + 1;
	}
}
