/* YAML as openme's own reader takes it, which is more than the daemon does: anchors, aliases,
 * merges (<<), tags, and what stands behind the first document. */
#ifndef FILES_RESOLVE_H
#define FILES_RESOLVE_H

#include "conf/tree.h"

#define RESOLVE_DEPTH 32 /* of a file, and of what its aliases make of it */
#define RESOLVE_NODES TREE_NODES

struct resolved {
	struct tree tree; /* nodes that an alias names stand in several places */
	bool aliases;     /* there were some */
	bool more;        /* a second document, which was not read */
};

/* `from` is memory. False with *error filled and nothing to free. */
bool resolve_parse(struct resolved *out, const struct tree_source *from, struct conf_error *error);

#endif
