#include "base/filters.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whoever has filters looks first where this one is, which is nowhere. */
int filters_lacking(void)
{
	long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL);

	if (result == -1 && errno == ENOSYS)
		result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0);
	return result == -1 && (errno == EINVAL || errno == ENOSYS || errno == EPERM) ? errno : 0;
}
