#include "error_queue.h"

#include <openssl/err.h>

enum { BEFORE_THE_MARK = 1, AFTER_IT };

int error_queue_begin(void **state)
{
	(void)state;
	ERR_clear_error();
	ERR_raise(ERR_LIB_USER, BEFORE_THE_MARK);
	ERR_set_mark();
	ERR_raise(ERR_LIB_USER, AFTER_IT);
	return 0;
}

int error_queue_end(void **state)
{
	(void)state;
	if (ERR_GET_REASON(ERR_peek_last_error()) != AFTER_IT)
		return -1;
	ERR_pop_to_mark();
	return ERR_GET_REASON(ERR_peek_last_error()) == BEFORE_THE_MARK ? 0 : -1;
}
