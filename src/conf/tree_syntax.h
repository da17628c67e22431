/* What is said of a text that is not YAML. Inside src/conf only. */
#ifndef CONF_TREE_SYNTAX_H
#define CONF_TREE_SYNTAX_H

#include <yaml.h>

#include "conf/tree.h"

/* By the parser, which has failed for what it read. `from` is read anew. Always false. */
bool tree_fail_syntax(const struct tree *tree, const struct tree_source *from,
    const yaml_parser_t *parser, struct conf_error *error);

#endif
