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

/* postern_knock_shield, of ingredients that are known. False for a key of zeros. */
bool shield_ingredients(struct postern_ingredients *ingredients,
    const uint8_t shield_key[static POSTERN_SHIELD_KEY_BYTES]);

#endif
