/* Exit statuses, the same for all programs (posternd(8), postern(1)). */
#ifndef BASE_EXIT_H
#define BASE_EXIT_H

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_REFUSED = 3,
	EXIT_NO_ANSWER = 4,
	EXIT_PERMISSION = 77,
	EXIT_CONFIG = 78,
};

#endif
