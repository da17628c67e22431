/* Giving up root, for good, once the sockets are bound. */
#ifndef ECHOIP_USER_H
#define ECHOIP_USER_H

#include "echoip/options.h"

/* Started as root: becomes `name` (NULL: the default user, or an unused high uid where there is
 * none) and drops every capability, also from the bounding set. Started otherwise: stays who it
 * is and drops every capability. EXIT_DONE, or the status to leave with, after having logged why.
 */
int user_become(const char *name);

#endif
