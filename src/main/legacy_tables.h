/* Chains of legacy iptables, whose tables nftables does not show. */
#ifndef MAIN_LEGACY_TABLES_H
#define MAIN_LEGACY_TABLES_H

#include <stdbool.h>

/* Whether its table "filter" has a chain of that name. False, too, where the kernel does not tell;
 * it is not made to load that table. */
bool legacy_table_has_chain(bool ipv6, const char *chain);

#endif
