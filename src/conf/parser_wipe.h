/* The copies that libyaml's parser has of a text which may hold keys. */
#ifndef CONF_PARSER_WIPE_H
#define CONF_PARSER_WIPE_H

#include <stddef.h>

struct yaml_parser_s;

/* Before yaml_parser_delete. `size` bytes were read at most: of a short text the buffers' front
 * alone is wiped. */
void parser_wipe(struct yaml_parser_s *parser, size_t size);

#endif
