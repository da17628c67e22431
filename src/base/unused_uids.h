/* The uids for those who have no user of their own: below what a user namespace of 65,536 maps, and
 * given to nobody else. People have 1000 to 60513, containers 60514 to 60577, and systemd's dynamic
 * users, which may be any service's at any time, 61184 to 65519. */
#ifndef BASE_UNUSED_UIDS_H
#define BASE_UNUSED_UIDS_H

#define UNUSED_UID_FIRST 60706
#define UNUSED_UID_LAST  61183

#endif
