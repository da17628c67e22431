#include "grant/opening.h"

bool opening_same(const struct opening *a, const struct opening *b)
{
	return addr_equal(&a->address, &b->address) && ports_equal(&a->ports, &b->ports) &&
	       a->policy == b->policy;
}
