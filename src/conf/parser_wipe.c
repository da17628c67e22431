#include "conf/parser_wipe.h"

#include <sys/param.h>

#include <yaml.h>

#include "base/secret.h"

static void wipe_front(void *start, const void *end, size_t most)
{
	size_t size = (size_t)((const char *)end - (const char *)start);

	if (start != NULL)
		secret_wipe(start, MIN(size, most));
}

void parser_wipe(yaml_parser_t *parser, size_t size)
{
	wipe_front(parser->buffer.start, parser->buffer.end, size + 1);
	wipe_front(parser->raw_buffer.start, parser->raw_buffer.end, size + 1);
}
