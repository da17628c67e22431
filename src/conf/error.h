/* How a complaint comes into being. Inside src/conf only. */
#ifndef CONF_ERROR_H
#define CONF_ERROR_H

#include "conf/conf.h"

/* Fills *error; what cannot be seen becomes \xNN. Always false, so that a parser can
 * end with `return conf_fail(...)`. */
bool conf_fail(struct conf_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "PATH: cannot DOING: reason of errno"; notes when rights are wanting. Always false. */
bool conf_fail_system(struct conf_error *error, const char *path, const char *doing);

/* An entry that stands in its file already. Always false. */
bool conf_fail_second(struct conf_error *error, const char *file, struct conf_place place,
    const char *name, uint32_t first_line);

#endif
