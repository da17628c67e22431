/* Which accounts of this host people use. Read from its files, a line at a time and bounded; no
 * name service is asked, which would load its library into this process. */
#ifndef CONF_ACCOUNTS_H
#define CONF_ACCOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

#define ACCOUNTS_FOLDER     "/etc"
#define ACCOUNTS_TEXT_BYTES 256

/* Whether none but accounts of services are in a group, by passwd, group, gshadow and nsswitch.conf
 * in `folder`: with a uid below 1000, or without a shell to log in with. True: `name` is the
 * group's, and `why` the other sources that nsswitch.conf has members from, "" for none. False:
 * `why` says who stands against it, or what cannot be known. */
bool accounts_group_of_services(const char *folder, gid_t gid,
    char name[static ACCOUNTS_TEXT_BYTES], char why[static ACCOUNTS_TEXT_BYTES]);

/* Whether somebody else than `self` could log in, by passwd in `folder`; `why` says who. True, too,
 * where that cannot be known. */
bool accounts_have_people(const char *folder, uid_t self, char why[static ACCOUNTS_TEXT_BYTES]);

/* The uid of an account in `folder`'s passwd; -1 when there is none. */
uid_t accounts_uid(const char *folder, const char *name);

#endif
