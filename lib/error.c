#include "postern.h"

const char *postern_strerror(int error)
{
	switch (error) {
#define X(name, value, text) \
	case value:          \
		return text;
		POSTERN_ERRORS(X)
#undef X
	default:
		return "unknown error";
	}
}
