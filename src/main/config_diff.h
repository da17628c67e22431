/* What a new configuration changes, for the audit log: by the names of clients, devices and
 * settings, and never by what a secret is. */
#ifndef MAIN_CONFIG_DIFF_H
#define MAIN_CONFIG_DIFF_H

#include "snapshot/snapshot.h"

enum config_change {
	CONFIG_ADDED,
	CONFIG_REMOVED,
	CONFIG_REVOKED,
	CONFIG_CHANGED, /* something else of a client or device */
	CONFIG_SETTING,
	CONFIG_CHANGES
};

/* Called for each change. `name` is the client's or device's, or the setting's key; `what`, of
 * CHANGED, is what of it. */
typedef void config_diff_found(
    void *context, enum config_change change, const char *name, const char *what);

/* Clients are the same by their key, devices by their UUID. */
void config_diff(const struct snapshot *before, const struct snapshot *after,
    config_diff_found *found, void *context);

#endif
