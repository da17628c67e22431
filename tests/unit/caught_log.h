/* What is said on standard error meanwhile, which is where the log goes. */
#ifndef CAUGHT_LOG_H
#define CAUGHT_LOG_H

#include "base/log.h"

void caught_log_begin(enum log_level level);
/* From now on errors only are logged, as ever. The text is there until the next end. */
const char *caught_log_end(void);

#endif
