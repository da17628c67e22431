/* The process that runs the administrator's programs. */
#ifndef RUNNER_RUNNER_H
#define RUNNER_RUNNER_H

#include "proc/role.h"

/* Its whole life, as ROLE_RUNNER or ROLE_PRIVILEGED_RUNNER; the exit status. */
int runner_run(enum role role);

#endif
