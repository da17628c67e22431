#ifndef BASE_LIBC_H
#define BASE_LIBC_H

/* System calls that musl has no functions for, of which statx before 1.2.5 only. Each is as its
 * page in section 2 of the manual says: -1 with errno when it fails. */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef __GLIBC__
#include <sys/syscall.h>

#ifndef STATX_BTIME
#include <linux/stat.h>
#define statx(folder, path, flags, mask, out) \
	((int)syscall(SYS_statx, folder, path, flags, mask, out))
#endif

/* By macros, so that a C library may get functions of these names. */
#define close_range(first, last, flags) ((int)syscall(SYS_close_range, first, last, flags))
#define execveat(folder, path, arguments, environment, flags) \
	syscall(SYS_execveat, folder, path, arguments, environment, flags)

#endif

#endif
