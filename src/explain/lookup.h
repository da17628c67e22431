/* Whether a value is in a set or a map of nf_tables. */
#ifndef EXPLAIN_LOOKUP_H
#define EXPLAIN_LOOKUP_H

#include "explain/rules.h"
#include "explain/value.h"

struct lookup {
	enum answer found;
	const struct nlattr *element; /* the one that it is, or may be; NULL: none, or several */
	bool counts;                  /* it has a limit or the like of its own */
};

struct lookup lookup_in(const struct rules_set *set, const struct value *key);

#endif
