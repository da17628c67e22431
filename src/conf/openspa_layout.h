/* The part of a snapshot that OpenSPA needs. Inside src/conf only. */
#ifndef CONF_OPENSPA_LAYOUT_H
#define CONF_OPENSPA_LAYOUT_H

#include "conf/layout_parts.h"

/* The ports that OpenSPA's rules name by number, where we open them ourselves. False when memory is
 * short. */
bool openspa_add_ports(struct ranges *r, const struct conf *conf);
/* The settings of OpenSPA, its devices and their rules. False when memory is short. */
bool build_openspa(struct parts *p, const struct conf *conf);

#endif
