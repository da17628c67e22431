/* Filters of system calls (seccomp), which a kernel may have been built without, or a container may
 * withhold. */
#ifndef BASE_FILTERS_H
#define BASE_FILTERS_H

/* 0, or the error that tells that there are none here, which other errors do not. */
int filters_lacking(void);

#endif
