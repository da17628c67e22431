#include "conf/tree_syntax.h"

#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"

/* Counts bytes up to the one at `offset`. */
static void count_block(struct conf_place *place, const unsigned char *block, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		place->line += block[i] == '\n';
		place->column = block[i] == '\n' ? 1 : place->column + 1;
	}
}

/* Where the byte at `offset` stands. */
static struct conf_place place_of_offset(const struct tree_source *from, size_t offset)
{
	struct conf_place place = {1, 1};
	unsigned char block[4096];
	ssize_t got = 1;

	offset = MIN(offset, from->size);
	if (from->data != NULL) {
		count_block(&place, (const unsigned char *)from->data, offset);
		return place;
	}
	if (lseek(from->fd, 0, SEEK_SET) != 0)
		return place;
	for (; offset > 0 && got > 0; offset -= (size_t)MAX(got, 0)) {
		got = fd_read(from->fd, block, MIN(offset, sizeof block));
		count_block(&place, block, (size_t)MAX(got, 0));
	}
	secret_wipe(block, sizeof block);
	return place;
}

/* What the byte reader did not take. It knows an offset where the others know a mark. */
static bool fail_encoding(const struct tree *tree, const struct tree_source *from,
    const yaml_parser_t *parser, struct conf_error *error)
{
	struct conf_place place = place_of_offset(from, parser->problem_offset);
	bool utf8 = parser->encoding == YAML_UTF8_ENCODING;

	if (parser->problem_value == 0 && utf8)
		return tree_fail(tree, place, "", error,
		    "found a zero byte, as in UTF-16 without its mark; expected text in UTF-8: "
		    "save it as such");
	if (strstr(parser->problem, "control") != NULL)
		return tree_fail(tree, place, "", error,
		    "not YAML: %s: remove the character 0x%02x", parser->problem,
		    (unsigned int)parser->problem_value);
	if (utf8)
		return tree_fail(tree, place, "", error,
		    "found the byte 0x%02x, which is not UTF-8, as of a letter in Latin-1; save the "
		    "file in UTF-8: `iconv -f WINDOWS-1252 -t UTF-8`",
		    (unsigned int)parser->problem_value & 0xff);
	return tree_fail(tree, place, "", error,
	    "found broken UTF-16 (%s); expected text in UTF-8: save it as such", parser->problem);
}

bool tree_fail_syntax(const struct tree *tree, const struct tree_source *from,
    const yaml_parser_t *parser, struct conf_error *error)
{
	struct conf_place place = {
	    (uint32_t)parser->problem_mark.line + 1, (uint32_t)parser->problem_mark.column + 1};

	if (parser->error == YAML_READER_ERROR)
		return fail_encoding(tree, from, parser, error);
	if (parser->error == YAML_SCANNER_ERROR && parser->unread > 0 &&
	    *parser->buffer.pointer == '\t')
		return tree_fail(
		    tree, place, "", error, "not YAML: found a tab; expected spaces before a key");
	return tree_fail(tree, place, "", error, "not YAML: %s",
	    parser->problem == NULL ? "no memory" : parser->problem);
}
