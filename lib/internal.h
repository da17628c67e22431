/* Shared by the files of the library, never installed. */
#ifndef LIB_INTERNAL_H
#define LIB_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "postern.h"

/* Whether a struct that starts with its own size holds all of the `known` bytes, and nothing but
 * zeros behind them: a newer caller's wish that we do not know must not be dropped in silence. */
bool options_known(const void *options, size_t known);

#endif
